using System.Text;
using DriverLab.Conformance.Running;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;

namespace DriverLab.Conformance.Verbs;

/// <summary>Ioctls of block devices.</summary>
internal static class BlockVerbs
{
    private static readonly Parameter s_device = P.Target("device");
    private static readonly Parameter s_offset = P.Number("offset");
    private static readonly Parameter s_length = P.Number("length");
    private static readonly Parameter s_number = P.Number("number");

    public static IReadOnlyList<Verb> All { get; } =
    [
        new("blk size", [s_device], "BLKGETSIZE64, in bytes.", static c => Look(c, static (c, fd) => Render.Of(c.Task.BlkGetSize64(fd)))),
        new("blk sectors", [s_device], "BLKGETSIZE, in sectors of 512 bytes.", static c => Look(c, static (c, fd) => Render.Of(c.Task.BlkGetSize(fd)))),
        new("blk limits", [s_device], "Logical and physical block size, smallest and best request, alignment.", static c => Look(c, Limits)),
        new("blk ro", [s_device], "BLKROGET.", static c => Look(c, static (c, fd) => c.Task.BlkRoGet(fd) is { IsOk: true } r ? $"ok {(r.Value ? 1 : 0)}" : Render.Of(c.Task.BlkRoGet(fd).Error))),
        new("blk setro", [s_device, P.Number("onoff")], "BLKROSET.", static c => Look(c, static (c, fd) => Render.Of(c.Task.BlkRoSet(fd, c.Number(1) != 0)))),
        new("blk discard", [s_device, s_offset, s_length], "BLKDISCARD, in bytes.", static c => Change(c, static (c, fd) => Render.Of(c.Task.BlkDiscard(fd, (ulong)c.Number(1), (ulong)c.Number(2))))),
        new("blk secdiscard", [s_device, s_offset, s_length], "BLKSECDISCARD, in bytes.", static c => Change(c, static (c, fd) => Render.Of(c.Task.BlkSecDiscard(fd, (ulong)c.Number(1), (ulong)c.Number(2))))),
        new("blk zeroout", [s_device, s_offset, s_length], "BLKZEROOUT, in bytes.", static c => Change(c, static (c, fd) => Render.Of(c.Task.BlkZeroOut(fd, (ulong)c.Number(1), (ulong)c.Number(2))))),
        new("blk flush", [s_device], "BLKFLSBUF: writes back and drops the cached pages.", static c => Look(c, static (c, fd) => Render.Of(c.Task.BlkFlsBuf(fd)))),
        new("blk bsz", [s_device], "BLKBSZGET.", static c => Look(c, static (c, fd) => Render.Of(c.Task.BlkBszGet(fd)))),
        new("blk setbsz", [s_device, P.Int("bytes")], "BLKBSZSET.", static c => Look(c, static (c, fd) => Render.Of(c.Task.BlkBszSet(fd, (int)c.Number(1))))),
        new("blk readahead", [s_device], "BLKRAGET, in sectors.", static c => Look(c, static (c, fd) => Render.Of(c.Task.BlkRaGet(fd)))),
        new("blk setreadahead", [s_device, P.Number("sectors")], "BLKRASET.", static c => Look(c, static (c, fd) => Render.Of(c.Task.BlkRaSet(fd, c.Number(1))))),
        new("blk rotational", [s_device], "BLKROTATIONAL.", static c => Look(c, static (c, fd) => c.Task.BlkRotational(fd) is { IsOk: true } r ? $"ok {r.Value}" : Render.Of(c.Task.BlkRotational(fd).Error))),
        new("blk discardzeroes", [s_device], "BLKDISCARDZEROES.", static c => Look(c, static (c, fd) => c.Task.BlkDiscardZeroes(fd) is { IsOk: true } r ? $"ok {r.Value}" : Render.Of(c.Task.BlkDiscardZeroes(fd).Error))),
        new("blk queue", [s_device], "The device's folder queue in sysfs, which is mounted at /sys: every file that tells of limits, in order of names, with what it holds. How requests are queued (async_depth, nr_requests, rq_affinity, scheduler, wbt_lat_usec) is left out.", static c => InSysfs(c, Queue)),
        new("blk attr", [s_device, P.Data("name").Many()], "A file in the device's folder in sysfs, which is mounted at /sys, such as size or dm/name.", static c => InSysfs(c, static (c, folder) => Attribute(c.Task, folder, c.Bytes(1)))) { RepeatsLast = true },
        new("blk reread", [s_device], "BLKRRPART.", static c => Look(c, static (c, fd) => Render.Of(c.Task.BlkRrPart(fd)))),
        new("blk addpart", [s_device, s_number, s_offset, s_length], "BLKPG: adds a partition; start and length in bytes.", static c => Partition(c, BlkpgOperation.BLKPG_ADD_PARTITION)),
        new("blk delpart", [s_device, s_number], "BLKPG: deletes a partition.", static c => Partition(c, BlkpgOperation.BLKPG_DEL_PARTITION)),
        new("blk resizepart", [s_device, s_number, s_offset, s_length], "BLKPG: gives a partition another length.", static c => Partition(c, BlkpgOperation.BLKPG_RESIZE_PARTITION)),
    ];

