using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Fuzzing;

/// <summary>A program on mapped devices over loop devices: life cycle, tables of every target that is modelled, valid and not, requests through them.</summary>
internal sealed class DmProgram(Draw draw, ProgramWriter writer) : BlockProgram(draw, writer)
{
    private const string TwoLoops = "/d1 /d2";

    private static readonly IReadOnlyList<Operation<DmProgram>> s_all =
    [
        new("create", 8, static p => p.Create()),
        new("load", 6, static p => p.Load()),
        new("resume", 8, static p => p.OnMap("dm resume", "noflush", "nolockfs")),
        new("suspend", 4, static p => p.Suspend()),
        new("clear", 2, static p => p.OnMap("dm clear")),
        new("remove", 4, static p => p.Remove()),
        new("rename", 2, static p => p.Rename()),
        new("setuuid", 1, static p => p.SetUuid()),
        new("info", 4, static p => p.OnMap("dm info", "inactive", "events")),
        new("status", 3, static p => p.OnMap("dm status", "inactive", "noflush")),
        new("table", 4, static p => p.OnMap("dm table", "inactive")),
        new("deps", 2, static p => p.OnMap("dm deps", "inactive")),
        new("message", 2, static p => p.Message()),
        new("ahead", 1, static p => p.OnNode(p.Draw.Of("blk readahead", "blk setreadahead"), p.Draw.Of("0", "8", "64", "256", "2048"))),
        new("sequence", 2, static p => p.ReadOn()),
        new("versions", 1, static p => p.Writer.Add("dm targets", p.Writer.Word(p.Draw.Of("linear", "striped", "zero", "error", "flakey", "nosuch")))),
        new("list", 1, static p => p.Writer.Add("dm list")),
        new("size", 3, static p => p.OnNode(p.Draw.Of("blk size", "blk limits", "blk ro"))),
        new("setro", 1, static p => p.OnNode("blk setro", p.Draw.Of("0", "1"))),
        new("range", 3, static p => p.OnNode(p.Draw.Of("blk discard", "blk zeroout", "blk flush"), p.Draw.Of("0", "4096", "64K"), p.Draw.Of("512", "4096", "64K"))),
        new("open", 5, static p => p.OpenMap()),
        new("pread", 5, static p => p.Read()),
        new("pwrite", 6, static p => p.Write()),
        // No fsync: a device without a table keeps a flush waiting for one.
        new("digest", 4, static p => p.Digest()),
        new("waiters", 1, static p => p.Waiters()),
    ];

    private static readonly string[] s_names = ["d1", "d2", "d3"];
    private readonly List<string> _files = [];

    /// <summary>Who makes calls in the background; in most programs nobody.</summary>
    private readonly Actor[] _sleepers = [.. ((string[])["sam", "tom"]).Take(draw.Chance(25) ? 1 + draw.Next(2) : 0).Select(static name => new Actor(name, null))];
    private int _timesSuspended;

    public override void Write(int steps)
    {
        foreach (string file in TwoLoops.Split(' '))
        {
            Writer.Add("write", Writer.Word(file), Writer.Word(Draw.Of("{rand:1:512K}", "{rand:2:256K}", "{zero:384K}")));
            string variable = "l" + file[^1];
            Writer.Add(variable, "loop attach", null, Writer.Word(file));
            Devices.Add(variable);
        }
        var swarm = new Swarm<DmProgram>(Draw, s_all);
        while (Writer.Count < steps)
            swarm.Next(Draw).Write(this);
        Writer.Add("dm list");
        foreach (string name in s_names)
            Writer.Add("dm info", Writer.Word(name));
    }

    private string Name() => Draw.Of(s_names);

