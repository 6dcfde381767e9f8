using System.Text;
using DriverLab.Conformance.Running;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Conformance.Verbs;

/// <summary>pivot_root and the mount calls by descriptors.</summary>
internal static class TreeVerbs
{
    private static readonly Parameter s_at = FileVerbs.At;
    private static readonly Parameter s_to = new("to", ParameterKind.Fd);

    public static IReadOnlyList<Verb> All { get; } =
    [
        new("pivot_root", [P.Path("newroot"), P.Path("putold")], "pivot_root(2).", static c => Render.Of(c.Task.PivotRoot(c.Bytes(0), c.Bytes(1)))),
        new("fsopen", [P.Name("type"), P.Flags<FsOpenFlags>().Optional()], "fsopen(2).", static c => c.SetResult(c.Task.FsOpen(c.Bytes(0), c.Flags<FsOpenFlags>(1)))) { Returns = "fd" },
        new("fspick", [P.Path(), P.Flags<FsPickFlags>().Optional()], "fspick(2).", static c => c.SetResult(c.Task.FsPick(c.Fd("at"), c.Bytes(0), c.Flags<FsPickFlags>(1)))) { Returns = "fd", Options = [s_at] },
        new("fsconfig", [P.Fd(), P.Choice("kind", "flag", "string", "path", "pathempty", "fd", "binary", "create", "createexcl", "reconfigure"), P.Data("key").Optional(), P.Data("value").Optional()],
            "fsconfig(2); at= is the directory of a path, of= the descriptor of 'fd'; for 'binary' the length is that of VALUE.", FsConfig) { Options = [s_at, new("of", ParameterKind.Fd), P.Number("aux")] },
        new("fslog", [P.Fd()], "read(2) of a context until it has no more messages, one line each.", FsLog),
        new("fsmount", [P.Fd(), P.Flags<MountAttributes>("attributes").Optional(), P.Flags<FsMountFlags>().Optional()], "fsmount(2).",
            static c => c.SetResult(c.Task.FsMount(c.Fd(0), c.Flags<FsMountFlags>(2), c.Flags<MountAttributes>(1)))) { Returns = "fd" },
        new("move_mount", [P.Target("from"), P.Path("target"), P.Flags<MoveMountFlags>().Optional()], "move_mount(2); a descriptor as FROM adds MOVE_MOUNT_F_EMPTY_PATH.", MoveMount) { Options = [s_at, s_to] },
        new("open_tree", [P.Path(), P.Flags<OpenTreeFlags>().Optional()], "open_tree(2).", static c => c.SetResult(c.Task.OpenTree(c.Fd("at"), c.Bytes(0), c.Flags<OpenTreeFlags>(1)))) { Returns = "fd", Options = [s_at] },
        new("mount_setattr", [P.Target("target")], "mount_setattr(2); set= and clear= are attributes, propagation= one of the MS_ flags, userns= the descriptor for MOUNT_ATTR_IDMAP, 'rec' adds AT_RECURSIVE; a descriptor adds AT_EMPTY_PATH.", MountSetattr)
        {
            Options = [P.Flags<MountAttributes>("set"), P.Flags<MountAttributes>("clear"), P.Flags<MountFlags>("propagation"), P.Switch("rec"), P.Flags<AtFlags>(), new("userns", ParameterKind.Fd)],
        },
        new("mountinfo", [P.Path("top").Optional()], "All fields of /proc/self/mountinfo of the mounts at and below a path: ids and devices as labels by first sight in this listing, peer groups in the whole scenario.", MountInfo),
    ];

    private static string FsConfig(StepContext c)
    {
        var command = c.Text(1) switch
        {
            "flag" => FsConfigCommand.FSCONFIG_SET_FLAG,
            "string" => FsConfigCommand.FSCONFIG_SET_STRING,
            "binary" => FsConfigCommand.FSCONFIG_SET_BINARY,
            "path" => FsConfigCommand.FSCONFIG_SET_PATH,
            "pathempty" => FsConfigCommand.FSCONFIG_SET_PATH_EMPTY,
            "fd" => FsConfigCommand.FSCONFIG_SET_FD,
            "create" => FsConfigCommand.FSCONFIG_CMD_CREATE,
            "createexcl" => FsConfigCommand.FSCONFIG_CMD_CREATE_EXCL,
            _ => FsConfigCommand.FSCONFIG_CMD_RECONFIGURE,
        };
        byte[] key = c.Count > 2 ? c.Bytes(2) : [], value = c.Count > 3 ? c.Bytes(3) : [];
        long aux = command switch
        {
            FsConfigCommand.FSCONFIG_SET_PATH or FsConfigCommand.FSCONFIG_SET_PATH_EMPTY => c.Fd("at").Value,
            FsConfigCommand.FSCONFIG_SET_FD => c.Fd("of").Value,
            FsConfigCommand.FSCONFIG_SET_BINARY => value.Length,
            _ => 0,
        };
        return Render.Of(c.Task.FsConfig(c.Fd(0), command, key, value, (int)c.Number("aux", aux)));
    }

