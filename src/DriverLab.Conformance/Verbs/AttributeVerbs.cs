using System.Text;
using DriverLab.Conformance.Running;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Conformance.Verbs;

/// <summary>Calls on attributes and extended attributes.</summary>
internal static class AttributeVerbs
{
    private static readonly Parameter s_nofollow = P.Switch("nofollow");
    private static readonly Parameter s_attribute = new("name", ParameterKind.Data);

    public static IReadOnlyList<Verb> All { get; } =
    [
        new("stat", [P.Path().Many()], "statx(2), following links. Inode and device numbers are labels by first sight; times are shown in scenarios with 'times'.", static c => Stat(c, AtFlags.None))
        {
            RepeatsLast = true, Options = [FileVerbs.At],
        },
        new("lstat", [P.Path().Many()], "statx(2) with AT_SYMLINK_NOFOLLOW.", static c => Stat(c, AtFlags.AT_SYMLINK_NOFOLLOW)) { RepeatsLast = true, Options = [FileVerbs.At] },
        new("fstat", [P.Fd().Many()], "statx(2) of a descriptor.", FStat) { RepeatsLast = true },
        new("access", [P.Path(), P.Flags<AccessMode>("mode")], "faccessat2(2) with the real ids; 'effective' is AT_EACCESS.", Access) { Options = [FileVerbs.At, s_nofollow, P.Switch("effective")] },
        new("chmod", [P.Path(), P.Mode()], "fchmodat(2).", static c => Render.Of(c.Task.FchmodAt(c.Fd("at"), c.Bytes(0), c.Mode(1, Mode.None)))) { Options = [FileVerbs.At] },
        new("fchmod", [P.Fd(), P.Mode()], "fchmod(2).", static c => Render.Of(c.Task.Fchmod(c.Fd(0), c.Mode(1, Mode.None)))),
        new("chown", [P.Path(), P.Number("uid"), P.Number("gid")], "fchownat(2); -1 leaves an id.", static c => Chown(c, AtFlags.None)) { Options = [FileVerbs.At] },
        new("lchown", [P.Path(), P.Number("uid"), P.Number("gid")], "fchownat(2) with AT_SYMLINK_NOFOLLOW.", static c => Chown(c, AtFlags.AT_SYMLINK_NOFOLLOW)) { Options = [FileVerbs.At] },
        new("fchown", [P.Fd(), P.Number("uid"), P.Number("gid")], "fchownat(2) of a descriptor.", static c => Render.Of(c.Task.FchownAt(c.Fd(0), default, (uint)c.Number(1), (uint)c.Number(2), AtFlags.AT_EMPTY_PATH))),
        new("utimes", [P.Target(), P.Data("atime"), P.Data("mtime")], "utimensat(2); a time is seconds, seconds.nanoseconds, 'now' or 'omit'.", Utimes) { Options = [s_nofollow] },
        new("statfs", [P.Target()], "statfs(2) or fstatfs(2); 'space' adds the counts of blocks and inodes.", StatFs) { Options = [P.Switch("space")] },
        new("getxattr", [P.Target(), s_attribute, P.Length("size").Optional()], "getxattr(2) with a buffer of SIZE bytes (65536; 0 asks for the size).", GetXattr) { Options = [s_nofollow] },
        new("setxattr", [P.Target(), s_attribute, P.Data("value"), P.Flags<XattrFlags>().Optional()], "setxattr(2).", SetXattr) { Options = [s_nofollow] },
        new("listxattr", [P.Target(), P.Length("size").Optional()], "listxattr(2) with a buffer of SIZE bytes (65536; 0 asks for the size); names sorted.", ListXattr) { Options = [s_nofollow] },
        new("removexattr", [P.Target(), s_attribute], "removexattr(2).", static c => Render.Of(c.IsFd(0) ? c.Task.FRemoveXattr(c.Fd(0), c.Bytes(1)) : c.Task.RemoveXattr(c.Bytes(0), c.Bytes(1), Follow(c)))) { Options = [s_nofollow] },
    ];

    private static AtFlags Follow(StepContext c) => c.Has("nofollow") ? AtFlags.AT_SYMLINK_NOFOLLOW : AtFlags.None;

    private static string Stat(StepContext c, AtFlags flags)
    {
        var error = c.Task.Statx(c.Fd("at"), c.Bytes(0), flags, StatxMask.STATX_BASIC_STATS | StatxMask.STATX_BTIME, out var st);
        return error == Errno.OK ? $"ok {Inode.Describe(c.Run, st)}" : Render.Of(error);
    }

