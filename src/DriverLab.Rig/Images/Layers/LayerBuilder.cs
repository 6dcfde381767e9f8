using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers;
using DriverLab.StorageDrivers.Layers.Tar;

namespace DriverLab.Rig.Images.Layers;

/// <summary>Collects entries of one layer after another; each layer becomes an archive in byte order of its paths, with no path twice.</summary>
internal sealed class LayerBuilder
{
    /// <summary>Path prefixes that are left out, as Debian's slim images do.</summary>
    private static readonly string[] s_left = ["usr/share/doc/", "usr/share/info/", "usr/share/lintian/", "usr/share/locale/", "usr/share/man/", "usr/lib/x86_64-linux-gnu/gconv/"];

    private readonly SortedDictionary<byte[], (TarEntry Entry, byte[] Content)> _layer = new(ByteText.Order);
    private readonly SortedSet<string> _known = new(StringComparer.Ordinal);

    /// <summary>The finished layers.</summary>
    public List<byte[]> Layers { get; } = [];

    /// <summary>Paths that earlier layers brought, and that this one has so far, in byte order.</summary>
    public IEnumerable<string> Known => _known;

    /// <summary>Adds a package's files.</summary>
    public void AddPackage(byte[] archive)
    {
        var reader = new TarReader(new MemoryStream(archive), TarLimits.Default);
        while (reader.Next() is var next)
        {
            if (next.Error is { } error)
                throw new RigException($"a package's archive cannot be read: {error}");
            if (next.Value is not { } entry)
                return;
            byte[] path = Clean(entry.Name);
            if (path.Length > 0 && !s_left.Any(prefix => (ByteText.Show(path) + "/").StartsWith(prefix, StringComparison.Ordinal)))
                Put(path, entry, Content(reader, entry.Size), Clean(entry.LinkName));
        }
    }

    /// <summary>Adds one entry; one of the same path is replaced.</summary>
    public void Add(TarEntry entry, byte[] content) => Put(Clean(entry.Name), entry, content, entry.LinkName);

    /// <summary>Writes the layer's archive and begins the next layer.</summary>
    public void EndLayer()
    {
        using var stream = new MemoryStream();
        var tar = new TarWriter(stream);
        // A hard link must come after the file that it names.
        foreach (var pass in (bool[])[false, true])
            foreach (var (entry, content) in _layer.Values)
                if (entry.Type == TarType.HardLink == pass)
                {
                    tar.WriteEntry(entry);
                    tar.WriteContent(content);
                }
        tar.Finish();
        Layers.Add(stream.ToArray());
        _layer.Clear();
    }

    private void Put(byte[] path, TarEntry e, byte[] content, byte[] link)
    {
        // Two packages share their directories; the first one's attributes stand.
        if (e.Type == TarType.Directory && _layer.TryGetValue(path, out var present) && present.Entry.Type == TarType.Directory)
            return;
        var entry = new TarEntry
        {
            Name = e.Type == TarType.Directory ? [.. path, (byte)'/'] : path,
            Type = e.Type,
            Permissions = e.Permissions,
            Uid = e.Uid,
            Gid = e.Gid,
            Size = content.Length,
            Mtime = e.Mtime,
            LinkName = e.Type == TarType.HardLink ? Clean(link) : e.LinkName,
            Device = e.Device,
            Xattrs = e.Xattrs,
        };
        _layer[path] = (entry, content);
        _ = _known.Add(ByteText.Show(path));
    }

    private static byte[] Clean(ReadOnlySpan<byte> path)
    {
        path = path.StartsWith("./"u8) ? path[2..] : path;
        return path.Trim((byte)'/').SequenceEqual("."u8) ? [] : path.TrimEnd((byte)'/').ToArray();
    }

    private static byte[] Content(TarReader reader, long size)
    {
        var content = new byte[size];
        for (int at = 0; at < size;)
        {
            var got = reader.Read(content.AsSpan(at));
            at += got.IsOk && got.Value > 0 ? got.Value : throw new RigException($"a package's archive cannot be read: {got.Error}");
        }
        return content;
    }
}

/// <summary>The third layer: what an image build does to packages after installing them, and what packages never hold.</summary>
internal static class DebianChanges
{
    private const long Day = 1_700_000_000;

    public static void Apply(LayerBuilder layer)
    {
        Deletions(layer);
        Replacements(layer);
        Links(layer);
        Attributes(layer);
        Nodes(layer);
        Names(layer);
    }

    private static void Deletions(LayerBuilder layer)
    {
        Whiteout(layer, "etc/issue.net", "usr/share/base-files/motd", "usr/share/zoneinfo/right", "usr/share/zoneinfo/Zulu", "usr/share/zoneinfo/no-such-name");
        // A directory's attributes stay when something in it goes.
        Dir(layer, "usr/share/zoneinfo/Chile", 0x1ED);
        Whiteout(layer, "usr/share/zoneinfo/Chile/EasterIsland");
        foreach (string path in layer.Known.Where(path => path.StartsWith("usr/share/nodejs/core-js/modules/es.array.", StringComparison.Ordinal)).ToArray())
            Whiteout(layer, path);
    }

