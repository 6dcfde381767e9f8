using System.Text;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Conformance.Verbs;

/// <summary>Calls on mounts.</summary>
internal static class MountVerbs
{
    public static IReadOnlyList<Verb> All { get; } =
    [
        new("mount", [P.Name("type"), P.Path("target")], "mount(2). Options such as ro or nosuid become flags, all others go to the file system as its data; source= is the type when left out, data= replaces the data, flags= adds flags by their C names.", Mount)
        {
            Options = s_own, TakesRest = true,
        },
        new("bind", [P.Path("source"), P.Path("target")], "mount(2) with MS_BIND; 'rec' adds MS_REC.", static c => Plain(c, 0, 1, MountFlags.MS_BIND | Rec(c))) { Options = [P.Switch("rec")] },
        new("rbind", [P.Path("source"), P.Path("target")], "mount(2) with MS_BIND and MS_REC.", static c => Plain(c, 0, 1, MountFlags.MS_BIND | MountFlags.MS_REC)),
        new("move", [P.Path("source"), P.Path("target")], "mount(2) with MS_MOVE.", static c => Plain(c, 0, 1, MountFlags.MS_MOVE)),
        new("remount", [P.Path("target")], "mount(2) with MS_REMOUNT; 'bind' changes the mount alone.", Remount) { Options = s_own, TakesRest = true },
        new("propagate", [P.Path("target"), P.Choice("type", "private", "shared", "slave", "unbindable")], "mount(2) with MS_PRIVATE, MS_SHARED, MS_SLAVE or MS_UNBINDABLE; 'rec' adds MS_REC.", Propagate) { Options = [P.Switch("rec")] },
        new("umount", [P.Path("target").Many()], "umount2(2): lazy, force, expire and nofollow are its flags.", Umount)
        {
            RepeatsLast = true, Options = [P.Switch("lazy"), P.Switch("force"), P.Switch("expire"), P.Switch("nofollow")],
        },
        new("branches", [P.Path("union")], "What sysfs, which is mounted at /sys, tells of the aufs that is mounted at a path: each branch with its permission and attributes, each branch's id, the path of the table of inode numbers.", Branches),
        new("plinks", [P.Path("union")], "Begins the maintenance of the pseudo-links of the aufs that is mounted at a path, as auplink does: writes its si= to /proc/fs/aufs/plink_maint. Written 'clean', the file forgets them; closed, it ends the maintenance.", MaintainLinks) { Returns = "fd" },
        new("mounts", [], "The mounts below the actor's root as /proc/self/mountinfo tells them: mount point, its options, type, the file system's options; ids and devices left out.", Mounts),
    ];

    private static Parameter[] s_own => [P.Data("source"), P.Data("data"), P.Flags<MountFlags>("flags")];

    /// <summary>Options that mount(8) turns into flags.</summary>
    private static readonly Dictionary<string, (MountFlags Set, MountFlags Clear)> s_flags = new()
    {
        ["ro"] = (MountFlags.MS_RDONLY, 0), ["rw"] = (0, MountFlags.MS_RDONLY),
        ["nosuid"] = (MountFlags.MS_NOSUID, 0), ["suid"] = (0, MountFlags.MS_NOSUID),
        ["nodev"] = (MountFlags.MS_NODEV, 0), ["dev"] = (0, MountFlags.MS_NODEV),
        ["noexec"] = (MountFlags.MS_NOEXEC, 0), ["exec"] = (0, MountFlags.MS_NOEXEC),
        ["sync"] = (MountFlags.MS_SYNCHRONOUS, 0), ["async"] = (0, MountFlags.MS_SYNCHRONOUS),
        ["dirsync"] = (MountFlags.MS_DIRSYNC, 0), ["mand"] = (MountFlags.MS_MANDLOCK, 0),
        ["noatime"] = (MountFlags.MS_NOATIME, 0), ["nodiratime"] = (MountFlags.MS_NODIRATIME, 0),
        ["relatime"] = (MountFlags.MS_RELATIME, 0), ["strictatime"] = (MountFlags.MS_STRICTATIME, 0),
        ["lazytime"] = (MountFlags.MS_LAZYTIME, 0), ["nosymfollow"] = (MountFlags.MS_NOSYMFOLLOW, 0),
        ["silent"] = (MountFlags.MS_SILENT, 0), ["bind"] = (MountFlags.MS_BIND, 0), ["rec"] = (MountFlags.MS_REC, 0),
    };

    private static string Mount(StepContext c)
    {
        var (flags, data) = Split(c);
        byte[] type = c.Bytes(0);
        return Render.Of(c.Task.Mount(c.Bytes("source") ?? type, c.Bytes(1), type, flags, data));
    }

    private static string Remount(StepContext c)
    {
        var (flags, data) = Split(c);
        return Render.Of(c.Task.Mount(c.Bytes("source") ?? "none"u8.ToArray(), c.Bytes(0), default, flags | MountFlags.MS_REMOUNT, data));
    }

    private static (MountFlags Flags, byte[] Data) Split(StepContext c)
    {
        var flags = c.Flags<MountFlags>("flags");
        var data = new List<byte>();
        foreach (var option in c.Step.Options)
        {
            if (option.Key is "source" or "data" or "flags")
                continue;
            if (option.Value is null && option.Key.Split(',') is { Length: > 1 } several && several.All(s_flags.ContainsKey))
                foreach (var one in several)
                    flags = (flags | s_flags[one].Set) & ~s_flags[one].Clear;
            else if (option.Value is null && s_flags.TryGetValue(option.Key, out var flag))
                flags = (flags | flag.Set) & ~flag.Clear;
            else
            {
                if (data.Count > 0)
                    data.Add((byte)',');
                data.AddRange(Encoding.UTF8.GetBytes(option.Key));
                if (option.Value is { } value)
                {
                    data.Add((byte)'=');
                    data.AddRange(c.Expand(value));
                }
            }
        }
        return (flags, c.Bytes("data") ?? [.. data]);
    }

