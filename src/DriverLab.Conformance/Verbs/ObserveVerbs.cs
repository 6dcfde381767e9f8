using System.Text;
using DriverLab.Conformance.Running;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Conformance.Verbs;

/// <summary>Looking at state: contents, directories, whole trees, the kernel's log.</summary>
internal static class ObserveVerbs
{
    public static IReadOnlyList<Verb> All { get; } =
    [
        new("cat", [P.Path().Many()], "The whole content of a file: open, read to the end, close.", Cat) { RepeatsLast = true },
        new("digest", [P.Path()], "The digest of each CHUNK (1M) of a file or device; equal neighbours are joined.", Digest) { Options = [P.Number("chunk")] },
        new("readdir", [P.Path().Many()], "All names of a directory in the kernel's order with their types; 'sorted' sorts, 'offsets' adds the positions, 'dots' adds . and .., 'ino' the labels of the inode numbers.", ReadDir)
        {
            RepeatsLast = true, Options = [P.Switch("sorted"), P.Switch("offsets"), P.Switch("dots"), P.Switch("ino")],
        },
        new("manifest", [P.Path().Many()], "The whole tree below a path, sorted: type, mode, owner, links, size, device, extended attributes, content, link target, labels of inode and device.", TakeManifest)
        {
            RepeatsLast = true, Options = [P.Switch("noino"), P.Switch("nodirsize")],
        },
        new("checkpoint", [], "The manifest of the whole sandbox, /dev and /proc left out.", static c => Manifest.Take(c, "/"u8.ToArray())) { Options = [P.Switch("noino"), P.Switch("nodirsize")] },
        new("kmsg", [P.Data("text").Optional()], "The kernel's log since the scenario began, without time stamps; only lines that hold TEXT. Device numbers and loop names are labels.", KernelLog),
    ];

    private static string Cat(StepContext c)
    {
        string text = Files.Describe(c.Task, c.Bytes(0));
        return text.StartsWith('E') ? text : $"ok {text}";
    }

    private static string Digest(StepContext c)
    {
        var pieces = new List<(string Range, string Text)>();
        string? last = null;
        long from = 0, at = 0;
        var (length, problem) = Files.ReadPieces(c.Task, c.Bytes(0), (int)Math.Clamp(c.Number("chunk", 1 << 20), 1, Files.MostBytes), piece =>
        {
            string text = piece.IndexOfAnyExcept((byte)0) < 0 ? "zeros" : $"{TestData.Digest(piece):x16}";
            if (text != last)
            {
                if (last is not null)
                    pieces.Add(($"{from}+{at - from}", last));
                (from, last) = (at, text);
            }
            at += piece.Length;
        });
        if (problem.Length > 0)
            return problem;
        if (last is not null)
            pieces.Add(($"{from}+{at - from}", last));
        foreach (var (range, text) in pieces)
            c.Detail(range, text);
        return $"ok {length}";
    }

    private static string ReadDir(StepContext c)
    {
        var (names, error) = Files.List(c.Task, c.Bytes(0), c.Has("dots"));
        if (c.Has("sorted"))
            c.Run.Labels.Overlay.Sort(names, name => Manifest.Describe(c, [.. c.Bytes(0), (byte)'/', .. name]));
        var device = Inode.DeviceOf(c, Fd.Cwd, c.Bytes(0));
        foreach (var entry in names)
            c.Detail(c.Run.Labels.Overlay.Name(entry.Name), Inode.Entry(c, device, entry));
        return error == Errno.OK ? $"ok {names.Count} names" : Render.Of(error);
    }

    private static string TakeManifest(StepContext c) => Manifest.Take(c, c.Bytes(0));

    private static string KernelLog(StepContext c)
    {
        if (c.Run.Sandbox.Log is not { } log)
            return "gap: /dev/kmsg";
        string wanted = c.Text(0, "");
        int count = 0;
        foreach (var line in log.ReadNew())
        {
            if (!line.Contains(wanted, StringComparison.Ordinal))
                continue;
            c.Detail($"line {++count}", Render.Text(c.Run.Labels.InLog(line)));
        }
        return $"ok {count} lines";
    }
}
