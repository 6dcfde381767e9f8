using System.Globalization;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Fuzzing;

/// <summary>A program on a thin pool over loop devices: devices, snapshots, external origins, direct I/O, discards, full disks, reloads, suspension, failing metadata.</summary>
/// <remarks>
/// A full pool gives errors and never queues, and what is suspended is resumed before the next request: a request that waits would wait for ever. Nothing reads the data device: which of
/// its blocks is taken depends on when the kernel commits by itself. On a tiny metadata device a write stays in one block: whether the second block of a larger one is taken before the first
/// is mapped, or after it, when the metadata are full, depends on when the kernel's worker runs; and so does what is left for it, unless all is committed
/// before; and the kernel commits each second by itself, so that all is committed after it too.
/// </remarks>
internal sealed class ThinProgram(Draw draw, ProgramWriter writer)
{
    private static readonly IReadOnlyList<Operation<ThinProgram>> s_all =
    [
        new("create_thin", 6, static p => p.CreateThin()),
        new("create_snap", 6, static p => p.CreateSnapshot()),
        new("delete", 3, static p => p.Message($"delete {p.Id()}")),
        new("words", 2, static p => p.Message(p.Draw.Of("create_thin", "create_thin x", "create_snap 1", "delete", "hello", "create_thin 16777216", "set_transaction_id 1", "reserve_metadata_snap x", "@odd"))),
        new("transaction", 2, static p => p.Message($"set_transaction_id {p.Draw.Of("0", "0", "1", "2")} {p.Draw.Of("1", "2")}")),
        new("hold", 2, static p => p.Hold()),
        new("release", 2, static p => p.Message("release_metadata_snap")),
        new("activate", 8, static p => p.Activate()),
        new("deactivate", 4, static p => p.Deactivate()),
        new("open", 7, static p => p.Open()),
        new("close", 2, static p => p._open.CloseAll()),
        new("write", 16, static p => p.Write()),
        new("read", 6, static p => p.Read()),
        new("discard", 6, static p => p.Range("blk discard")),
        new("zeroout", 2, static p => p.ZeroOut()),
        new("fsync", 3, static p => p._open.On("fsync")),
        new("digest", 2, static p => p.Digest()),
        new("limits", 1, static p => p.OnThin(p.Draw.Of("blk size", "blk limits", "blk ro"), node: true)),
        new("status", 5, static p => p.OnThin("dm status")),
        new("table", 2, static p => p.OnThin("dm table")),
        new("pool status", 6, static p => p.OnPool(p.Draw.Of("dm status", "dm status", "dm table", "dm info", "dm deps"))),
        new("events", 3, static p => p.Writer.Add("dm info", [new("events", null)], p.Pool)),
        new("suspend pool", 2, static p => p.SuspendPool()),
        new("suspend thin", 2, static p => p.SuspendThin()),
        new("reload pool", 4, static p => p.ReloadPool()),
        new("remake pool", 2, static p => p.RemakePool()),
        new("fail metadata", 1, static p => p.FailMetadata()),
    ];

    private static readonly string[] s_names = ["t1", "t2", "t3"];
    private static readonly string[] s_counts = ["512", "512", "4096", "4096", "20480", "65536", "65536", "131072", "196608"];
    private readonly OpenMaps _open = new(draw, writer);
    private long _blockSectors, _metadataSectors, _dataSectors, _poolSectors;
    private readonly bool _hasOrigin = draw.Chance(50);
    private string _always = "error_if_no_space";
    private char _tag = 'a';

    private Draw Draw { get; } = draw;
    private ProgramWriter Writer { get; } = writer;
    private Word Pool => Writer.Word("pool");

