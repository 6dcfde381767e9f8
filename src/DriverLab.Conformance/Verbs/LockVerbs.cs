using System.Runtime.InteropServices;
using DriverLab.Conformance.Running;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Conformance.Verbs;

/// <summary>openat2, file handles, locks, notification, mappings.</summary>
internal static class LockVerbs
{
    public static IReadOnlyList<Verb> All { get; } =
    [
        new("openat2", [P.Path(), P.Flags<OpenFlags>(), P.Flags<ResolveFlags>("resolve").Optional(), P.Mode().Optional()], "openat2(2); MODE is 0 when left out.", OpenAt2) { Returns = "fd", Options = [FileVerbs.At] },
        new("handle", [P.Path(), P.Number("room").Optional()], "name_to_handle_at(2) with room for ROOM bytes (128); length and type are told, the bytes are kept for open_handle.", Handle)
        {
            Returns = "handle", Options = [FileVerbs.At, P.Switch("follow"), P.Switch("empty"), P.Flags<AtFlags>()],
        },
        new("open_handle", [P.Fd("mount"), P.Data("handle"), P.Flags<OpenFlags>()], "open_by_handle_at(2) with what 'handle' kept: $name; type= gives another type.", OpenHandle) { Returns = "fd", Options = [P.Number("type")] },
        new("flock", [P.Fd(), P.Flags<FlockOperation>("operation")], "flock(2).", static c => Render.Of(c.Task.Flock(c.Fd(0), c.Flags<FlockOperation>(1)))),
        new("lock", [P.Fd(), P.Flags<LockCommand>("command"), P.Flags<LockType>("type"), P.Number("start"), P.Number("length")],
            "fcntl(2) with a region; whence= is 0, 1 or 2. F_GETLK tells what is in the way; its owner as 'task' or 'file'.", Lock) { Options = [P.Number("whence"), P.Number("pid")] },
        new("inotify", [P.Flags<InotifyFlags>().Optional()], "inotify_init1(2); IN_NONBLOCK when FLAGS is left out.", static c => c.SetResult(c.Task.InotifyInit(c.Count > 0 ? c.Flags<InotifyFlags>(0) : InotifyFlags.IN_NONBLOCK))) { Returns = "fd" },
        new("watch", [P.Fd(), P.Path(), P.Flags<InotifyMask>("mask")], "inotify_add_watch(2).", Watch) { Returns = "watch" },
        new("unwatch", [P.Fd(), P.Int("watch")], "inotify_rm_watch(2).", static c => Render.Of(c.Task.InotifyRmWatch(c.Fd(0), (int)c.Number(1)))),
        new("events", [P.Fd(), P.Length("bytes").Optional()], "read(2) of an inotify descriptor until it would block: one line an event; cookies, and names that the kernel makes up (#NUMBER), as labels.", Events),
        new("mmap", [P.Fd(), P.Flags<MapProtection>("protection"), P.Flags<MapFlags>(), P.Number("offset"), P.Int("length")], "mmap(2) of a file; the variable holds the mapping.", Mmap) { Returns = "map" },
        new("load", [P.Int("map"), P.Number("offset"), P.Length("count")], "Reads memory of a mapping; where a program gets SIGBUS or SIGSEGV: EFAULT.", Load),
        new("store", [P.Int("map"), P.Number("offset"), P.Data()], "Writes memory of a mapping.", static c => Render.Of(c.Task.MapWrite((int)c.Number(0), c.Number(1), c.Bytes(2)))),
        new("msync", [P.Int("map"), P.Flags<MsyncFlags>()], "msync(2) of a whole mapping.", static c => Render.Of(c.Task.Msync((int)c.Number(0), c.Flags<MsyncFlags>(1)))),
        new("munmap", [P.Int("map")], "munmap(2) of a whole mapping.", static c => Render.Of(c.Task.Munmap((int)c.Number(0)))),
    ];

    private static string OpenAt2(StepContext c) =>
        c.SetResult(c.Task.OpenAt2(c.Fd("at"), c.Bytes(0), new OpenHow((ulong)c.Flags<OpenFlags>(1), (ulong)c.Mode(3, Mode.None), c.Flags<ResolveFlags>(2))));

    private static string Handle(StepContext c)
    {
        var handle = new FileHandle { Bytes = (uint)c.Number(1, FileHandle.MaxSize) };
        var flags = c.Flags<AtFlags>("flags") | (c.Has("follow") ? AtFlags.AT_SYMLINK_FOLLOW : 0) | (c.Has("empty") ? AtFlags.AT_EMPTY_PATH : 0);
        var error = c.Task.NameToHandleAt(c.Fd("at"), c.Bytes(0), ref handle, out long mount, flags);
        if (error != Errno.OK)
            c.SetResult("0:"); // a handle of no length, which no mount takes
        if (error != Errno.OK)
            return error == Errno.EOVERFLOW ? $"{error} needs {handle.Bytes}" : Render.Of(error);
        c.SetResult($"{handle.Type}:{Convert.ToHexString(handle.Value)}");
        return $"ok {handle.Bytes} bytes type {handle.Type} {((flags & AT_HANDLE_MNT_ID_UNIQUE) != 0 ? UniqueMount(c, flags, mount) : mount > 0 ? "on a mount" : "")}";
    }

    private const AtFlags AT_HANDLE_MNT_ID_UNIQUE = (AtFlags)1;

