using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Conformance.Running;

/// <summary>A tree as detail lines, one a path, in byte order.</summary>
internal static class Manifest
{
    /// <summary>Walks the tree below a path. The key of a line is the path as the walk goes, so that a difference names the file.</summary>
    public static string Take(StepContext c, byte[] path)
    {
        var error = c.Task.Statx(Fd.Cwd, path, AtFlags.AT_SYMLINK_NOFOLLOW, StatxMask.STATX_BASIC_STATS | StatxMask.STATX_BTIME, out var st);
        if (error != Errno.OK)
            return Render.Of(error);
        int count = 0;
        Entry(c, path, Render.Name(path), st, new(256), ref count);
        return $"ok {count} inodes";
    }

    private static void Entry(StepContext c, byte[] path, string shown, in Statx st, StringBuilder line, ref int count)
    {
        count++;
        c.Detail(shown, Line(c, path, st, line.Clear()));
        if ((st.Mode & Mode.S_IFMT) != Mode.S_IFDIR)
            return;
        var (names, error) = Files.List(c.Task, path);
        if (error != Errno.OK)
            c.Detail(shown + "/", $"{error} at readdir");
        c.Run.Labels.Overlay.Sort(names, name => Describe(c, Child(path, name)));
        foreach (var (name, type, _, _) in names)
        {
            if (path is [(byte)'/'] && IsOfKernel(name))
                continue;
            byte[] child = Child(path, name);
            string shownChild = (shown.EndsWith('/') ? shown : shown + "/") + c.Run.Labels.Overlay.Name(name);
            error = c.Task.Statx(Fd.Cwd, child, AtFlags.AT_SYMLINK_NOFOLLOW, StatxMask.STATX_BASIC_STATS | StatxMask.STATX_BTIME, out var childStat);
            if (error != Errno.OK)
            {
                count++;
                c.Detail(shownChild, $"{error} at lstat");
                continue;
            }
            if (type != DirentType.DT_UNKNOWN && (int)type != (int)(childStat.Mode & Mode.S_IFMT) >> 12)
                c.Detail(shownChild + " d_type", Render.Type(type));
            Entry(c, child, shownChild, childStat, line, ref count);
        }
    }

    /// <summary>Folders whose contents are the machine's.</summary>
    private static bool IsOfKernel(ReadOnlySpan<byte> name) => name.SequenceEqual("dev"u8) || name.SequenceEqual("proc"u8) || name.SequenceEqual("sys"u8);

    private static byte[] Child(byte[] path, byte[] name) => path is [.., (byte)'/'] ? [.. path, .. name] : [.. path, (byte)'/', .. name];

    /// <summary>What a file is, without names and numbers that its kernel chose.</summary>
    public static string Describe(StepContext c, byte[] path)
    {
        var error = c.Task.Statx(Fd.Cwd, path, AtFlags.AT_SYMLINK_NOFOLLOW, StatxMask.STATX_BASIC_STATS, out var st);
        return error != Errno.OK ? error.ToString() : Inode.Short(c.Run, st) + ((st.Mode & Mode.S_IFMT) == Mode.S_IFREG ? Files.Describe(c.Task, path) : "");
    }

    private static string Line(StepContext c, byte[] path, in Statx st, StringBuilder text)
    {
        bool isDirectory = (st.Mode & Mode.S_IFMT) == Mode.S_IFDIR;
        Inode.AppendShort(text, c.Run, st, withSize: !isDirectory || !c.Has("nodirsize"));
        if (!c.Has("noino"))
            _ = text.Append(" dev=").Append(c.Run.Labels.Device(st.Dev)).Append(" ino=").Append(c.Run.Labels.Inode(st.Dev, st.Ino));
        if (c.Run.Clock.IsOn)
            _ = text.Append(Inode.Times(c.Run, st));
        Xattrs(c, path, text);
        if ((st.Mode & Mode.S_IFMT) == Mode.S_IFREG && st.Size > 0)
            _ = text.Append(" content=").Append(Files.Describe(c.Task, path));
        else if ((st.Mode & Mode.S_IFMT) == Mode.S_IFLNK)
            _ = text.Append(" target=").Append(Target(c.Task, path));
        return text.ToString();
    }

    private static void Xattrs(StepContext c, byte[] path, StringBuilder text)
    {
        var task = c.Task;
        Span<byte> list = stackalloc byte[1024];
        var length = task.ListXattr(path, list, AtFlags.AT_SYMLINK_NOFOLLOW);
        if (length.Error == Errno.ERANGE)
        {
            list = AlignedBuffer.Room(Limits.XATTR_LIST_MAX);
            length = task.ListXattr(path, list, AtFlags.AT_SYMLINK_NOFOLLOW);
        }
        if (!length.IsOk)
        {
            if (length.Error != Errno.EOPNOTSUPP)
                _ = text.Append(" xattrs=").Append(length.Error);
            return;
        }
        if (length.Value == 0)
            return;
        var names = Encoding.UTF8.GetString(list[..length.Value]).Split('\0', StringSplitOptions.RemoveEmptyEntries);
        var value = AlignedBuffer.Room(Limits.XATTR_SIZE_MAX);
        foreach (var name in names.Order(StringComparer.Ordinal))
        {
            byte[] bytes = Encoding.UTF8.GetBytes(name);
            var got = task.GetXattr(path, bytes, value, AtFlags.AT_SYMLINK_NOFOLLOW);
            _ = text.Append(' ').Append(name).Append('=').Append(got.IsOk ? c.Run.Labels.Overlay.Xattr(bytes, value[..got.Value]) : got.Error.ToString());
        }
    }

    private static string Target(IKernel task, byte[] path)
    {
        Span<byte> target = stackalloc byte[Limits.PATH_MAX];
        var length = task.ReadLinkAt(Fd.Cwd, path, target);
        return length.IsOk ? Render.Quote(target[..length.Value]) : length.Error.ToString();
    }
}