    /// <summary>Writes a whole program.</summary>
    public void Write(int steps)
    {
        _blockSectors = Draw.Of(128L, 128, 128, 256, 384);
        _metadataSectors = Draw.Chance(12) ? Draw.Of(128L, 192, 256) : Draw.Of(4096L, 8192);
        _dataSectors = _blockSectors * Draw.Of(4L, 8, 12, 18) + Draw.Of(0L, 0, 8);
        _poolSectors = Draw.Of(_dataSectors, _dataSectors, _dataSectors * 2, _dataSectors / 2);
        if (Draw.Chance(10))
            _always += " ignore_discard"; // cannot be changed by a reload
        Disk("m", _metadataSectors);
        Disk("d", _dataSectors * 2);
        if (_hasOrigin)
            Disk("o", 300);
        Writer.Add("dm create", Writer.Word("ml"), Writer.Word($"\"0 {_metadataSectors} linear $m 0\""));
        Writer.Add("dm create", Pool, Row(_poolSectors));
        Message("create_thin 0");
        Writer.Add("dm create", Writer.Word("t1"), ThinRow("0"));
        _open.Open("t1");
        var swarm = new Swarm<ThinProgram>(Draw, s_all);
        while (Writer.Count < steps)
            swarm.Next(Draw).Write(this);
        _open.CloseAll();
        foreach (string name in s_names)
        {
            Writer.Add("dm status", Writer.Word(name));
            Digest(name);
        }
        Writer.Add("dm status", Pool);
        Writer.Add("dm info", [new("events", null)], Pool);
    }

    private void Disk(string name, long sectors)
    {
        Writer.Add("write", Writer.Word("/" + name), Writer.Word(name == "o" ? "{rand:3:153600}" : "\"\""));
        if (name != "o")
            Writer.Add("truncate", Writer.Word("/" + name), Writer.Number(sectors * 512));
        Writer.Add(name, "loop attach", null, Writer.Word("/" + name));
    }

    // ---- pools -------------------------------------------------------------------------------------------------------------------

    private Word Row(long length)
    {
        var features = _always.Split(' ').ToList();
        foreach (var (feature, percent) in ((string, int)[])[("skip_block_zeroing", 15), ("no_discard_passdown", 25), ("read_only", 6)])
            if (Draw.Chance(percent) && features.Count < 4)
                features.Add(feature);
        return Writer.Word($"\"0 {length} thin-pool /dev/mapper/ml $d {(Draw.Chance(5) ? 128 : _blockSectors)} {Draw.Of("0", "2", "5")} {features.Count} {string.Join(' ', features)}\"");
    }

    private void Message(string text) => Writer.Add("dm message", Pool, Writer.Word($"\"{text}\""));

    private void OnPool(string verb) => Writer.Add(verb, Pool);

    private string Id() => Draw.Of("0", "1", "2", "3", "4", Draw.Chance(10) ? "16777215" : "1");

    private void CreateThin() => Message($"create_thin {Id()}");

    /// <summary>A metadata snapshot is given back before the next status: where it lies depends on when the kernel commits by itself.</summary>
    private void Hold()
    {
        Message("reserve_metadata_snap");
        Draw.Of<Action>(CreateThin, CreateSnapshot, Write, () => Message("reserve_metadata_snap"))();
        Message("release_metadata_snap");
    }

    /// <summary>The origin should be suspended; that it may run is the user's risk, and shows nothing here, where one request follows the other.</summary>
    private void CreateSnapshot()
    {
        string? origin = Draw.Chance(50) ? Draw.Of(s_names) : null;
        if (origin is not null)
            Writer.Add("dm suspend", Writer.Word(origin));
        Message($"create_snap {Id()} {Id()}");
        if (origin is not null)
            Writer.Add("dm resume", Writer.Word(origin));
    }

    private void SuspendPool()
    {
        Writer.Add("dm suspend", Draw.Chance(25) ? [new("noflush", null)] : null, Pool);
        for (int i = Draw.Next(3); i > 0; i--)
            Draw.Of<Action>(CreateThin, () => Message($"delete {Id()}"), () => OnPool("dm info"), () => OnPool("dm table"), Activate)();
        Writer.Add("dm resume", Pool);
    }

    /// <summary>A table that the pool may refuse when it is resumed leaves it suspended: the second one fits.</summary>
    private void ReloadPool()
    {
        long length = Draw.Of(_poolSectors, _poolSectors, _dataSectors * 2, _dataSectors, _poolSectors / 2);
        Writer.Add("dm load", Pool, Row(length));
        Writer.Add("dm resume", Pool);
        OnPool("dm table");
        _poolSectors = Math.Max(_poolSectors, length);
        Writer.Add("dm load", Pool, Writer.Word($"\"0 {_poolSectors} thin-pool /dev/mapper/ml $d {_blockSectors} 0 {_always.Split(' ').Length} {_always}\""));
        Writer.Add("dm resume", Pool);
    }

    private void RemakePool()
    {
        _open.CloseAll();
        foreach (string name in s_names)
            Writer.Add("dm remove", Writer.Word(name));
        Writer.Add("dm remove", Pool);
        Writer.Add("dm create", Pool, Row(_poolSectors));
        OnPool("dm status");
        Activate();
    }

