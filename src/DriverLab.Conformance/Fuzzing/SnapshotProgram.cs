using System.Globalization;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Fuzzing;

/// <summary>A program on an origin and up to two snapshots of it over loop devices: writes to all of them, full stores, discards, reloads, what the stores hold at the end.</summary>
/// <remarks>A request touches one chunk: which of several is copied first depends on when the kernel's workers run. Nothing is merged: how far that has come depends on when it is asked for. What is suspended is resumed before the next request.</remarks>
internal sealed class SnapshotProgram(Draw draw, ProgramWriter writer)
{
    private static readonly IReadOnlyList<Operation<SnapshotProgram>> s_all =
    [
        new("open", 6, static p => p._open.Open(p.Draw.Of(s_maps))),
        new("close", 2, static p => p._open.CloseAll()),
        new("write", 16, static p => p.Write()),
        new("read", 8, static p => p.Read()),
        new("fsync", 2, static p => p._open.On("fsync")),
        new("discard", 4, static p => p.Range("blk discard")),
        new("zeroout", 2, static p => p.Range("blk zeroout")),
        new("digest", 4, static p => p.Digest(p.Draw.Of(s_maps))),
        new("status", 8, static p => p.On(p.Draw.Of("dm status", "dm status", "dm table", "dm deps", "dm info"))),
        new("limits", 1, static p => p.OnNode(p.Draw.Of("blk limits", "blk size", "blk ro", "blk readahead"))),
        new("suspend", 3, static p => p.Suspend()),
        new("again", 3, static p => p.MakeAgain()),
        new("load", 2, static p => p.Load()),
        new("remove", 1, static p => p.On("dm remove")),
        new("message", 1, static p => p.Writer.Add("dm message", p.Writer.Word(p.Draw.Of(s_maps)), p.Writer.Word("hello"))),
    ];

    private static readonly string[] s_maps = ["o", "s", "s2"];
    private readonly OpenMaps _open = new(draw, writer);
    private long _sectors;
    private char _tag = 'a';

    private Draw Draw { get; } = draw;
    private ProgramWriter Writer { get; } = writer;

    /// <summary>Writes a whole program.</summary>
    public void Write(int steps)
    {
        _sectors = Draw.Of(512L, 768, 1024, 504);
        Disk("b", $"{{rand:1:{_sectors * 512}}}");
        foreach (string store in (string[])["c", "c2"])
        {
            long bytes = Draw.Of(16L, 32, 64, 256) << 10;
            Disk(store, Draw.Of($"{{zero:{bytes}}}", $"\"{{zero:512}}{{rand:2:{bytes - 512}}}\""));
        }
        Make("o");
        Make("s");
        if (Draw.Chance(50))
            Make("s2");
        _open.Open("o");
        _open.Open("s");
        var swarm = new Swarm<SnapshotProgram>(Draw, s_all);
        while (Writer.Count < steps)
            swarm.Next(Draw).Write(this);
        _open.CloseAll();
        foreach (string map in s_maps)
        {
            Writer.Add("dm status", Writer.Word(map));
            Digest(map);
            Writer.Add("dm remove", Writer.Word(map));
        }
        foreach (string file in (string[])["/b", "/c", "/c2"])
            Writer.Add("digest", [Writer.Option("chunk", "4096")], Writer.Word(file));
    }

    private void Disk(string name, string content)
    {
        Writer.Add("write", Writer.Word("/" + name), Writer.Word(content));
        Writer.Add(name, "loop attach", null, Writer.Word("/" + name));
    }

    private Word Row(string map)
    {
        long length = Draw.Chance(10) ? _sectors / 2 : _sectors;
        if (map == "o")
            return Writer.Word($"\"0 {length} snapshot-origin $b\"");
        string kind = Draw.Of("P", "P", "N", "PO"), chunk = Draw.Chance(5) ? Draw.Of("0", "4", "7", "1024") : Draw.Of("8", "8", "16", "32");
        string features = Draw.Chance(80) ? "" : Draw.Of(" 1 discard_zeroes_cow", " 2 discard_zeroes_cow discard_passdown_origin", " 1 discard_passdown_origin", " 0");
        return Writer.Word(string.Create(CultureInfo.InvariantCulture, $"\"0 {length} snapshot $b {(map == "s" ? "$c" : "$c2")} {kind} {chunk}{features}\""));
    }

    private void Make(string map) => Writer.Add("dm create", Draw.Chance(4) ? [new("ro", null)] : null, Writer.Word(map), Row(map));

    private void MakeAgain()
    {
        string map = Draw.Of(s_maps);
        _open.CloseAll();
        Writer.Add("dm remove", Writer.Word(map));
        Make(map);
        _open.Open(map);
    }

    private void Load()
    {
        string map = Draw.Of(s_maps);
        Writer.Add("dm suspend", Writer.Word(map));
        Writer.Add("dm load", Writer.Word(map), Row(map));
        Writer.Add("dm resume", Writer.Word(map));
        Writer.Add("dm info", Writer.Word(map));
        Writer.Add("dm clear", Writer.Word(map));
        Writer.Add("dm resume", Writer.Word(map));
    }

    private void Suspend()
    {
        string map = Draw.Of(s_maps);
        Writer.Add("dm suspend", Draw.Chance(25) ? [new("noflush", null)] : null, Writer.Word(map));
        if (Draw.Chance(50))
            On("dm status");
        Writer.Add("dm resume", Writer.Word(map));
    }

    private void On(string verb) => Writer.Add(verb, Writer.Word(Draw.Of(s_maps)));

    private void OnNode(string verb) => Writer.Add(verb, Writer.Word("/dev/mapper/" + Draw.Of(s_maps)));

    private long Page() => (long)Draw.Next((int)_sectors / 8) * 4096;

    private void Write()
    {
        if (!_open.Any)
            return;
        _tag = _tag == 'z' ? 'a' : (char)(_tag + 1);
        bool isWhole = Draw.Chance(60);
        Writer.Add("pwrite", _open.File, Writer.Word($"{{{_tag}*{(isWhole ? "4096" : "512")}}}"), Writer.Number(Page() + (isWhole ? 0 : Draw.Of(0L, 512, 3584))));
    }

    private void Read()
    {
        if (_open.Any)
            Writer.Add("pread", _open.File, Writer.Word(Draw.Of("512", "4096", "16384", "65536")), Writer.Number(Page() + Draw.Of(0L, 512)));
    }

    private void Range(string verb) => Writer.Add(verb, Writer.Word("/dev/mapper/" + Draw.Of(s_maps)), Writer.Number(Page()), Writer.Word(Draw.Of("512", "4096", "4096", "100")));

    /// <summary>What the page cache holds of a device is of no interest: it is dropped first.</summary>
    private void Digest(string map)
    {
        Writer.Add("blk flush", Writer.Word("/dev/mapper/" + map));
        Writer.Add("digest", [Writer.Option("chunk", "4096")], Writer.Word("/dev/mapper/" + map));
    }
}
