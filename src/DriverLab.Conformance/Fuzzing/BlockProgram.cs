using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Fuzzing;

/// <summary>A program on loop devices over files of a tmpfs: settings, requests by ioctl, reads and writes, what is left in the file.</summary>
/// <remarks>A backing file is changed and read directly only where the device's cache cannot hold something else: what the cache holds is not a promise. No parts: they outlive a program on the device that the next one is given.</remarks>
internal class BlockProgram(Draw draw, ProgramWriter writer)
{
    private static readonly string[] s_offsets = ["0", "0", "512", "4096", "1000", "64K", "100K", "256K"];
    private static readonly string[] s_lengths = ["512", "1024", "4096", "8192", "1000", "64K", "128K"];
    private static readonly string[] s_data = ["{rand:1:512}", "{rand:2:4096}", "{rand:3:8192}", "{rand:4:1000}", "hello", "{zero:4096}", "{rand:5:64K}"];

    private static readonly IReadOnlyList<Operation<BlockProgram>> s_all =
    [
        new("attach", 6, static p => p.Attach()),
        new("detach", 3, static p => p.OnDevice("loop detach")),
        new("status", 3, static p => p.OnDevice("loop status")),
        new("set", 4, static p => p.Set()),
        new("capacity", 3, static p => p.Capacity()),
        new("blocksize", 2, static p => p.OnDevice("loop blocksize", p.Draw.Of("512", "1024", "4096", "513", "8192", "0"))),
        new("directio", 1, static p => p.OnDevice("loop directio", p.Draw.Of("0", "1"))),
        new("changefd", 1, static p => p.OnDevice("loop changefd", p.Draw.Of(s_files))),
        new("configure", 2, static p => p.OnDevice("loop configure", p.Draw.Of(s_files))),
        new("setfd", 1, static p => p.OnDevice("loop setfd", p.Draw.Of(s_files))),
        new("size", 4, static p => p.OnDevice(p.Draw.Of("blk size", "blk sectors"))),
        new("limits", 3, static p => p.OnDevice("blk limits")),
        new("ro", 2, static p => p.OnDevice("blk ro")),
        new("setro", 2, static p => p.OnDevice("blk setro", p.Draw.Of("0", "1"))),
        new("discard", 5, static p => p.Range(p.Draw.Of("blk discard", "blk zeroout", "blk zeroout", "blk secdiscard"))),
        new("ahead", 1, static p => p.OnDevice(p.Draw.Of("blk rotational", "blk discardzeroes"))),
        new("flush", 2, static p => p.OnDevice("blk flush")),
        new("bsz", 1, static p => p.OnDevice("blk bsz")),
        new("setbsz", 1, static p => p.OnDevice("blk setbsz", p.Draw.Of("512", "4096", "1024", "0", "100"))),
        new("open", 6, static p => p.Open()),
        new("close", 4, static p => p.Close()),
        new("pread", 6, static p => p.Read()),
        new("pwrite", 8, static p => p.Write()),
        new("lseek", 2, static p => p.Seek()),
        new("fsync", 3, static p => p.OnFile("fsync")),
        new("fstat", 1, static p => p.OnFile("fstat")),
        new("fallocate", 3, static p => p.Fallocate()),
        new("address", 1, static p => p.OnFile("ioctl", p.Draw.Of(s_requests), p.Draw.Of("0", "0", "1"))),
        new("digest", 4, static p => p.Digest()),
    ];

    /// <summary>Requests that take a structure: for ranges, sizes and states of block devices, reservations and zones, and what a loop device is set to.</summary>
    private static readonly string[] s_requests = ["0x1277", "0x127f", "0x127d", "0x1260", "0x1268", "0x125d", "0x125e", "0x1263", "0x40081271", "0x80081270", "0x80081280", "0x1269", "0x401870c8", "0xc0101282", "0x80041284", "0x301", "0x4c0a", "0x4c04", "0x4c05"];

    private static readonly string[] s_files = ["/i1", "/i2", "/i3"];
    private readonly List<string> _devices = [];
    private readonly List<string> _open = [];

    protected Draw Draw { get; } = draw;
    protected ProgramWriter Writer { get; } = writer;

    /// <summary>Variables that hold an open device.</summary>
    protected List<string> Opened => _open;

    /// <summary>Variables that hold a device.</summary>
    protected List<string> Devices => _devices;

    /// <summary>Writes a whole program.</summary>
    public virtual void Write(int steps)
    {
        MakeFiles();
        Settle();
        Attach();
        var swarm = new Swarm<BlockProgram>(Draw, s_all);
        while (Writer.Count < steps)
            swarm.Next(Draw).Write(this);
        foreach (string file in _open)
            Writer.Add("close", Writer.Word(file));
        foreach (string device in _devices.Distinct())
            Writer.Add("loop detach", Writer.Word(device));
        foreach (string file in s_files)
            Writer.Add("digest", [Writer.Option("chunk", "4096")], Writer.Word(file));
    }

    /// <summary>Every device that may be used is bound once: an unbound one shows what its last user left behind.</summary>
    private void Settle()
    {
        Writer.Add("write", Writer.Word("/i0"), Writer.Word("{zero:4096}"));
        for (int i = 1; i <= 4; i++)
            Writer.Add("l" + (char)('0' + i), "loop attach", null, Writer.Word("/i0"));
        for (int i = 1; i <= 4; i++)
            Writer.Add("loop detach", Writer.Word("l" + (char)('0' + i)));
    }

