using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Conformance.Running;

/// <summary>The place where a scenario runs: a mount namespace of its own, a fresh tmpfs as root, the machine's /dev and /proc bound in.</summary>
/// <remarks>Everything is done by calls to the kernel under test, the same on all of them. The keeper stays outside the new root, so that it can clean up whatever actors did.</remarks>
internal sealed class Sandbox : IDisposable
{
    private static ReadOnlySpan<byte> Root => "/tmp/scenario"u8;

    private readonly IKernel _keeper;
    private readonly DeviceKeeper _devices;

    private Sandbox(IKernel keeper)
    {
        _keeper = keeper;
        _devices = new(keeper);
    }

    /// <summary>The task outside the new root, which cleans up.</summary>
    public IKernel Keeper => _keeper;

    /// <summary>Devices made by the scenario.</summary>
    public DeviceKeeper Devices => _devices;

    /// <summary>The kernel's log from the start of the scenario on; null where there is none.</summary>
    public LogReader? Log { get; private set; }

    /// <summary>Makes the sandbox; on failure says which call failed and how.</summary>
    public static (Sandbox? Sandbox, string Problem) Create(IKernel kernel)
    {
        var keeper = kernel.Fork();
        var sandbox = new Sandbox(keeper);
        string problem = sandbox.Prepare();
        if (problem.Length == 0)
            return (sandbox, "");
        sandbox.Dispose();
        return (null, problem);
    }

    /// <summary>A new task inside, in the root directory, with umask 022.</summary>
    public (IKernel? Task, string Problem) NewTask()
    {
        var task = _keeper.Fork();
        var error = task.Chroot(Root);
        if (error == Errno.OK)
            error = task.Chdir("/"u8);
        _ = task.Umask((Mode)0x12); // 022; the old mask is of no interest
        if (error == Errno.OK)
            return (task, "");
        task.Dispose();
        return (null, $"chroot {error}");
    }

    private string Prepare()
    {
        var error = _keeper.Unshare(CloneFlags.CLONE_NEWNS);
        if (error != Errno.OK)
            return $"unshare(CLONE_NEWNS) {error} (the runner must be root)";
        error = _keeper.Mount("none"u8, "/"u8, default, MountFlags.MS_REC | MountFlags.MS_PRIVATE, default);
        if (error != Errno.OK)
            return $"making / private {error}";
        error = _keeper.MkdirAt(Fd.Cwd, Root, (Mode)0x1ed);
        if (error is not (Errno.OK or Errno.EEXIST))
            return $"mkdir /tmp/scenario {error}";
        error = _keeper.Mount("scenario"u8, Root, "tmpfs"u8, MountFlags.None, "mode=755"u8);
        if (error != Errno.OK)
            return $"mounting tmpfs on /tmp/scenario {error}";
        error = Bind("/dev"u8, MountFlags.MS_NOSUID);
        if (error != Errno.OK)
            return $"binding /dev {error}";
        error = Bind("/proc"u8, MountFlags.MS_NOSUID | MountFlags.MS_NODEV | MountFlags.MS_NOEXEC);
        if (error != Errno.OK)
            return $"binding /proc {error}";
        Log = LogReader.Open(_keeper);
        return "";
    }

    /// <summary>Shows a folder of the machine inside, with the same rules everywhere: machines mount theirs with flags of their own.</summary>
    private Errno Bind(ReadOnlySpan<byte> source, MountFlags flags)
    {
        byte[] target = [.. Root, .. source];
        var error = _keeper.MkdirAt(Fd.Cwd, target, (Mode)0x1ed);
        if (error == Errno.OK)
            error = _keeper.Mount(source, target, default, MountFlags.MS_BIND, default);
        return error != Errno.OK ? error : _keeper.Mount("none"u8, target, default, MountFlags.MS_REMOUNT | MountFlags.MS_BIND | MountFlags.MS_RELATIME | flags, default);
    }

    /// <summary>Undoes everything, and says what could not be undone.</summary>
    public string CleanUp()
    {
        var problems = new List<string>();
        Log?.Dispose();
        Log = null;
        var error = _keeper.Umount(Root, UmountFlags.MNT_DETACH);
        if (error != Errno.OK)
            problems.Add($"umount {error}");
        _devices.CleanUp(problems);
        return string.Join(", ", problems);
    }

    /// <inheritdoc/>
    public void Dispose() => _keeper.Dispose();
}
