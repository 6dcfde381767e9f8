using DriverLab.Conformance.Running;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers;
using DriverLab.StorageDrivers.Layers;
using DriverLab.StorageDrivers.Layers.Tar;

namespace DriverLab.Conformance.Verbs;

/// <summary>Archives that a scenario makes, entry by entry, for <c>driver … apply</c>. No kernel is asked; names and targets go in as they are, hostile ones too.</summary>
internal static class LayerVerbs
{
    private static readonly Parameter s_archive = P.Name("archive");
    private static readonly Parameter[] s_attributes = [P.Number("uid"), P.Number("gid"), P.Data("mtime"), P.Data("xattr")];

    public static IReadOnlyList<Verb> All { get; } =
    [
        new("layer dir", [s_archive, P.Data("path"), P.Mode().Optional()], "Adds a directory (0755) to an archive; xattr=NAME=VALUE may be repeated, mtime is in seconds.", static c => Add(c, TarType.Directory, 0x1ED)) { Options = s_attributes },
        new("layer file", [s_archive, P.Data("path"), P.Data("content"), P.Mode().Optional()], "Adds a file (0644).", File) { Options = s_attributes },
        new("layer symlink", [s_archive, P.Data("target"), P.Data("path")], "Adds a symbolic link.", static c => Link(c, TarType.Symlink)) { Options = s_attributes },
        new("layer link", [s_archive, P.Data("old"), P.Data("path")], "Adds a second name of a file.", static c => Link(c, TarType.HardLink)),
        new("layer node", [s_archive, P.Data("path"), P.Choice("type", "chr", "blk", "fifo"), P.Number("major").Optional(), P.Number("minor").Optional()], "Adds a device node or FIFO (0600).", Node) { Options = s_attributes },
        new("layer whiteout", [s_archive, P.Data("path")], "Adds the mark that deletes a lower name.", Whiteout),
        new("layer disk", [P.Path("file"), P.Data("source")], "Writes an empty file system, asset:disk-btrfs, to a sparse file.", Disk),
        new("layer opaque", [s_archive, P.Data("path")], "Adds the mark that hides all lower names of a directory.", Opaque),
    ];

    private static string File(StepContext c)
    {
        byte[] content = c.Bytes(2);
        var tar = Tar(c);
        tar.WriteEntry(Entry(c, TarType.File, c.Bytes(1), c.Mode(3, (Mode)0x1A4), size: content.Length));
        tar.WriteContent(content);
        return "ok";
    }

    private static string Add(StepContext c, TarType type, int mode)
    {
        byte[] path = c.Bytes(1);
        Tar(c).WriteEntry(Entry(c, type, path is [.., (byte)'/'] ? path : [.. path, (byte)'/'], c.Mode(2, (Mode)mode)));
        return "ok";
    }

    private static string Link(StepContext c, TarType type)
    {
        Tar(c).WriteEntry(Entry(c, type, c.Bytes(2), (Mode)0x1FF, link: c.Bytes(1)));
        return "ok";
    }

    private static string Node(StepContext c)
    {
        var type = c.Text(2) switch { "chr" => TarType.Char, "blk" => TarType.Block, _ => TarType.Fifo };
        var entry = Entry(c, type, c.Bytes(1), (Mode)0x180, device: new DevT((uint)c.Number(3, 0), (uint)c.Number(4, 0)));
        Tar(c).WriteEntry(entry);
        return "ok";
    }

    private static string Whiteout(StepContext c)
    {
        byte[] path = c.Bytes(1);
        return Mark(c, ByteText.Join(ByteText.Parent(path), [.. Whiteouts.Prefix, .. ByteText.Name(path)]));
    }

    /// <summary>Each entry is a piece of the disk, named by where it stands; an empty one ends it.</summary>
    private static string Disk(StepContext c)
    {
        var (archive, problem) = LayerSource.Open(c, c.Text(1));
        if (archive is null)
            return problem;
        using (archive)
        {
            var file = c.Task.OpenAt(Fd.Cwd, c.Bytes(0), OpenFlags.O_WRONLY | OpenFlags.O_CREAT | OpenFlags.O_TRUNC, (Mode)0x180);
            if (!file.IsOk)
                return Render.Of(file.Error) + " at open";
            string outcome = Disk(c.Task, file.Value, new TarReader(archive, TarLimits.Default));
            _ = c.Task.Close(file.Value); // what was written is told already
            return outcome;
        }
    }

    private static string Disk(IKernel task, Fd file, TarReader reader)
    {
        var buffer = new byte[1 << 16];
        while (reader.Next() is { IsOk: true, Value: { } entry })
        {
            if (!long.TryParse(entry.Name, out long at) || entry.Size > buffer.Length)
                break;
            if (entry.Size == 0)
                return Render.Of(task.FTruncate(file, at));
            int have = 0;
            while (have < entry.Size && reader.Read(buffer.AsSpan(have, (int)entry.Size - have)) is { IsOk: true, Value: > 0 } got)
                have += got.Value;
            var written = task.PWrite(file, buffer.AsSpan(0, have), at);
            if (written.Value != have || !written.IsOk)
                return Render.Of(written.Error) + " at pwrite";
        }
        throw new ScenarioRunException("the archive is no disk; expected asset:disk-btrfs");
    }

    private static string Opaque(StepContext c) => Mark(c, ByteText.Join(c.Bytes(1), Whiteouts.Opaque));

    private static string Mark(StepContext c, byte[] name)
    {
        Tar(c).WriteEntry(new TarEntry { Name = name, Type = TarType.File });
        return "ok";
    }

    private static TarWriter Tar(StepContext c)
    {
        string name = c.Text(0);
        if (!c.Run.Layers.TryGetValue(name, out var layer))
            c.Run.Layers.Add(name, layer = new LayerArchive());
        return layer.Tar;
    }

    private static TarEntry Entry(StepContext c, TarType type, byte[] path, Mode mode, byte[]? link = null, long size = 0, DevT device = default) => new()
    {
        Name = path,
        Type = type,
        Permissions = mode,
        Uid = (uint)c.Number("uid", 0),
        Gid = (uint)c.Number("gid", 0),
        Size = size,
        LinkName = link ?? [],
        Mtime = Time(c),
        Device = device,
        Xattrs = [.. c.Step.Options.Where(static o => o.Key == "xattr").Select(o => Xattr(c, c.Expand(o.Value!)))],
    };

    private static Xattr Xattr(StepContext c, byte[] word)
    {
        int equals = word.AsSpan().IndexOf((byte)'=');
        return equals > 0 ? new(word[..equals], word[(equals + 1)..]) : throw new ScenarioRunException($"'{c.Step.Text}': expected xattr=NAME=VALUE");
    }

    private static Timespec Time(StepContext c)
    {
        string[] parts = c.Text("mtime", "1000000000").Split('.');
        return long.TryParse(parts[0], out long seconds) && (parts.Length == 1 || long.TryParse(parts[1].PadRight(9, '0'), out _))
            ? new(seconds, parts.Length == 1 ? 0 : long.Parse(parts[1].PadRight(9, '0'), System.Globalization.CultureInfo.InvariantCulture))
            : throw new ScenarioRunException($"'{c.Step.Text}': mtime is seconds or seconds.nanoseconds");
    }
}