    /// <summary>One to three rows, mostly one after the other.</summary>
    private List<Word> Rows(string name)
    {
        var rows = new List<Word>();
        long start = Draw.Chance(4) ? 8 : 0;
        for (int i = Draw.Of(1, 1, 1, 2, 3); i > 0; i--)
        {
            long length = Draw.Of(8L, 64, 128, 512, 500, Draw.Chance(10) ? 0 : 256);
            string target = Draw.Next(11) switch
            {
                10 => Flakey(),
                < 4 => $"linear ${Draw.Of("l1", "l2")} {Draw.Of("0", "8", "64", "100", "5000")}",
                4 or 5 => $"striped 2 {Draw.Of("8", "16", "7", "128")} $l1 {Draw.Of("0", "64")} $l2 0",
                6 => "zero",
                7 => "error",
                8 when name != "d1" => $"linear /dev/mapper/{(name == "d3" ? Draw.Of("d1", "d2") : "d1")} 0", // never itself: nothing could remove it
                8 => "zero",
                _ => Draw.Of("linear", "linear $l1", "linear $l1 x", "striped 2 8 $l1 0", "nosuch 1", "zero 1", "striped 0 8", "linear /dev/nothing 0"),
            };
            rows.Add(Writer.Word($"\"{start} {length} {target}\""));
            start += length + (Draw.Chance(4) ? 8 : 0);
        }
        return rows;
    }

    /// <summary>A disk that is always down, or always up: what it does in turn depends on the clock.</summary>
    private string Flakey()
    {
        string times = Draw.Of("0 1", "0 1", "0 100", "1000 0"), features = Draw.Of("", " 0", " 1 error_writes", " 1 drop_writes", " 5 corrupt_bio_byte 1 r 120 0", " 5 corrupt_bio_byte 513 r 7 0", " 5 corrupt_bio_byte 4096 w 8 0",
            " 5 corrupt_bio_byte 1 r 9 524288", " 6 drop_writes corrupt_bio_byte 32 r 255 0", " 6 error_writes corrupt_bio_byte 32 w 255 0", " 5 corrupt_bio_byte 0 r 1 0", " 1 nosuch", " 1 error_reads", " 2 drop_writes error_writes");
        return $"flakey ${Draw.Of("l1", "l2")} {Draw.Of("0", "8", "64", "4000")} {times}{features}";
    }

    /// <summary>Some reads of a file, one where the other ended, now and then a little before or behind: what is read ahead shows where requests have effects.</summary>
    private void ReadOn()
    {
        if (Opened.Count == 0)
            return;
        string file = Draw.Of(Opened);
        long position = Draw.Chance(50) ? 0 : Draw.Next(40) * 4096L;
        for (int i = 2 + Draw.Next(5); i > 0; i--)
        {
            long count = Draw.Of(512L, 4096, 4096, 8192, 20480, 65536);
            Writer.Add("pread", Writer.Word(file), Writer.Number(count), Writer.Number(position));
            position = Math.Max(0, position + count + Draw.Of(0L, 0, 0, 4096, -8192));
        }
    }

    private void Create()
    {
        var options = new List<Option>();
        if (Draw.Chance(15))
            options.Add(Writer.Option("uuid", Draw.Of("u1", "u2")));
        if (Draw.Chance(10))
            options.Add(new("ro", null));
        string name = Name();
        Writer.Add("dm create", options, [Writer.Word(name), .. Draw.Chance(75) ? Rows(name) : []]);
    }

    private void Load()
    {
        string name = Name();
        Writer.Add("dm load", Draw.Chance(8) ? [new("ro", null)] : null, [Writer.Word(name), .. Rows(name)]);
    }

    private void OnMap(string verb, params ReadOnlySpan<string> switches)
    {
        string? on = switches.Length > 0 && Draw.Chance(20) ? Draw.Of(switches) : null;
        Writer.Add(verb, on is null ? null : [new(on, null)], Writer.Word(Name()));
    }

    /// <summary>A device is suspended for a few calls that ask about it, and resumed: what reads or writes it meanwhile would wait for ever.</summary>
    private void Suspend()
    {
        string name = Name();
        Writer.Add("dm suspend", Draw.Chance(30) ? [new(Draw.Of("noflush", "nolockfs"), null)] : null, Writer.Word(name));
        for (int i = Draw.Next(3); i > 0; i--)
        {
            string verb = Draw.Of("dm info", "dm status", "dm table", "dm suspend");
            Writer.Add(verb, Writer.Word(name));
        }
        if (Draw.Chance(50))
            Writer.Add("dm load", [Writer.Word(name), .. Rows(name)]);
        Writer.Add("dm resume", Writer.Word(name));
    }

