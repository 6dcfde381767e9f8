using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Conformance.Running;

/// <summary>
/// The place where scenarios run, one after the other: a mount namespace of its own, and for each a fresh tmpfs as root with the machine's /dev and /proc bound in.
/// </summary>
/// <remarks>Everything is done by calls to the kernel under test, the same on all of them. The keeper stays outside the new root, so that it can clean up whatever actors did.</remarks>
internal sealed class Sandbox : IDisposable
{
    private static ReadOnlySpan<byte> Root => "/tmp/scenario"u8;

    private readonly IKernel _keeper;
    private readonly bool _onTask;

    private Sandbox(IKernel keeper, bool onTask)
    {
        _keeper = keeper;
        _onTask = onTask;
        Devices = new(keeper);
    }

    /// <summary>The task outside the new root, which cleans up.</summary>
    public IKernel Keeper => _keeper;

    /// <summary>Devices made by the scenario.</summary>
    public DeviceKeeper Devices { get; private set; }

    /// <summary>The kernel's log from the start of the scenario on; null where there is none.</summary>
    public LogReader? Log { get; private set; }

    /// <summary>Makes a sandbox in which no scenario runs yet; on failure says which call failed and how.</summary>
    /// <param name="kernel">The first task of the kernel.</param>
    /// <param name="onTask">True to make the calls on the keeper's own thread, as <see cref="ScenarioRunner.OnTask"/> says.</param>
    public static (Sandbox? Sandbox, string Problem) Create(IKernel kernel, bool onTask)
    {
        var sandbox = new Sandbox(kernel.Fork(), onTask);
        string problem = sandbox.OnKeeper(sandbox.MakeNamespace);
        if (problem.Length == 0)
            return (sandbox, "");
        sandbox.Dispose();
        return (null, problem);
    }

    /// <summary>Makes the root of a scenario; says which call failed and how, and nothing when all is well.</summary>
    public string Enter() => OnKeeper(MakeRoot);

    private string OnKeeper(Func<string> work)
    {
        if (!_onTask || _keeper is not IProgramHost host)
            return _keeper.RunFor(work);
        string result = "";
        host.Run(() => result = work());
        return result;
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

    private string MakeNamespace()
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
        Log = LogReader.Open(_keeper);
        return "";
    }

    private string MakeRoot()
    {
        Devices = new(_keeper);
        var error = _keeper.Mount("scenario"u8, Root, "tmpfs"u8, MountFlags.None, "mode=755"u8);
        if (error != Errno.OK)
            return $"mounting tmpfs on /tmp/scenario {error}";
        error = Bind("/dev"u8, MountFlags.MS_NOSUID);
        if (error != Errno.OK)
            return $"binding /dev {error}";
        error = Bind("/proc"u8, MountFlags.MS_NOSUID | MountFlags.MS_NODEV | MountFlags.MS_NOEXEC);
        if (error != Errno.OK)
            return $"binding /proc {error}";
        Log?.SkipToEnd();
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

    /// <summary>Fails the requests that mapped devices of the scenario hold, for those who wait for them.</summary>
    public void FailRequests() => _ = OnKeeper(() =>
    {
        Devices.FailRequests();
        return "";
    });

    /// <summary>Resumes what is suspended: who closes a file would wait for it.</summary>
    public void Wake() => _ = OnKeeper(() =>
    {
        Devices.Wake();
        return "";
    });

    /// <summary>Undoes what a scenario did, and says what could not be undone.</summary>
    public string CleanUp() => OnKeeper(RemoveAll);

    private string RemoveAll()
    {
        var problems = new List<string>();
        var error = _keeper.Umount(Root, UmountFlags.MNT_DETACH);
        if (error is not (Errno.OK or Errno.EINVAL)) // a scenario may have detached its own root
            problems.Add($"umount {error}");
        // What the scenario has mounted over its root had only covered it.
        while (error == Errno.OK)
            error = _keeper.Umount(Root, UmountFlags.MNT_DETACH);
        Devices.CleanUp(problems);
        return string.Join(", ", problems);
    }

    /// <inheritdoc/>
    public void Dispose() => _keeper.Dispose();
}
