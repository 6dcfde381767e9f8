using DriverLab.Linux.Abi;

namespace DriverLab.Linux.Tracing;

/// <summary>A kernel that tells each call to a sink, before and after it is made, in one canonical line like strace's.</summary>
/// <remarks>The lines say the same for every kernel: descriptors as numbers, no addresses, at most 32 bytes of data. Forks report to the same sink with numbers of their own.</remarks>
public sealed partial class TracingKernel : IKernel
{
    private readonly IKernel _inner;
    private readonly ITraceSink _sink;
    private readonly Numbering _numbering;
    private readonly TraceLine _line = new();
    private readonly int _task;

    /// <summary>Traces the calls of this task and of its forks.</summary>
    public TracingKernel(IKernel inner, ITraceSink sink) : this(inner, sink, new Numbering()) { }

    private TracingKernel(IKernel inner, ITraceSink sink, Numbering numbering)
    {
        (_inner, _sink, _numbering) = (inner, sink, numbering);
        _task = ++numbering.Last;
    }

    /// <inheritdoc/>
    public KernelProfile Profile => _inner.Profile;

    /// <inheritdoc/>
    public void Run(Action program) => _inner.Run(program);

    /// <inheritdoc/>
    public IBackgroundCall Begin(Action program) => _inner.Begin(program);

    /// <inheritdoc/>
    public void Outside(Action code) => _inner.Outside(code);

    /// <inheritdoc/>
    public IKernel Fork()
    {
        Enter(_line.Begin("fork"u8));
        var child = new TracingKernel(_inner.Fork(), _sink, _numbering);
        _ = Leave(child._task);
        return child;
    }

    /// <inheritdoc/>
    public SysResult<Fd> UserNamespace(in UserMaps maps)
    {
        Enter(Extents(_line.Begin("userns"u8), maps));
        return Leave(_inner.UserNamespace(in maps));
    }

    /// <inheritdoc/>
    public Errno ForkInUserNamespace(in UserMaps maps, out IKernel? task)
    {
        Enter(Extents(_line.Begin("fork"u8), maps));
        var error = _inner.ForkInUserNamespace(in maps, out task);
        if (task is null)
            return Leave(error);
        var child = new TracingKernel(task, _sink, _numbering);
        task = child;
        _ = Leave(child._task);
        return error;
    }

    private static TraceLine Extents(TraceLine line, in UserMaps maps)
    {
        foreach (var part in (ReadOnlySpan<ReadOnlyMemory<IdMapExtent>>)[maps.Uids, maps.Gids])
        {
            foreach (var extent in part.Span)
                _ = line.Number(extent.Inside).Number(extent.Outside).Number(extent.Count);
        }
        return line;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Enter(_line.Begin("exit"u8));
        _inner.Dispose();
        _ = Leave(Errno.OK);
    }

    /// <inheritdoc/>
    public Errno SetIds(in UserIds ids)
    {
        var line = _line.Begin("setids"u8).Number(ids.Uid).Number(ids.Gid);
        foreach (uint group in ids.Groups.Span)
            _ = line.Number(group);
        Enter(line);
        return Leave(_inner.SetIds(in ids));
    }

    /// <inheritdoc/>
    public Mode Umask(Mode mask)
    {
        Enter(_line.Begin("umask"u8).Mode(mask));
        var before = _inner.Umask(mask);
        _sink.After(_task, _line.Raw(" = 0"u8).Raw(System.Text.Encoding.ASCII.GetBytes(Convert.ToString((int)before, 8))).Text);
        return before;
    }

    /// <inheritdoc/>
    public Errno Unshare(CloneFlags flags)
    {
        Enter(_line.Begin("unshare"u8).Flags(flags));
        return Leave(_inner.Unshare(flags));
    }

    /// <inheritdoc/>
    public Errno Chdir(ReadOnlySpan<byte> path)
    {
        Enter(_line.Begin("chdir"u8).Path(path));
        return Leave(_inner.Chdir(path));
    }

    /// <inheritdoc/>
    public Errno Fchdir(Fd fd)
    {
        Enter(_line.Begin("fchdir"u8).Fd(fd));
        return Leave(_inner.Fchdir(fd));
    }