    private static string FsLog(StepContext c)
    {
        const int most = 8; // Linux include/linux/fs_context.h: struct fc_log
        var buffer = new byte[1024];
        for (int count = 0; ;)
        {
            var read = c.Task.Read(c.Fd(0), buffer);
            if (read is { IsOk: true, Value: > 0 } && count == most)
                throw new ScenarioRunException($"'{c.Step.Text}' got more than {most} messages, which no context keeps; expected the descriptor of an fsopen or fspick");
            if (!read.IsOk || read.Value == 0)
                return read.Error == Errno.ENODATA ? $"ok {count} messages" : Render.Of(read);
            c.Detail(count++.ToString(System.Globalization.CultureInfo.InvariantCulture), Render.Text(Encoding.UTF8.GetString(buffer, 0, read.Value).TrimEnd('\n')));
        }
    }

    private static string MoveMount(StepContext c)
    {
        var flags = c.Flags<MoveMountFlags>(2);
        return Render.Of(c.IsFd(0)
            ? c.Task.MoveMount(c.Fd(0), default, c.Fd("to"), c.Bytes(1), flags | MoveMountFlags.MOVE_MOUNT_F_EMPTY_PATH)
            : c.Task.MoveMount(c.Fd("at"), c.Bytes(0), c.Fd("to"), c.Bytes(1), flags));
    }

    private static string MountSetattr(StepContext c)
    {
        var attributes = new MountAttr(c.Flags<MountAttributes>("set"), c.Flags<MountAttributes>("clear"), (ulong)c.Flags<MountFlags>("propagation"),
            c.Has("userns") ? (ulong)c.Fd("userns").Value : 0);
        var flags = c.Flags<AtFlags>("flags") | (c.Has("rec") ? (AtFlags)0x8000 : 0);
        return Render.Of(c.IsFd(0)
            ? c.Task.MountSetattr(c.Fd(0), default, flags | AtFlags.AT_EMPTY_PATH, attributes)
            : c.Task.MountSetattr(Fd.Cwd, c.Bytes(0), flags, attributes));
    }

    private static string MountInfo(StepContext c)
    {
        var (lines, problem) = MountVerbs.ReadMountInfo(c);
        string top = c.Text(0, "/").TrimEnd('/');
        int count = 0;
        // Kernels free the numbers of mounts and devices some time after umount: they are the same only within one listing.
        var numbers = new Labels();
        foreach (var fields in lines)
        {
            int dash = Array.IndexOf(fields, "-");
            bool isBelow = fields[4] == top || fields[4].StartsWith(top + "/", StringComparison.Ordinal);
            if (dash < 6 || !isBelow || fields[4] is "/" or "/dev" or "/proc" || fields[4].StartsWith("/dev/", StringComparison.Ordinal) || fields[4].StartsWith("/proc/", StringComparison.Ordinal))
                continue;
            string groups = string.Join(' ', fields[6..dash].Select(f => Group(c, f)));
            string label = numbers.MountInfo("mount", fields[0]), parent = numbers.MountInfo("mount", fields[1]), device = numbers.MountInfo("device", fields[2]);
            c.Detail(Render.Text(fields[4]), Render.Text($"{label} on {parent} {device} root={fields[3]} {fields[5]} {(groups.Length > 0 ? groups : "private")} {fields[dash + 1]} {fields[dash + 2]} {MountVerbs.FileSystemOptions(c, fields, dash)}"));
            count++;
        }
        return problem.Length > 0 ? problem : $"ok {count} mounts";
    }

    private static string Group(StepContext c, string field)
    {
        int colon = field.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? field : $"{field[..colon]}:{c.Run.Labels.MountInfo("group", field[(colon + 1)..])}";
    }
}
