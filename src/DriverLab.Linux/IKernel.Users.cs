namespace DriverLab.Linux;

/// <content>User name spaces.</content>
public partial interface IKernel
{
    /// <summary>A new user name space that no task lives in, as a descriptor of /proc/PID/ns/user: what mount_setattr(2) takes for MOUNT_ATTR_IDMAP.</summary>
    /// <returns>ENOENT (no /proc), EPERM (CAP_SYS_ADMIN and CAP_SYS_CHROOT), EINVAL (an extent of no ids, or two that overlap).</returns>
    SysResult<Fd> UserNamespace(in UserMaps maps);

    /// <summary>A new task as <see cref="Fork"/> makes one, but a process of its own: in a new user name space, where it has every capability, and with a copy of the mount name space that belongs to
    /// that one. Its ids stay who made it until <see cref="SetIds"/>, whatever they are called in there.</summary>
    /// <returns>As <see cref="UserNamespace"/>.</returns>
    Errno ForkInUserNamespace(in UserMaps maps, out IKernel? task);
}