    private static void Replacements(LayerBuilder layer)
    {
        Dir(layer, "usr/share/zoneinfo/Antarctica", 0x1C0); // opaque: the old entries must not show
        File(layer, "usr/share/zoneinfo/Antarctica/.wh..wh..opq", "");
        File(layer, "usr/share/zoneinfo/Antarctica/Base", "new");
        Whiteout(layer, "usr/share/zoneinfo/Arctic"); // the same said the other way
        Dir(layer, "usr/share/zoneinfo/Arctic", 0x1ED);
        File(layer, "usr/share/zoneinfo/Arctic/Pole", "new");
        File(layer, "usr/share/zoneinfo/Mexico", "a directory became a file");
        Dir(layer, "etc/issue", 0x1ED);
        File(layer, "etc/issue/inside", "a file became a directory");
        Dir(layer, "usr/share/zoneinfo/GMT0", 0x1ED);
        File(layer, "usr/share/zoneinfo/GMT0/inside", "a link or file became a directory");
        Symlink(layer, "/etc/passwd", "etc/debian_version");
        File(layer, "etc/host.conf", "multi off\n", 0x180);
        Dir(layer, "tmp", 0x3FF);
        Dir(layer, "root", 0x1ED); // a directory's mode alone
    }

    private static void Links(LayerBuilder layer)
    {
        File(layer, "opt/links/one", "three names");
        Link(layer, "opt/links/one", "opt/links/two");
        Link(layer, "opt/links/one", "srv/three");
        Symlink(layer, "../opt/links/one", "srv/symbolic");
        Link(layer, "srv/symbolic", "srv/symbolic-again");
        Symlink(layer, "/opt/links/" + new string('x', 300), "srv/long-target");
    }

    private static void Attributes(LayerBuilder layer)
    {
        // cap_net_raw+ep, as iputils-ping gets it when it is installed
        byte[] capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        layer.Add(new TarEntry { Name = "usr/bin/capable"u8.ToArray(), Type = TarType.File, Permissions = (Mode)0x1ED, Mtime = new(Day, 0), Xattrs = [new("security.capability"u8.ToArray(), capability)] }, "x"u8.ToArray());
        layer.Add(new TarEntry { Name = "opt/attributes"u8.ToArray(), Type = TarType.Directory, Permissions = (Mode)0x1ED, Mtime = new(Day, 1), Xattrs = [new("trusted.note"u8.ToArray(), "on a directory"u8.ToArray())] }, []);
        layer.Add(new TarEntry { Name = "opt/attributes/file"u8.ToArray(), Type = TarType.File, Permissions = (Mode)0x1A4, Mtime = new(Day, 123_456_789), Xattrs = [new("trusted.bytes"u8.ToArray(), [0, 255, 10, 61]), new("user.note"u8.ToArray(), "kept where the file system can"u8.ToArray())] }, "y"u8.ToArray());
        File(layer, "usr/bin/setuid", "x", 0x9ED, 0, 50);
        File(layer, "var/mail/nobody", "x", 0x1B0, 4_000_000_000, 8);
        File(layer, "var/none", "x", 0);
        File(layer, "var/old", "x", mtime: -1_000_000);
        File(layer, "var/late", "x", mtime: 5_000_000_000);
    }

    private static void Nodes(LayerBuilder layer)
    {
        Node(layer, "dev/null", TarType.Char, 1, 3);
        Node(layer, "dev/sda", TarType.Block, 8, 0);
        Node(layer, "dev/high", TarType.Char, 4095, 1_048_575);
        Node(layer, "run/initctl", TarType.Fifo, 0, 0);
    }

    private static void Names(LayerBuilder layer)
    {
        File(layer, "opt/" + new string('n', 255), "a name of 255 bytes");
        File(layer, $"opt/{new string('a', 120)}/{new string('b', 120)}/{new string('c', 120)}", "too long for ustar");
        layer.Add(new TarEntry { Name = [.. "opt/"u8, 0xff, 0xfe, (byte)'\n'], Type = TarType.File, Permissions = (Mode)0x1A4, Mtime = new(Day, 0) }, "not UTF-8"u8.ToArray());
        File(layer, "opt/with blanks and \u00e4\u00f6\u00fc", "x");
        File(layer, "opt/empty", "");
    }

    private static void Whiteout(LayerBuilder layer, params ReadOnlySpan<string> paths)
    {
        foreach (string path in paths)
        {
            int slash = path.LastIndexOf('/');
            layer.Add(new TarEntry { Name = ByteText.Bytes($"{path[..(slash + 1)]}.wh.{path[(slash + 1)..]}"), Type = TarType.File }, []);
        }
    }

    private static void Dir(LayerBuilder layer, string path, int mode) =>
        layer.Add(new TarEntry { Name = ByteText.Bytes(path), Type = TarType.Directory, Permissions = (Mode)mode, Mtime = new(Day, 0) }, []);

    private static void File(LayerBuilder layer, string path, string content, int mode = 0x1A4, uint uid = 0, uint gid = 0, long mtime = Day) =>
        layer.Add(new TarEntry { Name = ByteText.Bytes(path), Type = TarType.File, Permissions = (Mode)mode, Uid = uid, Gid = gid, Mtime = new(mtime, 0) }, ByteText.Bytes(content));

    private static void Symlink(LayerBuilder layer, string target, string path) =>
        layer.Add(new TarEntry { Name = ByteText.Bytes(path), Type = TarType.Symlink, Permissions = (Mode)0x1FF, LinkName = ByteText.Bytes(target), Mtime = new(Day, 0) }, []);

    private static void Link(LayerBuilder layer, string old, string path) =>
        layer.Add(new TarEntry { Name = ByteText.Bytes(path), Type = TarType.HardLink, Permissions = (Mode)0x1A4, LinkName = ByteText.Bytes(old), Mtime = new(Day, 0) }, []);

    private static void Node(LayerBuilder layer, string path, TarType type, uint major, uint minor) =>
        layer.Add(new TarEntry { Name = ByteText.Bytes(path), Type = type, Permissions = (Mode)0x1A0, Device = new DevT(major, minor), Mtime = new(Day, 0) }, []);
}
