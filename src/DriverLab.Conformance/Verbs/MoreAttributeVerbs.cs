using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using DriverLab.Conformance.Running;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Conformance.Verbs;

/// <summary>Access control lists, inode flags, the masks of statx, shared blocks.</summary>
internal static class MoreAttributeVerbs
{
    private const uint FICLONE = 0x40049409, FS_IOC_GETFLAGS = 0x80086601, FS_IOC_SETFLAGS = 0x40086602, FS_IOC_FSGETXATTR = 0x801C581F, FS_IOC_FSSETXATTR = 0x401C5820;
    private const int FsxSize = 28;

    private static readonly (ushort Tag, string Letter)[] s_tags = [(1, "u"), (2, "u"), (4, "g"), (8, "g"), (16, "m"), (32, "o")];

    public static IReadOnlyList<Verb> All { get; } =
    [
        new("setacl", [P.Target(), P.Choice("list", "access", "default"), P.Data("acl")], "setxattr(2) of system.posix_acl_access or _default, written as getfacl does: u::rwx,u:1000:r--,g::r-x,m::rwx,o::---.", SetAcl),
        new("getacl", [P.Target(), P.Choice("list", "access", "default")], "getxattr(2) of the same, in the same form.", GetAcl),
        new("statx", [P.Path(), P.Flags<StatxMask>("mask"), P.Flags<AtFlags>().Optional()], "statx(2): which fields were filled in, and which attributes the file system knows.", StatxMasks) { Options = [FileVerbs.At] },
        new("getflags", [P.Target()], "FS_IOC_GETFLAGS, as lsattr shows them.", GetFlags),
        new("setflags", [P.Target(), P.Data("flags")], "FS_IOC_SETFLAGS with letters of chattr (a i d A S …), or - for none.", SetFlags),
        new("fsgetxattr", [P.Target()], "FS_IOC_FSGETXATTR: flags, extent size, project.", FsGetXattr),
        new("fssetxattr", [P.Target(), P.Number("xflags")], "FS_IOC_FSSETXATTR.", FsSetXattr) { Options = [P.Number("extsize"), P.Number("project")] },
        new("clone", [P.Fd("source"), P.Fd("target")], "FICLONE.", static c => Render.Of(c.Task.Ioctl(c.Fd(1), FICLONE, c.Fd(0).Value))),
    ];

    private static byte[] AclName(StepContext c) => Encoding.ASCII.GetBytes("system.posix_acl_" + c.Text(1));

    private static string SetAcl(StepContext c)
    {
        byte[] value = EncodeAcl(c.Text(2));
        return Render.Of(c.IsFd(0) ? c.Task.FSetXattr(c.Fd(0), AclName(c), value, XattrFlags.None) : c.Task.SetXattr(c.Bytes(0), AclName(c), value, XattrFlags.None, AtFlags.None));
    }

