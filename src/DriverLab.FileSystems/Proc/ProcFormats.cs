using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Proc;

/// <summary>The texts of /proc files.</summary>
/// <remarks>Linux fs/proc_namespace.c: show_mountinfo(), show_vfsmnt(); fs/filesystems.c: filesystems_proc_show().</remarks>
internal static class ProcFormats
{
    private static readonly (MountFlags Flag, string Text)[] s_mountOptions =
    [
        (MountFlags.MS_NOSUID, ",nosuid"),
        (MountFlags.MS_NODEV, ",nodev"),
        (MountFlags.MS_NOEXEC, ",noexec"),
        (MountFlags.MS_NOATIME, ",noatime"),
        (MountFlags.MS_NODIRATIME, ",nodiratime"),
        (MountFlags.MS_RELATIME, ",relatime"),
        (MountFlags.MS_NOSYMFOLLOW, ",nosymfollow"),
    ];

    private static readonly (MountFlags Flag, string Text)[] s_superOptions =
    [
        (MountFlags.MS_SYNCHRONOUS, ",sync"),
        (MountFlags.MS_DIRSYNC, ",dirsync"),
        (MountFlags.MS_MANDLOCK, ",mand"),
        (MountFlags.MS_LAZYTIME, ",lazytime"),
    ];

    /// <summary>A line for each file system, <c>nodev</c> before those without a device.</summary>
    public static byte[] FileSystems(VfsCore core)
    {
        var writer = new MountOptionWriter();
        foreach (var type in core.FileSystems.Where(t => t.IsListed))
            writer.Text($"{(type.RequiresDevice ? "" : "nodev")}\t{type.Name}\n");
        return writer.ToArray();
    }

    /// <summary>/proc/self/mountinfo: the mounts that can be reached from the task's root.</summary>
    public static byte[] MountInfo(Caller task)
    {
        var writer = new MountOptionWriter();
        Span<byte> room = stackalloc byte[Limits.PATH_MAX];
        foreach (var mount in task.Mounts.All)
        {
            var place = PathWalk.Print(new(mount, mount.Root), task.Root, room, out bool reachable);
            if (!reachable || !place.IsOk)
                continue;
            writer.Text($"{mount.Id} {mount.Parent?.Id ?? mount.Id} {mount.Sb.Dev} ");
            WriteRoot(writer, mount.Root);
            writer.Text(" ");
            writer.Escaped(room[^place.Value..], " \t\n\\"u8);
            writer.Text(mount.Flags.HasFlag(MountFlags.MS_RDONLY) ? " ro" : " rw");
            WriteFlags(writer, s_mountOptions, mount.Flags);
            WriteMapping(writer, mount);
            if (mount.IsShared)
                writer.Text($" shared:{mount.SharedGroup}");
            if (mount.MasterGroup != 0)
            {
                writer.Text($" master:{mount.MasterGroup}");
                int from = mount.DominatingGroup(task.Root);
                if (from != 0 && from != mount.MasterGroup)
                    writer.Text($" propagate_from:{from}");
            }
            if (mount.IsUnbindable)
                writer.Text(" unbindable");
            writer.Text($" - {mount.Sb.Type.Name} ");
            WriteSource(writer, mount);
            writer.Text(mount.Sb.IsReadOnly ? " ro" : " rw");
            WriteFlags(writer, s_superOptions, mount.Sb.Flags);
            mount.Sb.ShowOptions(writer, mount.Root);
            writer.Text("\n");
        }
        return writer.ToArray();
    }

    private static void WriteMapping(MountOptionWriter writer, Mount mount)
    {
        if (mount.Mapping is not null)
            writer.Text(",idmapped");
    }

    // Linux fs/proc_namespace.c: mangle().
    private static void WriteSource(MountOptionWriter writer, Mount mount) =>
        writer.Escaped(mount.Source, mount.Sb.Core.Quirks.MountsEscapeHash ? " \t\n\\#"u8 : " \t\n\\"u8);

    /// <summary>/proc/self/mounts, in the format of fstab.</summary>
    public static byte[] Mounts(Caller task)
    {
        var writer = new MountOptionWriter();
        Span<byte> room = stackalloc byte[Limits.PATH_MAX];
        foreach (var mount in task.Mounts.All)
        {
            var place = PathWalk.Print(new(mount, mount.Root), task.Root, room, out bool reachable);
            if (!reachable || !place.IsOk)
                continue;
            WriteSource(writer, mount);
            writer.Text(" ");
            writer.Escaped(room[^place.Value..], " \t\n\\"u8);
            writer.Text($" {mount.Sb.Type.Name} {(mount.IsReadOnly ? "ro" : "rw")}");
            WriteFlags(writer, s_superOptions, mount.Sb.Flags);
            WriteFlags(writer, s_mountOptions, mount.Flags);
            WriteMapping(writer, mount);
            mount.Sb.ShowOptions(writer, mount.Root);
            writer.Text(" 0 0\n");
        }
        return writer.ToArray();
    }

    private static void WriteFlags(MountOptionWriter writer, (MountFlags Flag, string Text)[] table, MountFlags flags)
    {
        foreach (var (flag, text) in table)
        {
            if ((flags & flag) != 0)
                writer.Text(text);
        }
    }

    // The path of a mount's root within its file system; a removed one is marked.
    private static void WriteRoot(MountOptionWriter writer, Dentry root)
    {
        var names = new Stack<Dentry>();
        for (var at = root; !at.IsRoot; at = at.Parent)
            names.Push(at);
        if (names.Count == 0)
            writer.Text("/");
        foreach (var dentry in names)
        {
            writer.Text("/");
            writer.Escaped(dentry.Name, " \t\n\\"u8);
        }
        if (root.IsUnlinked)
            writer.Text("//deleted");
    }
}