    private static readonly HashSet<string> s_notLimits = ["async_depth", "nr_requests", "rq_affinity", "scheduler", "wbt_lat_usec"];

    private static string InSysfs(StepContext c, Func<StepContext, string, string> action)
    {
        byte[] device = Device(c, 0);
        var error = c.Task.Statx(Fd.Cwd, device, AtFlags.None, StatxMask.STATX_TYPE, out var st);
        if (error != Errno.OK)
            return $"{error} at stat";
        return (st.Mode & Mode.S_IFMT) == Mode.S_IFBLK ? action(c, $"/sys/dev/block/{st.RdevMajor}:{st.RdevMinor}") : "ENOTBLK";
    }

    private static string Queue(StepContext c, string folder)
    {
        var (names, error) = Files.List(c.Task, Encoding.UTF8.GetBytes(folder + "/queue"));
        if (error != Errno.OK)
            return error.ToString();
        var limits = names.Select(static n => Encoding.UTF8.GetString(n.Name)).Where(static n => !s_notLimits.Contains(n)).Order(StringComparer.Ordinal).ToList();
        foreach (string name in limits)
            c.Detail(name, Attribute(c.Task, folder, Encoding.UTF8.GetBytes("queue/" + name)));
        return $"ok {limits.Count} files";
    }

    /// <summary>A line without the end of line that ends it.</summary>
    private static string Attribute(IKernel task, string folder, ReadOnlySpan<byte> name)
    {
        var (content, problem) = Files.ReadAll(task, [.. Encoding.UTF8.GetBytes(folder + "/"), .. name]);
        return content is null ? problem : $"ok {Render.Text(Encoding.UTF8.GetString(content).TrimEnd('\n'))}";
    }

    private static string Partition(StepContext c, BlkpgOperation operation)
    {
        bool isDeletion = operation == BlkpgOperation.BLKPG_DEL_PARTITION;
        return Look(c, (c, fd) => Render.Of(c.Task.BlkPg(fd, operation, (int)c.Number(1), isDeletion ? 0 : c.Number(2), isDeletion ? 0 : c.Number(3))));
    }

    /// <summary>The path of a device: the word itself, or what the variable holds.</summary>
    internal static byte[] Device(StepContext c, int index)
    {
        var word = c.Step.Arguments[index];
        if (!word.IsQuoted && word.IsConstant && c.Run.Variables.TryGetValue(word.Text, out var value))
            return Encoding.UTF8.GetBytes(value);
        return c.Bytes(index);
    }

    private static string Look(StepContext c, Func<StepContext, Fd, string> action) => With(c, OpenFlags.O_RDONLY, action);

    private static string Change(StepContext c, Func<StepContext, Fd, string> action) => With(c, OpenFlags.O_RDWR, action);

    private static string With(StepContext c, OpenFlags flags, Func<StepContext, Fd, string> action)
    {
        byte[] device = Device(c, 0);
        if (c.IsFd(0) && device is not [(byte)'/', ..])
            return action(c, c.Fd(0));
        var opened = c.Task.OpenAt(Fd.Cwd, device, flags, Mode.None);
        if (!opened.IsOk)
            return $"{opened.Error} at open";
        string outcome = action(c, opened.Value);
        _ = c.Task.Close(opened.Value); // a device's close reports nothing
        return outcome;
    }

    private static string Limits(StepContext c, Fd fd)
    {
        var logical = c.Task.BlkSszGet(fd);
        if (!logical.IsOk)
            return Render.Of(logical.Error);
        return $"ok logical={logical.Value} physical={c.Task.BlkPbszGet(fd)} min={c.Task.BlkIoMin(fd)} best={c.Task.BlkIoOpt(fd)} alignment={c.Task.BlkAlignOff(fd)}";
    }
}
