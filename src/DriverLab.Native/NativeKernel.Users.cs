using System.Text;
using DriverLab.Linux;

namespace DriverLab.Native;

public sealed unsafe partial class NativeKernel
{
    /// <inheritdoc/>
    public SysResult<Fd> UserNamespace(in UserMaps maps)
    {
        const int cwd = -100, closeOnExec = 0x80000;
        var started = UserProcess.Start(_task, maps, 0);
        if (!started.IsOk)
            return started.Error;
        nint fd;
        fixed (byte* path = Encoding.ASCII.GetBytes($"/proc/{started.Value.Tid}/ns/user\0"))
            fd = _task.Call(Nr.Openat, cwd, (nint)path, closeOnExec);
        started.Value.End();
        return NewFd(fd);
    }

    /// <inheritdoc/>
    public Errno ForkInUserNamespace(in UserMaps maps, out IKernel? task)
    {
        var started = UserProcess.Start(_task, maps, TaskProcess.NewNs);
        task = started.IsOk ? new NativeKernel(started.Value, _profile, _isElsewhere) : null;
        return started.Error;
    }
}