    private static byte[] EncodeAcl(string text)
    {
        var bytes = new List<byte> { 2, 0, 0, 0 };
        Span<byte> entry = stackalloc byte[8];
        foreach (var part in text.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            var fields = part.Split(':');
            if (fields.Length != 3 || fields[2].Length != 3)
                throw new ScenarioRunException($"'{part}' is no entry of an access control list; expected for instance u:1000:rw-");
            bool isNamed = fields[1].Length > 0;
            if (!uint.TryParse(isNamed ? fields[1] : "0", CultureInfo.InvariantCulture, out uint id))
                throw new ScenarioRunException($"'{fields[1]}' is no id in '{part}'; expected a number from 0 to {uint.MaxValue}");
            ushort tag = fields[0] switch { "u" => (ushort)(isNamed ? 2 : 1), "g" => (ushort)(isNamed ? 8 : 4), "m" => 16, _ => 32 };
            int perm = (fields[2][0] == 'r' ? 4 : 0) | (fields[2][1] == 'w' ? 2 : 0) | (fields[2][2] == 'x' ? 1 : 0);
            BinaryPrimitives.WriteUInt16LittleEndian(entry, tag);
            BinaryPrimitives.WriteUInt16LittleEndian(entry[2..], (ushort)perm);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[4..], isNamed ? id : uint.MaxValue);
            bytes.AddRange(entry);
        }
        return [.. bytes];
    }

    private static string GetAcl(StepContext c)
    {
        var buffer = new byte[4096];
        var result = c.IsFd(0) ? c.Task.FGetXattr(c.Fd(0), AclName(c), buffer) : c.Task.GetXattr(c.Bytes(0), AclName(c), buffer, AtFlags.None);
        if (!result.IsOk)
            return Render.Of(result.Error);
        var parts = new List<string>();
        for (int at = 4; at + 8 <= result.Value; at += 8)
        {
            ushort tag = BinaryPrimitives.ReadUInt16LittleEndian(buffer.AsSpan(at)), perm = BinaryPrimitives.ReadUInt16LittleEndian(buffer.AsSpan(at + 2));
            uint id = BinaryPrimitives.ReadUInt32LittleEndian(buffer.AsSpan(at + 4));
            string letter = Array.Find(s_tags, t => t.Tag == tag).Letter ?? $"tag{tag}";
            parts.Add($"{letter}:{(id == uint.MaxValue ? "" : $"{id}")}:{((perm & 4) != 0 ? 'r' : '-')}{((perm & 2) != 0 ? 'w' : '-')}{((perm & 1) != 0 ? 'x' : '-')}");
        }
        return $"ok {string.Join(',', parts)}";
    }

    private static string StatxMasks(StepContext c)
    {
        var error = c.Task.Statx(c.Fd("at"), c.Bytes(0), c.Flags<AtFlags>(2), c.Flags<StatxMask>(1), out var stat);
        return error == Errno.OK ? $"ok mask=0x{(uint)stat.Mask:x} attributes=0x{(ulong)stat.Attributes:x} of 0x{(ulong)stat.AttributesMask:x}" : Render.Of(error);
    }

    private static readonly (char Letter, uint Flag)[] s_flags =
    [
        ('s', 1), ('u', 2), ('c', 4), ('S', 8), ('i', 0x10), ('a', 0x20), ('d', 0x40), ('A', 0x80), ('j', 0x4000), ('t', 0x8000), ('D', 0x10000), ('T', 0x20000), ('e', 0x80000), ('C', 0x800000),
        ('x', 0x2000000), ('P', 0x20000000), ('F', 0x40000000),
    ];

    private static string GetFlags(StepContext c) => FileVerbs.WithFile(c, OpenFlags.O_RDONLY | OpenFlags.O_NONBLOCK, static (c, fd) =>
    {
        var argument = new byte[8];
        var result = c.Task.Ioctl(fd, FS_IOC_GETFLAGS, argument);
        if (!result.IsOk)
            return Render.Of(result.Error);
        uint flags = BinaryPrimitives.ReadUInt32LittleEndian(argument);
        string letters = string.Concat(s_flags.Where(f => (flags & f.Flag) != 0).Select(f => f.Letter));
        return $"ok {(letters.Length == 0 ? "-" : letters)}";
    });

    private static string SetFlags(StepContext c) => FileVerbs.WithFile(c, OpenFlags.O_RDONLY | OpenFlags.O_NONBLOCK, static (c, fd) =>
    {
        uint flags = 0;
        foreach (char letter in c.Text(1).Replace("-", "", StringComparison.Ordinal))
            flags |= Array.Find(s_flags, f => f.Letter == letter).Flag;
        var argument = new byte[8];
        BinaryPrimitives.WriteUInt32LittleEndian(argument, flags);
        return Render.Of(c.Task.Ioctl(fd, FS_IOC_SETFLAGS, argument).Error);
    });

    private static string FsGetXattr(StepContext c) => FileVerbs.WithFile(c, OpenFlags.O_RDONLY | OpenFlags.O_NONBLOCK, static (c, fd) =>
    {
        var argument = new byte[FsxSize];
        var result = c.Task.Ioctl(fd, FS_IOC_FSGETXATTR, argument);
        if (!result.IsOk)
            return Render.Of(result.Error);
        var words = MemoryMarshal.Cast<byte, uint>(argument);
        return $"ok xflags=0x{words[0]:x} extsize={words[1]} extents={words[2]} project={words[3]} cowextsize={words[4]}";
    });

    private static string FsSetXattr(StepContext c) => FileVerbs.WithFile(c, OpenFlags.O_RDONLY | OpenFlags.O_NONBLOCK, static (c, fd) =>
    {
        var argument = new byte[FsxSize];
        var words = MemoryMarshal.Cast<byte, uint>(argument.AsSpan());
        (words[0], words[1], words[3]) = ((uint)c.Number(1), (uint)c.Number("extsize", 0), (uint)c.Number("project", 0));
        return Render.Of(c.Task.Ioctl(fd, FS_IOC_FSSETXATTR, argument).Error);
    });
}