    private static MountFlags Rec(StepContext c) => c.Has("rec") ? MountFlags.MS_REC : 0;

    private static string Plain(StepContext c, int source, int target, MountFlags flags) => Render.Of(c.Task.Mount(c.Bytes(source), c.Bytes(target), default, flags, default));

    private static string Propagate(StepContext c)
    {
        var flags = c.Text(1) switch
        {
            "private" => MountFlags.MS_PRIVATE,
            "shared" => MountFlags.MS_SHARED,
            "slave" => MountFlags.MS_SLAVE,
            _ => MountFlags.MS_UNBINDABLE,
        };
        return Render.Of(c.Task.Mount("none"u8, c.Bytes(0), default, flags | Rec(c), default));
    }

    private static string Umount(StepContext c) => Render.Of(c.Task.Umount(c.Bytes(0),
        (c.Has("lazy") ? UmountFlags.MNT_DETACH : 0) | (c.Has("force") ? UmountFlags.MNT_FORCE : 0)
        | (c.Has("expire") ? UmountFlags.MNT_EXPIRE : 0) | (c.Has("nofollow") ? UmountFlags.UMOUNT_NOFOLLOW : 0)));

    private static string Mounts(StepContext c)
    {
        var (lines, problem) = ReadMountInfo(c);
        int count = 0;
        foreach (var fields in lines)
        {
            int dash = Array.IndexOf(fields, "-");
            if (dash < 6 || fields[4] is "/" or "/dev" or "/proc")
                continue;
            string propagation = string.Join(' ', fields[6..dash].Select(static f => f.Split(':')[0]));
            c.Detail(Render.Text(fields[4]), Render.Text($"{fields[5]} {(propagation.Length > 0 ? propagation : "private")} {fields[dash + 1]} {FileSystemOptions(c, fields, dash)}"));
            count++;
        }
        return problem.Length > 0 ? problem : $"ok {count} mounts";
    }

    /// <summary>The lines of the task's mountinfo, each as its fields; none, and the outcome of the call that failed.</summary>
    internal static (string[][] Lines, string Problem) ReadMountInfo(StepContext c)
    {
        var (text, problem) = Files.ReadAll(c.Task, "/proc/thread-self/mountinfo"u8);
        return text is null ? ([], problem) : ([.. Encoding.UTF8.GetString(text).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => line.Split(' '))], "");
    }

    private static string Branches(StepContext c)
    {
        var (id, problem) = UnionAt(c);
        if (id is null)
            return problem;
        string folder = "/sys/fs/aufs/si_" + id;
        var (names, error) = Files.List(c.Task, Encoding.UTF8.GetBytes(folder));
        if (error != Errno.OK)
            return error.ToString();
        foreach (string name in names.Select(static n => Encoding.UTF8.GetString(n.Name)).Order(StringComparer.Ordinal))
        {
            var (content, wrong) = Files.ReadAll(c.Task, Encoding.UTF8.GetBytes($"{folder}/{name}"));
            c.Detail(name, content is null ? wrong : Render.Text(Encoding.UTF8.GetString(content).TrimEnd('\n')));
        }
        return $"ok {names.Count} files";
    }

    /// <summary>The id of the union that is mounted where the first parameter says.</summary>
    private static (string? Id, string Problem) UnionAt(StepContext c)
    {
        var (lines, problem) = ReadMountInfo(c);
        string union = Encoding.UTF8.GetString(c.Bytes(0));
        string? id = Array.FindLast(lines, f => f[4] == union)?[^1].Split(',').FirstOrDefault(static o => o.StartsWith("si=", StringComparison.Ordinal))?[3..];
        return (id, problem.Length > 0 ? problem : "no union");
    }

    private static string MaintainLinks(StepContext c)
    {
        var (id, problem) = UnionAt(c);
        if (id is null)
            return problem;
        var opened = c.Task.OpenAt(Fd.Cwd, "/proc/fs/aufs/plink_maint"u8, OpenFlags.O_WRONLY, Mode.None);
        if (!opened.IsOk)
            return $"{opened.Error} at open";
        var written = c.Task.Write(opened.Value, Encoding.UTF8.GetBytes("si=" + id));
        if (written.IsOk)
            return c.SetResult(opened);
        _ = c.Task.Close(opened.Value); // the write has said what is wrong
        return Render.Of(written.Error);
    }

    /// <summary>What a line of mountinfo says behind the source of a mount.</summary>
    /// <remarks>The one devtmpfs is the machine's, mounted before any scenario: it shows its size where that is not half of the memory, and memory can grow after boot.</remarks>
    internal static string FileSystemOptions(StepContext c, string[] fields, int dash)
    {
        string options = c.Run.Labels.Unions(string.Join(' ', fields.Skip(dash + 3)));
        return fields[dash + 1] != "devtmpfs" ? options
            : string.Join(',', options.Split(',').Where(static o => !o.StartsWith("size=", StringComparison.Ordinal) && !o.StartsWith("nr_inodes=", StringComparison.Ordinal)));
    }
}
