using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Layers.Tar;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>Makes archives for tests, hostile ones too: names and link targets go in as they are.</summary>
internal sealed class TarBuilder
{
    private readonly MemoryStream _stream = new();
    private readonly TarWriter _tar;

    public TarBuilder() => _tar = new TarWriter(_stream);

    /// <summary>The archive of a layer to begin with.</summary>
    public static byte[] BaseLayer => new TarBuilder().Dir("etc").File("etc/name", "one").File("etc/gone", "x").Link("etc/name", "etc/other").File("big", new string('b', 70_000)).Done().ToArray();

    /// <summary>The archive of a layer above it: a change, a deletion, an addition.</summary>
    public static byte[] NextLayer => new TarBuilder().Dir("etc").File("etc/name", "two").File("etc/.wh.gone", "").File("new", "new").Done().ToArray();

    public long Seconds { get; set; } = 1_000_000_000;

    public TarBuilder Entry(TarEntry entry, byte[] content)
    {
        _tar.WriteEntry(entry);
        _tar.WriteContent(content);
        return this;
    }

    public TarBuilder Dir(string name, int mode = 0x1ED, uint uid = 0, params (string Name, string Value)[] xattrs) =>
        Entry(Make(name, TarType.Directory, mode, uid, xattrs: xattrs), []);

    public TarBuilder File(string name, string content = "", int mode = 0x1A4, uint uid = 0, params (string Name, string Value)[] xattrs)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(content);
        return Entry(Make(name, TarType.File, mode, uid, size: bytes.Length, xattrs: xattrs), bytes);
    }

    public TarBuilder Symlink(string target, string name) => Entry(Make(name, TarType.Symlink, 0x1FF, 0, target), []);

    public TarBuilder Link(string target, string name) => Entry(Make(name, TarType.HardLink, 0x1FF, 0, target), []);

    public TarBuilder Node(TarType type, string name, uint major = 0, uint minor = 0) =>
        Entry(new TarEntry { Name = ByteText.Bytes(name), Type = type, Permissions = (Mode)0x180, Device = new DevT(major, minor), Mtime = new(Seconds, 0) }, []);

    public MemoryStream Done()
    {
        _tar.Finish();
        _stream.Position = 0;
        return _stream;
    }

    private TarEntry Make(string name, TarType type, int mode, uint uid, string link = "", long size = 0, params (string Name, string Value)[] xattrs) => new()
    {
        Name = ByteText.Bytes(name),
        Type = type,
        Permissions = (Mode)mode,
        Uid = uid,
        Gid = uid,
        Size = size,
        LinkName = ByteText.Bytes(link),
        Mtime = new(Seconds, 0),
        Xattrs = [.. xattrs.Select(x => new Xattr(ByteText.Bytes(x.Name), ByteText.Bytes(x.Value)))],
    };

    /// <summary>The entries of an archive as text: type, name, mode in octal, link target or content.</summary>
    public static List<string> List(Stream archive)
    {
        var reader = new TarReader(archive, TarLimits.Default);
        var lines = new List<string>();
        while (true)
        {
            var next = reader.Next();
            if (next.Error is { } bad)
                throw new InvalidDataException(bad.ToString());
            if (next.Value is not { } e)
                return lines;
            string rest = e.Type switch
            {
                TarType.HardLink => $" => {ByteText.Show(e.LinkName)}",
                TarType.Symlink => $" -> {ByteText.Show(e.LinkName)}",
                TarType.Char or TarType.Block => $" {e.Device}",
                TarType.File => $" '{ByteText.Show(Content(reader, e.Size))}'",
                TarType.Directory or TarType.Fifo => "",
            };
            foreach (var x in e.Xattrs)
                rest += $" {ByteText.Show(x.Name)}={ByteText.Show(x.Value)}";
            lines.Add($"{(char)e.Type} {ByteText.Show(e.Name)} {Convert.ToString((int)e.Permissions, 8)}{rest}");
        }
    }

    private static byte[] Content(TarReader reader, long size)
    {
        var content = new byte[size];
        for (int at = 0; at < size;)
            at += reader.Read(content.AsSpan(at)).Value;
        return content;
    }
}