    /// <summary>What has changed is committed before: whether the kernel has done so by itself depends on how fast the program runs.</summary>
    private void FailMetadata()
    {
        OnPool("dm status");
        Load($"0 {_metadataSectors} {Draw.Of("error", "flakey $m 0 0 1 1 error_writes")}");
        Draw.Of<Action>(CreateThin, Write, WriteDurably, () => Message($"delete {Id()}"))();
        OnPool("dm status");
        Load($"0 {_metadataSectors} linear $m 0");
        OnPool("dm status");

        void Load(string row)
        {
            Writer.Add("dm load", Writer.Word("ml"), Writer.Word($"\"{row}\""));
            Writer.Add("dm resume", [new("noflush", null)], Writer.Word("ml"));
        }
    }

    // ---- thin devices ------------------------------------------------------------------------------------------------------------

    private Word ThinRow(string id)
    {
        long length = _blockSectors * Draw.Of(4L, 7, 11) + Draw.Of(0L, 0, 0, 8);
        return Writer.Word($"\"0 {length} thin /dev/mapper/pool {id}{(_hasOrigin && Draw.Chance(24) ? " $o" : "")}\"");
    }

    private void Activate() => Writer.Add("dm create", Writer.Word(Draw.Of(s_names)), ThinRow(Id()));

    private void Deactivate() => Writer.Add("dm remove", Writer.Word(Draw.Of(s_names)));

    private void SuspendThin()
    {
        string name = Draw.Of(s_names);
        Writer.Add("dm suspend", Draw.Chance(25) ? [new("noflush", null)] : null, Writer.Word(name));
        if (Draw.Chance(40))
            Message($"create_snap {Id()} {Id()}");
        if (Draw.Chance(40))
            OnPool("dm status");
        if (Draw.Chance(30))
            Writer.Add("dm load", Writer.Word(name), ThinRow(Id()));
        Writer.Add("dm resume", Writer.Word(name));
    }

    private void OnThin(string verb, bool node = false) => Writer.Add(verb, Writer.Word((node ? "/dev/mapper/" : "") + Draw.Of(s_names)));

    private void Open() => _open.Open(Draw.Of(s_names));

    private bool IsTiny => _metadataSectors < 4096;

    private long BlockBytes => _blockSectors * 512;

    /// <summary>A pool's table may name smaller blocks than the program's; all sizes are multiples of this one.</summary>
    private const long SmallestBlockBytes = 65536;

    private long Offset() => BlockBytes * Draw.Next(Draw.Of(3, 5, 8, 12)) + Draw.Of(0L, 0, 0, 512, 4096, 32768);

    private void Write()
    {
        if (!_open.Any)
            return;
        _tag = _tag == 'z' ? 'a' : (char)(_tag + 1);
        string count = Draw.Of(s_counts);
        long offset = Offset();
        if (IsTiny)
        {
            OnPool("dm status");
            count = Math.Min(long.Parse(count, CultureInfo.InvariantCulture), SmallestBlockBytes - offset % SmallestBlockBytes).ToString(CultureInfo.InvariantCulture);
        }
        Writer.Add("pwrite", _open.File, Writer.Word($"{{{_tag}*{count}}}"), Writer.Number(offset));
        if (IsTiny)
            OnPool("dm status");
    }

    private void WriteDurably()
    {
        Write();
        _open.On("fsync");
    }

    private void Read()
    {
        if (_open.Any)
            Writer.Add("pread", _open.File, Writer.Word(Draw.Of(s_counts)), Writer.Number(Offset()));
    }

    private void ZeroOut()
    {
        if (!IsTiny)
            Range("blk zeroout");
    }

    private void Range(string verb)
        => Writer.Add(verb, Writer.Word("/dev/mapper/" + Draw.Of(s_names)), Writer.Number(Offset()), Writer.Word(Draw.Of("4096", "65536", "131072", "200704", "1M", "100")));

    private void Digest() => Digest(Draw.Of(s_names));

    /// <summary>What the page cache holds of a device is of no interest: it is dropped first.</summary>
    private void Digest(string name)
    {
        Writer.Add("blk flush", Writer.Word("/dev/mapper/" + name));
        Writer.Add("digest", [Writer.Option("chunk", "65536")], Writer.Word("/dev/mapper/" + name));
    }
}
