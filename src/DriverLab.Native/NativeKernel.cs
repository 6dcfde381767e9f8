using System.Runtime.CompilerServices;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Native;

/// <summary>The kernel of this machine (or of the guest this program runs in) as an <see cref="IKernel"/>: one object is one task, which is one thread, or a process where a thread cannot be what is wanted.</summary>
/// <remarks>
/// <para>Any thread may call; the call is executed on the task's own thread, and the caller waits. A whole program runs there with <see cref="Run(Action{IKernel})"/>,
/// whose calls cost no hand-over.</para>
/// <para>A path, a name or a mount option ends at its first NUL byte, as in C.</para>
/// </remarks>
public sealed unsafe partial class NativeKernel : IKernel, IProgramHost
{
    private readonly NativeTask _task;
    private readonly Lazy<KernelProfile> _profile;

    /// <summary>True when this task, or one that it was forked from or that was forked from it, has changed its root or its ids: the runtime's files may be out of its reach. Shared by them all.</summary>
    private readonly StrongBox<bool> _isElsewhere;

    private NativeKernel(NativeTask task, Lazy<KernelProfile> profile, StrongBox<bool> isElsewhere) => (_task, _profile, _isElsewhere) = (task, profile, isElsewhere);

    /// <summary>A new task with the ids, root, directory and name spaces of this process, and with descriptors 0, 1 and 2 only; what the runtime needs is far above them.</summary>
    /// <exception cref="PlatformNotSupportedException">This is not Linux on x86-64.</exception>
    public static NativeKernel NewTask() => NewTask(new NativeTaskOptions());

    /// <inheritdoc cref="NewTask()"/>
    public static NativeKernel NewTask(NativeTaskOptions options)
    {
        if (!OperatingSystem.IsLinux() || System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture != System.Runtime.InteropServices.Architecture.X64)
            throw new PlatformNotSupportedException("NativeKernel makes system calls of Linux on x86-64.");
        var profile = options.Profile is { } given ? new Lazy<KernelProfile>(given) : new Lazy<KernelProfile>(HostProfile.Read);
        return new NativeKernel(new TaskThread(RuntimeDescriptors.Kept(), options.KeepDescriptor, !options.SharesProcessors), profile, new StrongBox<bool>());
    }

    /// <summary>Lets the runtime open what it keeps open, at numbers that no task uses. A program that is compiled ahead of time says so first of all; a first task does it otherwise, when it may be too late.</summary>
    public static void Prepare() => RuntimeDescriptors.Settle();

    /// <inheritdoc/>
    public KernelProfile Profile => _profile.Value;

    /// <summary>The kernel's id of the task's thread (gettid).</summary>
    public int ThreadId => _task.Tid;

    /// <summary>Runs a program on the task's own thread and waits for it; its calls go to the kernel directly. An exception reaches the caller.</summary>
    /// <remarks>
    /// The thread's descriptor table and root are the task's: the program must not open files, pipes or processes through .NET. A program that changes its root
    /// should be compiled ahead of time, since a just-in-time runtime looks for its assemblies in whatever root the thread has.
    /// </remarks>
    public void Run(Action<IKernel> program) => _task.Run(() => program(this));

    /// <inheritdoc/>
    void IProgramHost.Run(Action program) => _task.Run(program);

    /// <inheritdoc cref="Run(Action{IKernel})"/>
    public T Run<T>(Func<IKernel, T> program)
    {
        T result = default!;
        _task.Run(() => result = program(this));
        return result;
    }

    /// <inheritdoc/>
    /// <remarks>Under a just-in-time compiler the code of a task that has changed its root or its ids stays on the caller's thread: the runtime would look there, or as them, for its assemblies.</remarks>
    public void Run(Action program)
    {
        if (RuntimeFeature.IsDynamicCodeCompiled && _isElsewhere.Value)
            program();
        else
            _task.Run(program);
    }

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">The task is a process in a user name space: no signal can reach it.</exception>
    public IBackgroundCall Begin(Action program)
    {
        if (_task is not TaskThread thread)
            throw new NotSupportedException("A task in a user name space makes no calls in the background.");
        var call = new BackgroundCall(thread, () => Run(program));
        _ = call.Settle(patiently: true);
        return call;
    }