    /// <summary>Backing files: of whole blocks, of an odd length, with content.</summary>
    protected void MakeFiles()
    {
        foreach (string file in s_files)
        {
            if (Draw.Chance(50))
                Writer.Add("write", Writer.Word(file), Writer.Word(Draw.Of("{rand:9:256K}", "{rand:8:100000}", "{rand:6:64K}", "{rand:7:513}")));
            else
            {
                Writer.Add("write", Writer.Word(file), Writer.Word("\"\""));
                Writer.Add("truncate", Writer.Word(file), Writer.Word(Draw.Of("1M", "256K", "64K", "4096", "100000", "0")));
            }
        }
    }

    protected void Attach()
    {
        if (_devices.Count >= 4)
            return;
        string variable = "l" + (char)('1' + _devices.Count);
        var options = Settings();
        if (Draw.Chance(15))
            options.Add(Writer.Option("blocksize", Draw.Of("512", "1024", "4096", "4096", "100")));
        Writer.Add(variable, "loop attach", options, Writer.Word(Draw.Of(s_files)));
        _devices.Add(variable);
    }

    private List<Option> Settings()
    {
        var options = new List<Option>();
        if (Draw.Chance(30))
            options.Add(Writer.Option("offset", Draw.Of(s_offsets)));
        if (Draw.Chance(30))
            options.Add(Writer.Option("sizelimit", Draw.Of("512", "4096", "10000", "64K", "2M", "100")));
        if (Draw.Chance(12))
            options.Add(new("ro", null));
        if (Draw.Chance(6))
            options.Add(new(Draw.Of("autoclear", "directio"), null));
        return options;
    }

    private void Set()
    {
        var options = Settings();
        if (Draw.Chance(10))
            options.Add(new("noflags", null));
        Writer.Add("loop set", options, Writer.Word(Draw.Of(_devices)));
    }

    /// <summary>A file that grew or shrank below the device, which asks again for its size.</summary>
    private void Capacity()
    {
        if (Draw.Chance(60))
            Writer.Add("truncate", Writer.Word(Draw.Of(s_files)), Writer.Word(Draw.Of("2M", "512K", "64K", "100000")));
        OnDevice("loop capacity");
    }

    private void Digest() => Writer.Add("digest", [Writer.Option("chunk", "16384")], Writer.Word("$" + Draw.Of(_devices)));

    protected void OnDevice(string verb, params ReadOnlySpan<string> arguments)
    {
        // A device where a path is expected is written as $l.
        string device = Draw.Of(_devices);
        Writer.Add(verb, [Writer.Word(verb == "open" ? "$" + device : device), .. Words(arguments)]);
    }

    private Word[] Words(ReadOnlySpan<string> texts)
    {
        var words = new Word[texts.Length];
        for (int i = 0; i < texts.Length; i++)
            words[i] = Writer.Word(texts[i]);
        return words;
    }

    protected void Range(string verb) => OnDevice(verb, Draw.Of(s_offsets), Draw.Of(s_lengths));

    protected void Open()
    {
        if (_open.Count >= 6)
            return;
        string variable = "f" + (char)('1' + _open.Count);
        Writer.Add(variable, "open", null, Writer.Word("$" + Draw.Of(_devices)), Writer.Word(Draw.Of("O_RDWR", "O_RDWR", "O_RDONLY", "O_WRONLY", "O_RDWR|O_DIRECT", "O_RDWR|O_SYNC", "O_RDONLY|O_EXCL")));
        _open.Add(variable);
    }

    private void Close()
    {
        if (_open.Count == 0)
            return;
        string last = _open[^1];
        _open.RemoveAt(_open.Count - 1);
        Writer.Add("close", Writer.Word(last));
    }

    protected void Read()
    {
        if (_open.Count > 0)
            Writer.Add("pread", Writer.Word(Draw.Of(_open)), Writer.Word(Draw.Of(s_lengths)), Writer.Word(Draw.Of(s_offsets)));
    }

    protected void Write()
    {
        if (_open.Count > 0)
            Writer.Add("pwrite", Writer.Word(Draw.Of(_open)), Writer.Word(Draw.Of(s_data)), Writer.Word(Draw.Of(s_offsets)));
    }

    private void Seek()
    {
        if (_open.Count > 0)
            Writer.Add("lseek", Writer.Word(Draw.Of(_open)), Writer.Word(Draw.Of("0", "512", "1M", "-1", "4096")), Writer.Word(Draw.Of("SEEK_SET", "SEEK_END", "SEEK_CUR", "SEEK_DATA", "SEEK_HOLE")));
    }

    protected void OnFile(string verb, params ReadOnlySpan<string> arguments)
    {
        if (_open.Count > 0)
            Writer.Add(verb, [Writer.Word(Draw.Of(_open)), .. Words(arguments)]);
    }

    private void Fallocate()
    {
        if (_open.Count > 0)
            Writer.Add("fallocate", Writer.Word(Draw.Of(_open)), Writer.Word(Draw.Of("FALLOC_FL_PUNCH_HOLE|FALLOC_FL_KEEP_SIZE", "FALLOC_FL_ZERO_RANGE", "FALLOC_FL_ZERO_RANGE|FALLOC_FL_KEEP_SIZE", "0")), Writer.Word(Draw.Of(s_offsets)), Writer.Word(Draw.Of(s_lengths)));
    }
}
