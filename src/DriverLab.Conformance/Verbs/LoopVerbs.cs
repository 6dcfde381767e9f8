using System.Text;
using DriverLab.Conformance.Running;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;

namespace DriverLab.Conformance.Verbs;

/// <summary>Loop devices.</summary>
internal static class LoopVerbs
{
    private static readonly Parameter s_device = P.Target("device");
    private static readonly Parameter[] s_settings = [P.Number("offset"), P.Number("sizelimit"), P.Switch("ro"), P.Switch("autoclear"), P.Switch("directio"), P.Switch("partscan")];

    public static IReadOnlyList<Verb> All { get; } =
    [
        new("loop free", [], "LOOP_CTL_GET_FREE: an unbound device.", Free) { Returns = "device" },
        new("loop attach", [P.Path()], "A free device, LOOP_CONFIGURE with a file; the file is opened read-only with 'ro'.", Attach)
        {
            Returns = "device", Options = [.. s_settings, P.Number("blocksize"), P.Switch("rofile")],
        },
        new("loop configure", [s_device, P.Target()], "LOOP_CONFIGURE on a given device.", static c => Configure(c, Number(c, 0))) { Options = [.. s_settings, P.Number("blocksize"), P.Switch("rofile")] },
        new("loop setfd", [s_device, P.Target()], "LOOP_SET_FD.", static c => WithBoth(c, static (c, loop, file) => c.Task.LoopSetFd(loop, file))) { Options = [P.Switch("rofile"), P.Switch("ro")] },
        new("loop changefd", [s_device, P.Target()], "LOOP_CHANGE_FD.", static c => WithBoth(c, static (c, loop, file) => c.Task.LoopChangeFd(loop, file))) { Options = [P.Switch("rofile"), P.Switch("ro")] },
        new("loop detach", [s_device], "LOOP_CLR_FD.", static c => With(c, static (c, loop) => Render.Of(c.Task.LoopClrFd(loop)))),
        new("loop status", [s_device], "LOOP_GET_STATUS64.", static c => With(c, Status)),
        new("loop set", [s_device], "LOOP_SET_STATUS64: the status as it is, with these settings changed; 'noflags' clears the flags.", static c => With(c, Set)) { Options = [.. s_settings, P.Switch("noflags")] },
        new("loop capacity", [s_device], "LOOP_SET_CAPACITY.", static c => With(c, static (c, loop) => Render.Of(c.Task.LoopSetCapacity(loop)))),
        new("loop directio", [s_device, P.Number("onoff")], "LOOP_SET_DIRECT_IO.", static c => With(c, static (c, loop) => Render.Of(c.Task.LoopSetDirectIo(loop, c.Number(1) != 0)))),
        new("loop blocksize", [s_device, P.Number("bytes")], "LOOP_SET_BLOCK_SIZE.", static c => With(c, static (c, loop) => Render.Of(c.Task.LoopSetBlockSize(loop, c.Number(1))))),
        new("loop add", [P.Int("number")], "LOOP_CTL_ADD.", static c => Control(c, static (c, fd) => c.Task.LoopAdd(fd, (int)c.Number(0)) is { IsOk: false } failed ? Render.Of(failed.Error) : "ok")),
        new("loop remove", [P.Int("number")], "LOOP_CTL_REMOVE.", static c => Control(c, static (c, fd) => Render.Of(c.Task.LoopRemove(fd, (int)c.Number(0)).Error))),
    ];

    private static string Control(StepContext c, Func<StepContext, Fd, string> action)
    {
        var control = c.Task.OpenAt(Fd.Cwd, "/dev/loop-control"u8, OpenFlags.O_RDWR, Mode.None);
        if (!control.IsOk)
            return $"{control.Error} at open of loop-control";
        string outcome = action(c, control.Value);
        _ = c.Task.Close(control.Value); // holds no data
        return outcome;
    }

    private static string Free(StepContext c) => Control(c, static (c, control) =>
    {
        var free = c.Task.LoopGetFree(control);
        c.SetResult(free.IsOk ? $"/dev/loop{free.Value}" : "/dev/none");
        if (!free.IsOk)
            return Render.Of(free.Error);
        Note(c, free.Value);
        return "ok device";
    });

    private static string Attach(StepContext c)
    {
        int number = -1;
        string outcome = Control(c, (c, control) =>
        {
            var free = c.Task.LoopGetFree(control);
            number = free.IsOk ? free.Value : -1;
            return free.IsOk ? "ok" : $"{free.Error} at LOOP_CTL_GET_FREE";
        });
        c.SetResult(number >= 0 ? $"/dev/loop{number}" : "/dev/none");
        if (number < 0)
            return outcome;
        Note(c, number);
        return Configure(c, number, 0);
    }

