using DriverLab.Linux;
using DriverLab.Vfs;

namespace DriverLab.Emulator;

/// <summary>User name spaces.</summary>
public partial class EmulatedTask
{
    /// <inheritdoc/>
    public SysResult<Fd> UserNamespace(in UserMaps maps)
    {
        var error = Make(maps, out var space);
        return error != Errno.OK ? error : Install(UserNamespaceFile.Open(State.Core, space));
    }

    /// <inheritdoc/>
    public Errno ForkInUserNamespace(in UserMaps maps, out IKernel? task)
    {
        task = null;
        var error = Make(maps, out var space);
        if (error != Errno.OK)
            return error;
        var made = (EmulatedTask)Fork();
        made.Caller.Credentials = Caller.Credentials.In(space);
        made.CopyMounts(space);
        task = made;
        return Errno.OK;
    }

    private Errno Make(in UserMaps maps, out UserNamespace space)
    {
        if (!Caller.Credentials.Space.IsInitial)
            throw new NotModelledException("a user name space within another");
        var error = Vfs.UserNamespace.Make(Caller.Credentials, maps, out space);
        var missing = Lookup(Fd.Cwd, "/proc/thread-self/ns/user"u8, LookupFlags.LOOKUP_FOLLOW, out _);
        if (missing != Errno.OK)
            return missing;
        return Caller.Credentials.Capable(Capabilities.CAP_SYS_ADMIN | Capabilities.CAP_SYS_CHROOT) ? error : Errno.EPERM;
    }
}
