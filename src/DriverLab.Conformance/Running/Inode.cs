using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Conformance.Running;

/// <summary>The canonical text of a struct statx.</summary>
internal static class Inode
{
    /// <summary>Type, mode, owner, link count, size, blocks, labels of inode and device, attributes, and times where the scenario asks for them.</summary>
    public static string Describe(RunState run, in Statx st)
    {
        var text = new StringBuilder(96);
        AppendShort(text, run, st);
        _ = text.Append(" blksize=").Append(st.BlockSize);
        if ((st.Mode & Mode.S_IFMT) is Mode.S_IFREG)
            _ = text.Append(" blocks=").Append(st.Blocks);
        _ = text.Append(" dev=").Append(run.Labels.Device(st.Dev)).Append(" ino=").Append(run.Labels.Inode(st.Dev, st.Ino));
        const StatxAttributes shown = StatxAttributes.STATX_ATTR_IMMUTABLE | StatxAttributes.STATX_ATTR_APPEND | StatxAttributes.STATX_ATTR_MOUNT_ROOT | StatxAttributes.STATX_ATTR_VERITY;
        if ((st.Attributes & shown) != 0)
            _ = text.Append(" attributes=").Append(AttributeNames(st.Attributes & shown));
        if (run.Clock.IsOn)
            _ = text.Append(Times(run, st));
        return text.ToString();
    }

    /// <summary>An entry of a directory: its type, and where asked for the position behind it and its inode number.</summary>
    /// <param name="c">The step, with the options <c>offsets</c> and <c>ino</c>.</param>
    /// <param name="device">The directory's device: that number and the entry's find the label that <c>stat</c> has.</param>
    /// <param name="entry">The entry.</param>
    public static string Entry(StepContext c, DevT device, in DirectoryEntry entry) =>
        $"{Render.Type(entry.Type)}{(c.Has("offsets") ? $" next={entry.Next}" : "")}{(c.Has("ino") ? $" ino={c.Run.Labels.Inode(device, entry.Ino)}" : "")}";

    /// <summary>The device of a directory whose entries' numbers are asked for; 0:0 where they are not, or it cannot be told.</summary>
    public static DevT DeviceOf(StepContext c, Fd at, ReadOnlySpan<byte> path) =>
        c.Has("ino") && c.Task.Statx(at, path, path.IsEmpty ? AtFlags.AT_EMPTY_PATH : AtFlags.None, StatxMask.STATX_BASIC_STATS, out var st) == Errno.OK ? st.Dev : DevT.Zero;

    /// <summary>Type, mode, owner, link count, size or device number: what a manifest line begins with.</summary>
    public static string Short(RunState run, in Statx st)
    {
        var text = new StringBuilder(64);
        AppendShort(text, run, st);
        return text.ToString();
    }

    /// <summary>Appends what <see cref="Short"/> says, or of other files than devices all but the size.</summary>
    public static void AppendShort(StringBuilder text, RunState run, in Statx st, bool withSize = true)
    {
        _ = text.Append(Render.Type(st.Mode)).Append(' ').Append(Render.Permissions(st.Mode)).Append(' ').Append(st.Uid).Append(':').Append(st.Gid).Append(" nlink=").Append(st.Nlink);
        if ((st.Mode & Mode.S_IFMT) is Mode.S_IFCHR or Mode.S_IFBLK)
            _ = text.Append(" rdev=").Append(run.Labels.Rdev(st.Rdev));
        else if (withSize)
            _ = text.Append(" size=").Append(st.Size);
    }

    /// <summary>The four times as labels.</summary>
    public static string Times(RunState run, in Statx st)
    {
        string birth = (st.Mask & StatxMask.STATX_BTIME) != 0 ? $" btime={run.Clock.Label(st.Btime.TotalNs)}" : "";
        return $" atime={run.Clock.Label(st.Atime.TotalNs)} mtime={run.Clock.Label(st.Mtime.TotalNs)} ctime={run.Clock.Label(st.Ctime.TotalNs)}{birth}";
    }

    private static string AttributeNames(StatxAttributes attributes)
    {
        var names = new List<string>(2);
        if ((attributes & StatxAttributes.STATX_ATTR_IMMUTABLE) != 0)
            names.Add("immutable");
        if ((attributes & StatxAttributes.STATX_ATTR_APPEND) != 0)
            names.Add("append");
        if ((attributes & StatxAttributes.STATX_ATTR_MOUNT_ROOT) != 0)
            names.Add("mount_root");
        if ((attributes & StatxAttributes.STATX_ATTR_VERITY) != 0)
            names.Add("verity");
        return string.Join(',', names);
    }
}