    /// <inheritdoc/>
    public Errno Chroot(ReadOnlySpan<byte> path)
    {
        Enter(_line.Begin("chroot"u8).Path(path));
        return Leave(_inner.Chroot(path));
    }

    /// <inheritdoc/>
    public SysResult<int> GetCwd(Span<byte> buffer)
    {
        Enter(_line.Begin("getcwd"u8).Number(buffer.Length));
        return Leave(_inner.GetCwd(buffer), buffer);
    }

    /// <inheritdoc/>
    public void Sync()
    {
        Enter(_line.Begin("sync"u8));
        _inner.Sync();
        _ = Leave(Errno.OK);
    }

    /// <inheritdoc/>
    public SysResult<OpenFlags> GetStatusFlags(Fd fd)
    {
        Enter(_line.Begin("fcntl(F_GETFL)"u8).Fd(fd));
        var result = _inner.GetStatusFlags(fd);
        _sink.After(_task, (result.IsOk ? _line.ResultFlags(result.Value) : _line.Result(result.Error)).Text);
        return result;
    }

    /// <inheritdoc/>
    public Errno Statx(Fd directory, ReadOnlySpan<byte> path, AtFlags flags, StatxMask mask, out Statx result)
    {
        Enter(_line.Begin("statx"u8).Fd(directory).Path(path).At(flags, false, false).Flags(mask));
        var error = _inner.Statx(directory, path, flags, mask, out result);
        _ = _line.Result(error);
        if (error == Errno.OK)
            _ = _line.Raw(" {"u8).Raw(System.Text.Encoding.ASCII.GetBytes($"mode=0{Convert.ToString((int)result.Mode, 8)}, nlink={result.Nlink}, uid={result.Uid}, gid={result.Gid}, size={result.Size}}}"));
        _sink.After(_task, _line.Text);
        return error;
    }

    /// <inheritdoc/>
    public Errno StatFs(ReadOnlySpan<byte> path, out StatFs result)
    {
        Enter(_line.Begin("statfs"u8).Path(path));
        return Leave(_inner.StatFs(path, out result));
    }

    /// <inheritdoc/>
    public Errno FStatFs(Fd fd, out StatFs result)
    {
        Enter(_line.Begin("fstatfs"u8).Fd(fd));
        return Leave(_inner.FStatFs(fd, out result));
    }

    /// <inheritdoc/>
    public long ClockGetTimeNs(ClockId clock) => _inner.ClockGetTimeNs(clock);

    /// <inheritdoc/>
    public void Sleep(long nanoseconds)
    {
        Enter(_line.Begin("nanosleep"u8).Number(nanoseconds));
        _inner.Sleep(nanoseconds);
        _ = Leave(Errno.OK);
    }

    private void Enter(TraceLine line) => _sink.Before(_task, line.End().Text);

    private Errno Leave(Errno error)
    {
        _sink.After(_task, _line.Result(error).Text);
        return error;
    }

    private int Leave(int value)
    {
        _sink.After(_task, _line.Result(value).Text);
        return value;
    }

    private SysResult<int> Leave(SysResult<int> result)
    {
        _sink.After(_task, (result.IsOk ? _line.Result(result.Value) : _line.Result(result.Error)).Text);
        return result;
    }

    private SysResult<long> Leave(SysResult<long> result)
    {
        _sink.After(_task, (result.IsOk ? _line.Result(result.Value) : _line.Result(result.Error)).Text);
        return result;
    }

    private SysResult<Fd> Leave(SysResult<Fd> result)
    {
        _sink.After(_task, (result.IsOk ? _line.Result(result.Value.Value) : _line.Result(result.Error)).Text);
        return result;
    }

    /// <summary>A call that filled a buffer: the bytes follow the count.</summary>
    private SysResult<int> Leave(SysResult<int> result, ReadOnlySpan<byte> buffer)
    {
        _ = result.IsOk ? _line.Result(result.Value) : _line.Result(result.Error);
        if (result.IsOk && result.Value > 0 && result.Value <= buffer.Length)
            _ = _line.Output(buffer[..result.Value]);
        _sink.After(_task, _line.Text);
        return result;
    }

    private sealed class Numbering
    {
        internal int Last;
    }
}