    private static string FStat(StepContext c)
    {
        var error = c.Task.Statx(c.Fd(0), default, AtFlags.AT_EMPTY_PATH, StatxMask.STATX_BASIC_STATS | StatxMask.STATX_BTIME, out var st);
        return error == Errno.OK ? $"ok {Inode.Describe(c.Run, st)}" : Render.Of(error);
    }

    private static string Access(StepContext c) =>
        Render.Of(c.Task.FaccessAt(c.Fd("at"), c.Bytes(0), c.Flags<AccessMode>(1), Follow(c) | (c.Has("effective") ? AtFlags.AT_EACCESS : 0)));

    private static string Chown(StepContext c, AtFlags flags) => Render.Of(c.Task.FchownAt(c.Fd("at"), c.Bytes(0), (uint)c.Number(1), (uint)c.Number(2), flags));

    private static string Utimes(StepContext c)
    {
        Timespec atime = Time(c.Text(1)), mtime = Time(c.Text(2));
        return Render.Of(c.IsFd(0)
            ? c.Task.UtimensAt(c.Fd(0), default, atime, mtime, AtFlags.AT_EMPTY_PATH)
            : c.Task.UtimensAt(Fd.Cwd, c.Bytes(0), atime, mtime, Follow(c)));
    }

    private static Timespec Time(string text)
    {
        if (text == "now")
            return Timespec.Now;
        if (text == "omit")
            return Timespec.Omit;
        var parts = text.Split('.');
        bool ok = long.TryParse(parts[0], out long seconds);
        long nanoseconds = 0;
        if (parts.Length > 1)
            ok &= long.TryParse(parts[1], out nanoseconds);
        return ok ? new(seconds, nanoseconds) : throw new ScenarioRunException($"'{text}' is no time; expected seconds, seconds.nanoseconds, now or omit");
    }

    private static string StatFs(StepContext c)
    {
        StatFs fs;
        var error = c.IsFd(0) ? c.Task.FStatFs(c.Fd(0), out fs) : c.Task.StatFs(c.Bytes(0), out fs);
        if (error != Errno.OK)
            return Render.Of(error);
        const long ValidFlag = 0x20; // ST_VALID: only says that the flags mean something
        string space = c.Has("space") ? $" blocks={fs.Blocks}/{fs.BlocksFree}/{fs.BlocksAvailable} files={fs.Files}/{fs.FilesFree}" : "";
        return $"ok type=0x{fs.Type:x} bsize={fs.BlockSize} frsize={fs.FragmentSize} namelen={fs.NameLength} flags=0x{fs.Flags & ~ValidFlag:x}{space}";
    }

    private static string GetXattr(StepContext c)
    {
        var buffer = AlignedBuffer.Room(c.Number(2, Limits.XATTR_SIZE_MAX));
        var result = c.IsFd(0) ? c.Task.FGetXattr(c.Fd(0), c.Bytes(1), buffer) : c.Task.GetXattr(c.Bytes(0), c.Bytes(1), buffer, Follow(c));
        if (!result.IsOk)
            return Render.Of(result.Error);
        return buffer.Length == 0 ? $"ok size {result.Value}" : $"ok {result.Value} {c.Run.Labels.Overlay.Xattr(c.Bytes(1), buffer[..result.Value])}";
    }

    private static string SetXattr(StepContext c) => Render.Of(c.IsFd(0)
        ? c.Task.FSetXattr(c.Fd(0), c.Bytes(1), c.Bytes(2), c.Flags<XattrFlags>(3))
        : c.Task.SetXattr(c.Bytes(0), c.Bytes(1), c.Bytes(2), c.Flags<XattrFlags>(3), Follow(c)));

    private static string ListXattr(StepContext c)
    {
        var buffer = AlignedBuffer.Room(c.Number(1, Limits.XATTR_LIST_MAX));
        var result = c.IsFd(0) ? c.Task.FListXattr(c.Fd(0), buffer) : c.Task.ListXattr(c.Bytes(0), buffer, Follow(c));
        if (!result.IsOk)
            return Render.Of(result.Error);
        if (buffer.Length == 0)
            return $"ok size {result.Value}";
        var names = Encoding.UTF8.GetString(buffer[..result.Value]).Split('\0', StringSplitOptions.RemoveEmptyEntries);
        return $"ok {string.Join(' ', names.Order(StringComparer.Ordinal))}".TrimEnd();
    }
}