    private static string UniqueMount(StepContext c, AtFlags flags, long mount)
    {
        var lookup = flags & AtFlags.AT_EMPTY_PATH | ((flags & AtFlags.AT_SYMLINK_FOLLOW) == 0 ? AtFlags.AT_SYMLINK_NOFOLLOW : 0);
        var error = c.Task.Statx(c.Fd("at"), c.Bytes(0), lookup, StatxMask.STATX_MNT_ID_UNIQUE, out var stat);
        return error == Errno.OK && stat.MntId == (ulong)mount ? "on the mount that statx tells" : "on another mount than statx tells";
    }

    private static string OpenHandle(StepContext c)
    {
        var parts = c.Text(1).Split(':');
        if (parts.Length != 2 || !int.TryParse(parts[0], out int type))
            throw new ScenarioRunException($"'{c.Text(1)}' is no handle; expected $name of a 'handle' step");
        byte[] bytes = new byte[parts[1].Length / 2];
        if (parts[1].Length > 2 * FileHandle.MaxSize || Convert.FromHexString(parts[1], bytes, out _, out _) != System.Buffers.OperationStatus.Done)
            throw new ScenarioRunException($"'{parts[1]}' are no bytes of a handle; expected up to {FileHandle.MaxSize} as two hexadecimal digits each");
        var handle = new FileHandle { Bytes = (uint)bytes.Length, Type = (int)c.Number("type", type) };
        bytes.CopyTo((Span<byte>)handle.Data);
        return c.SetResult(c.Task.OpenByHandleAt(c.Fd(0), handle, c.Flags<OpenFlags>(2)));
    }

    private static string Lock(StepContext c)
    {
        var command = c.Flags<LockCommand>(1);
        var region = new FileLock(c.Flags<LockType>(2), (short)c.Number("whence", 0), c.Number(3), c.Number(4), (int)c.Number("pid", 0));
        var error = c.Task.FcntlLock(c.Fd(0), command, ref region);
        if (error != Errno.OK || command is not (LockCommand.F_GETLK or LockCommand.F_OFD_GETLK))
            return Render.Of(error);
        return region.Type == LockType.F_UNLCK ? "ok free" : $"ok {region.Type} {region.Start}+{region.Length} whence={region.Whence} of a {(region.Pid < 0 ? "file" : "task")}";
    }

    private static string Watch(StepContext c)
    {
        var result = c.Task.InotifyAddWatch(c.Fd(0), c.Bytes(1), c.Flags<InotifyMask>(2));
        c.SetResult(result.IsOk ? result.Value.ToString(System.Globalization.CultureInfo.InvariantCulture) : "-1");
        return Render.Of(result);
    }

    private static string Events(StepContext c)
    {
        var buffer = new byte[c.Number(1, 4096)];
        int count = 0;
        while (true)
        {
            var read = c.Task.Read(c.Fd(0), buffer);
            if (!read.IsOk)
                return read.Error == Errno.EAGAIN ? $"ok {count} events" : Render.Of(read.Error);
            if (read.Value == 0)
                return $"ok {count} events, then nothing"; // no inotify descriptor
            for (var rest = buffer.AsSpan(0, read.Value); rest.Length >= 16;)
            {
                var e = MemoryMarshal.Read<InotifyEvent>(rest);
                if (e.Mask == 0 || e.Length > rest.Length - 16)
                    throw new ScenarioRunException($"'{c.Step.Text}' got {read.Value} bytes that are no events; expected the descriptor of an inotify_init");
                var name = rest.Slice(16, (int)e.Length);
                rest = rest[(16 + (int)e.Length)..];
                string text = name.IsEmpty ? "" : $" {EventName(c, name.TrimEnd((byte)0))} ({name.Length})";
                c.Detail($"w{e.Watch}", $"{e.Mask.ToString().Replace(", ", "|", StringComparison.Ordinal)}{(e.Cookie != 0 ? " " + c.Run.Labels.MountInfo("cookie", $"{e.Cookie}") : "")}{text}");
                count++;
            }
        }
    }

    /// <summary>Names that the kernel makes up, of nameless files (#INODE) and in work directories (#COUNTER), are labels by first sight: their numbers go on from scenario to scenario.</summary>
    private static string EventName(StepContext c, ReadOnlySpan<byte> name)
    {
        string text = Render.Name(name);
        bool isMadeUp = text.Length > 1 && text[0] == '#' && text.Skip(1).All(char.IsAsciiHexDigitLower);
        return isMadeUp ? "#" + c.Run.Labels.MountInfo("temporary", text) : text;
    }

    private static string Mmap(StepContext c)
    {
        var result = c.Task.Mmap(c.Fd(0), c.Flags<MapProtection>(1), c.Flags<MapFlags>(2), c.Number(3), (int)c.Number(4));
        c.SetResult(result.IsOk ? result.Value.ToString(System.Globalization.CultureInfo.InvariantCulture) : "-1");
        return result.IsOk ? "ok map" : Render.Of(result.Error);
    }

    private static string Load(StepContext c)
    {
        var buffer = new byte[c.Number(2)];
        var error = c.Task.MapRead((int)c.Number(0), c.Number(1), buffer);
        return error == Errno.OK ? $"ok {Render.Data(buffer)}" : Render.Of(error);
    }
}