    /// <summary>Requests that a suspended device holds, while others look at it or give it another table.</summary>
    private void Waiters()
    {
        const int most = 2; // each costs a real kernel's runner some tenths of a second
        if (_sleepers.Length == 0 || ++_timesSuspended > most)
            return;
        string name = Name(), node = "/dev/mapper/" + name;
        foreach (var sleeper in _sleepers)
        {
            Writer.Actor = sleeper;
            Writer.Add(sleeper.Name + "s", "open", null, Writer.Word(node), Writer.Word(Draw.Of("O_RDWR|O_DIRECT", "O_RDWR|O_DIRECT", "O_RDWR", "O_RDONLY")));
            Writer.Actor = Actor.Main;
            if (sleeper == _sleepers[0])
                Writer.Add("dm suspend", Draw.Chance(40) ? [new("noflush", null)] : null, Writer.Word(name));
            Writer.Actor = sleeper;
            HeldRequest(node, Writer.Word(sleeper.Name + "s"));
            Writer.Actor = Actor.Main;
        }
        for (int i = Draw.Next(3); i > 0; i--)
            Draw.Of<Action>(() => OnMap("dm info"), () => OnMap("dm status"), () => Writer.Add("dm load", [Writer.Word(name), .. Rows(name)]), () => OnMap("dm clear"), Remove)();
        Writer.Add("dm resume", Draw.Chance(20) ? [new("noflush", null)] : null, Writer.Word(name));
        foreach (var sleeper in _sleepers)
        {
            Writer.Actor = sleeper;
            Writer.Add("wait");
            Writer.Add("close", Writer.Word(sleeper.Name + "s"));
        }
        Writer.Actor = Actor.Main;
    }

    private void HeldRequest(string node, Word file)
    {
        var position = Writer.Word(Draw.Of("0", "512", "4096", "64K"));
        switch (Draw.Next(6))
        {
            case 0 or 1: Writer.AddBackground(null, "pread", file, Writer.Word(Draw.Of("512", "4096", "8192")), position); break;
            case 2 or 3: Writer.AddBackground(null, "pwrite", file, Writer.Word(Draw.Of("{h*512}", "{h*4096}", "{i*8192}")), position); break;
            case 4: Writer.AddBackground(null, "fsync", file); break;
            default: Writer.AddBackground(null, Draw.Of("blk discard", "blk zeroout"), Writer.Word(node), position, Writer.Word(Draw.Of("512", "4096", "64K"))); break;
        }
    }

    private void Remove() => Writer.Add("dm remove", Draw.Chance(20) ? [new("deferred", null)] : null, Writer.Word(Name()));

    private void Rename() => Writer.Add("dm rename", Writer.Word(Name()), Writer.Word(Draw.Of("d1", "d2", "d3", "a/b", "\"\"", "{n*130}")));

    private void SetUuid() => Writer.Add("dm setuuid", Writer.Word(Name()), Writer.Word(Draw.Of("u1", "u2", "\"\"")));

    private void Message() => Writer.Add("dm message", Draw.Chance(30) ? [Writer.Option("sector", Draw.Of("8", "100000"))] : null, Writer.Word(Name()), Writer.Word(Draw.Of("hello", "\"a b\"", "@cancel_deferred_remove", "\"\"")));

    private void OnNode(string verb, params ReadOnlySpan<string> arguments)
    {
        int count = verb is "blk discard" or "blk zeroout" ? 2 : verb is "blk setro" or "blk setreadahead" ? 1 : 0;
        var words = new List<Word> { Writer.Word("/dev/mapper/" + Name()) };
        foreach (string text in arguments[..Math.Min(count, arguments.Length)])
            words.Add(Writer.Word(text));
        Writer.Add(verb, [.. words]);
    }

    private void Digest() => Writer.Add("digest", [Writer.Option("chunk", "16384")], Writer.Word("/dev/mapper/" + Name()));

    private void OpenMap()
    {
        if (_files.Count >= 3)
        {
            foreach (string file in _files)
                Writer.Add("close", Writer.Word(file));
            _files.Clear();
            Opened.Clear();
        }
        string variable = "f" + (char)('1' + _files.Count);
        Writer.Add(variable, "open", null, Writer.Word("/dev/mapper/" + Name()), Writer.Word(Draw.Of("O_RDWR", "O_RDONLY", "O_RDWR|O_DIRECT", "O_RDWR|O_EXCL")));
        _files.Add(variable);
        Opened.Add(variable);
    }
}
