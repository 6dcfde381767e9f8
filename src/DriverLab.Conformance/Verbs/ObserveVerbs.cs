using System.Globalization;
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
        new("digest", [P.Path()], "The digest of each CHUNK (1M) of a file or device; equal neighbours are joined.", Digest) { Options = [P.Number("chunk") with { Range = (1, MostChunk) }] },
        new("readdir", [P.Path().Many()], "All names of a directory in the kernel's order with their types; 'sorted' sorts, 'offsets' adds the positions, 'dots' adds . and .., 'ino' the labels of the inode numbers.", ReadDir)
        {
            RepeatsLast = true, Options = [P.Switch("sorted"), P.Switch("offsets"), P.Switch("dots"), P.Switch("ino")],
        },
        new("manifest", [P.Path().Many()], "The whole tree below a path, sorted: type, mode, owner, links, size, device, extended attributes, content, link target, labels of inode and device.", TakeManifest)
        {
            RepeatsLast = true, Options = [P.Switch("noino"), P.Switch("nodirsize")],
        },
        new("checkpoint", [], "The manifest of the whole sandbox; /dev, /proc and /sys left out.", static c => Manifest.Take(c, "/"u8.ToArray())) { Options = [P.Switch("noino"), P.Switch("nodirsize")] },
        new("kmsg", [P.Data("text").Optional()], "The kernel's log since the scenario began, without time stamps; only lines that hold TEXT. Device numbers and loop names are labels.", KernelLog),
    ];

    private static string Cat(StepContext c)
    {
        string text = Files.Describe(c.Task, c.Bytes(0));
        return text.StartsWith('E') ? text : $"ok {text}";
    }

    /// <summary>Bytes of the largest chunk: some are held at once.</summary>
    private const int MostChunk = 16 << 20;

    private static string Digest(StepContext c)
    {
        var pieces = new DigestPieces(c);
        int bytes = (int)Math.Clamp(c.Number("chunk", 1 << 20), 1, MostChunk);
        var (length, problem) = Files.ReadPieces(c.Task, c.Bytes(0), bytes, data => pieces.Add(data, bytes));
        if (problem.Length > 0)
        {
            c.DropDetails();
            return problem;
        }
        pieces.TellRange();
        return $"ok {length}";
    }

    /// <summary>Pieces of a file as ranges of equal ones, each a detail of the step.</summary>
    private sealed class DigestPieces(StepContext c)
    {
        private const int AtOnce = 64;

        private long _from, _length;
        private ulong? _digest;

        /// <summary>Adds pieces of a size, of which only the last may be shorter.</summary>
        public void Add(ReadOnlySpan<byte> data, int bytes)
        {
            Span<int> starts = stackalloc int[AtOnce];
            Span<ulong> digests = stackalloc ulong[AtOnce];
            for (; data.Length >= bytes; data = data[Math.Min(data.Length / bytes * bytes, AtOnce * bytes)..])
                AddSome(data[..Math.Min(data.Length / bytes * bytes, AtOnce * bytes)], bytes, starts, digests);
            if (!data.IsEmpty)
                AddSome(data, data.Length, starts, digests);
        }

        private void AddSome(ReadOnlySpan<byte> data, int bytes, Span<int> starts, Span<ulong> digests)
        {
            int used = 0;
            for (int at = 0; at < data.Length; at += bytes)
            {
                if (!Zeros.Only(data.Slice(at, bytes)))
                    starts[used++] = at;
            }
            TestData.Digests(data, starts[..used], bytes, digests);
            for (int at = 0, next = 0; at < data.Length; at += bytes)
                AddOne(bytes, next < used && starts[next] == at ? digests[next++] : null);
        }

        private void AddOne(int bytes, ulong? digest)
        {
            if (digest != _digest)
                TellRange();
            _digest = digest;
            _length += bytes;
        }

        /// <summary>Writes the range that has come together, if any, with its digest.</summary>
        public void TellRange()
        {
            if (_length > 0)
                c.Detail($"{_from}+{_length}", _digest is { } value ? value.ToString("x16", CultureInfo.InvariantCulture) : "zeros");
            (_from, _length) = (_from + _length, 0);
        }
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