    /// <inheritdoc/>
    public void Outside(Action code) => _task.Outside(code);

    /// <inheritdoc/>
    public IKernel Fork() => new NativeKernel(_task.Fork(), _profile, _isElsewhere);

    /// <inheritdoc/>
    public void Dispose()
    {
        UnmapAll();
        _task.End();
    }

    /// <inheritdoc/>
    public Errno SetIds(in UserIds ids)
    {
        _isElsewhere.Value = true;
        fixed (uint* groups = ids.Groups.Span)
        {
            nint error = _task.Call(Nr.Setgroups, ids.Groups.Length, (nint)groups);
            if (error == 0)
                error = _task.Call(Nr.Setresgid, (nint)ids.Gid, (nint)ids.Gid, (nint)ids.Gid);
            if (error == 0)
                error = _task.Call(Nr.Setresuid, (nint)ids.Uid, (nint)ids.Uid, (nint)ids.Uid);
            _task.IdsChanged();
            return Error(error);
        }
    }

    /// <inheritdoc/>
    public Mode Umask(Mode mask) => (Mode)_task.Call(Nr.Umask, (nint)mask);

    /// <inheritdoc/>
    public Errno Unshare(CloneFlags flags) => Error(_task.Call(Nr.Unshare, (nint)flags));

    /// <inheritdoc/>
    public Errno Chdir(ReadOnlySpan<byte> path) => Error(_task.Call(Nr.Chdir, CPath.Of(path, out CPath s1)));

    /// <inheritdoc/>
    public Errno Fchdir(Fd fd) => Error(_task.Call(Nr.Fchdir, fd.Value));

    /// <inheritdoc/>
    public Errno Chroot(ReadOnlySpan<byte> path)
    {
        _isElsewhere.Value = true;
        return Error(_task.Call(Nr.Chroot, CPath.Of(path, out CPath s1)));
    }

    /// <inheritdoc/>
    public SysResult<int> GetCwd(Span<byte> buffer)
    {
        fixed (byte* p = buffer)
        {
            nint result = _task.Call(Nr.Getcwd, (nint)p, buffer.Length);
            return result < 0 ? Error(result) : (int)result - 1;
        }
    }

    /// <inheritdoc/>
    public long ClockGetTimeNs(ClockId clock)
    {
        Timespec time = default;
        _ = _task.Call(Nr.ClockGettime, (nint)clock, (nint)(&time));
        return time.TotalNs;
    }

    /// <inheritdoc/>
    public void Sleep(long nanoseconds)
    {
        var rest = Timespec.FromNs(Math.Max(0, nanoseconds));
        while (_task.Call(Nr.Nanosleep, (nint)(&rest), (nint)(&rest)) == -(nint)Errno.EINTR)
        {
        }
    }

    private static Errno Error(nint result) => result < 0 ? (Errno)(-result) : Errno.OK;

    private static SysResult<int> Count(nint result) => result < 0 ? (Errno)(-result) : (int)result;
}

/// <summary>How a first task is made.</summary>
public sealed record NativeTaskOptions
{
    /// <summary>A descriptor of the process that stays open, at its number, in the task's table (and in those of its forks); -1 for none. For a program that reports over it.</summary>
    public int KeepDescriptor { get; init; } = -1;

    /// <summary>The kernel's profile; null to read it from uname(2) and the configuration that the machine shows.</summary>
    public KernelProfile? Profile { get; init; }

    /// <summary>Others want the processors too: a call that is handed to another task, or an answer, is waited for asleep from the start, which costs the one that waits more and the others less.</summary>
    public bool SharesProcessors { get; init; }
}