    /// <summary>LOOP_CONFIGURE of a device with the file in an argument.</summary>
    private static string Configure(StepContext c, int number, int file = 1)
    {
        if (number < 0)
            return "ENOENT at open of the device";
        Note(c, number);
        var (backing, mine, problem) = OpenFile(c, file);
        if (problem.Length > 0)
            return problem;
        string outcome = WithPath(c, Encoding.UTF8.GetBytes($"/dev/loop{number}"), (c, loop) => Render.Of(c.Task.LoopConfigure(loop, backing, Flags(c), (ulong)c.Number("offset", 0), (ulong)c.Number("sizelimit", 0), (uint)c.Number("blocksize", 0))));
        if (mine)
            _ = c.Task.Close(backing); // the loop device holds the file itself
        return outcome;
    }

    private static string WithBoth(StepContext c, Func<StepContext, Fd, Fd, Errno> action)
    {
        var (backing, mine, problem) = OpenFile(c, 1);
        if (problem.Length > 0)
            return problem;
        if (Number(c, 0) is >= 0 and var number)
            Note(c, number);
        string outcome = With(c, (c, loop) => Render.Of(action(c, loop, backing)));
        if (mine)
            _ = c.Task.Close(backing); // the loop device holds the file itself
        return outcome;
    }

    private static (Fd File, bool Mine, string Problem) OpenFile(StepContext c, int index)
    {
        if (c.IsFd(index))
            return (c.Fd(index), false, "");
        var opened = c.Task.OpenAt(Fd.Cwd, c.Bytes(index), c.Has("rofile") || c.Has("ro") ? OpenFlags.O_RDONLY : OpenFlags.O_RDWR, Mode.None);
        return opened.IsOk ? (opened.Value, true, "") : (Fd.None, false, $"{opened.Error} at open of the file");
    }

    private static LoopFlags Flags(StepContext c) =>
        (c.Has("ro") ? LoopFlags.LO_FLAGS_READ_ONLY : 0) | (c.Has("autoclear") ? LoopFlags.LO_FLAGS_AUTOCLEAR : 0)
        | (c.Has("directio") ? LoopFlags.LO_FLAGS_DIRECT_IO : 0) | (c.Has("partscan") ? LoopFlags.LO_FLAGS_PARTSCAN : 0);

    private static string Status(StepContext c, Fd loop)
    {
        var error = c.Task.LoopGetStatus64(loop, out var info);
        return error == Errno.OK
            ? $"ok offset={info.Offset} sizelimit={info.SizeLimit} flags={(info.Flags == 0 ? "none" : info.Flags.ToString().Replace("LO_FLAGS_", "", StringComparison.Ordinal).Replace(", ", "|", StringComparison.Ordinal).ToLowerInvariant())}"
            : Render.Of(error);
    }

    private static string Set(StepContext c, Fd loop)
    {
        var error = c.Task.LoopGetStatus64(loop, out var info);
        if (error != Errno.OK)
            return $"{error} at LOOP_GET_STATUS64";
        info.Offset = (ulong)c.Number("offset", (long)info.Offset);
        info.SizeLimit = (ulong)c.Number("sizelimit", (long)info.SizeLimit);
        info.Flags = (c.Has("noflags") ? 0 : info.Flags) | Flags(c);
        return Render.Of(c.Task.LoopSetStatus64(loop, ref info));
    }

    private static string With(StepContext c, Func<StepContext, Fd, string> action) => c.IsFd(0) && !IsDevice(c, 0) ? action(c, c.Fd(0)) : WithPath(c, Device(c, 0), action);

    private static string WithPath(StepContext c, byte[] path, Func<StepContext, Fd, string> action)
    {
        var opened = c.Task.OpenAt(Fd.Cwd, path, c.Has("ro") ? OpenFlags.O_RDONLY : OpenFlags.O_RDWR, Mode.None);
        if (opened.Error is Errno.EACCES or Errno.EPERM or Errno.EROFS)
            opened = c.Task.OpenAt(Fd.Cwd, path, OpenFlags.O_RDONLY, Mode.None);
        if (!opened.IsOk)
            return $"{opened.Error} at open of the device";
        string outcome = action(c, opened.Value);
        _ = c.Task.Close(opened.Value); // a device's close reports nothing
        return outcome;
    }

    private static void Note(StepContext c, int number)
    {
        c.Run.Sandbox.Devices.NoteLoop(number);
        c.Run.Labels.NameLoop(number);
    }

    private static bool IsDevice(StepContext c, int index) => Device(c, index) is [(byte)'/', ..];

    private static byte[] Device(StepContext c, int index) => BlockVerbs.Device(c, index);

    private static int Number(StepContext c, int index)
    {
        string path = Encoding.UTF8.GetString(Device(c, index));
        return path.StartsWith("/dev/loop", StringComparison.Ordinal) && int.TryParse(path.AsSpan(9), out int number) ? number : -1;
    }
}
