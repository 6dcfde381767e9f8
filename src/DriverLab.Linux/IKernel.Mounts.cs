using DriverLab.Linux.Abi;

namespace DriverLab.Linux;

/// <content>pivot_root and the mount calls by descriptors.</content>
public partial interface IKernel
{
    /// <summary>pivot_root(2).</summary>
    /// <returns>EPERM, (walk of the new root), ENOTDIR, (walk of the place for the old), ENOTDIR, ENOENT (removed place), EINVAL (shared mounts, mounts of another namespace), ENOENT (removed new
    /// root), EBUSY (either is on the current root's mount), EINVAL (the current or new root is no mount point, old not below new, new not below the current root).</returns>
    Errno PivotRoot(ReadOnlySpan<byte> newRoot, ReadOnlySpan<byte> putOld);

    /// <summary>fsopen(2): a context in which a file system instance is described. read(2) of it gives one message of the kernel at a time, ENODATA when there is none.</summary>
    /// <returns>EPERM, EINVAL (flags), ENODEV (unknown type), EMFILE.</returns>
    SysResult<Fd> FsOpen(ReadOnlySpan<byte> fileSystem, FsOpenFlags flags);

    /// <summary>fspick(2): a context for changing an instance that is mounted.</summary>
    /// <returns>EPERM, EINVAL (flags), (walk), EINVAL (not a mount point), EMFILE.</returns>
    SysResult<Fd> FsPick(Fd directory, ReadOnlySpan<byte> path, FsPickFlags flags);

    /// <summary>fsconfig(2).</summary>
    /// <param name="fd">The context.</param>
    /// <param name="command">What to do.</param>
    /// <param name="key">Name of a parameter; empty stands for none.</param>
    /// <param name="value">A text, a path or bytes; empty stands for an empty value.</param>
    /// <param name="aux">Directory of a path, descriptor, or length of bytes.</param>
    /// <returns>EINVAL (descriptor below 0, arguments that the command does not take), EOPNOTSUPP (command), EBADF, EINVAL (no context), EBUSY (wrong phase), then what the file system says of the parameter, or of the mount.</returns>
    Errno FsConfig(Fd fd, FsConfigCommand command, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, int aux);

    /// <summary>fsmount(2): a mount of the context's instance that hangs nowhere; its descriptor is like one of O_PATH.</summary>
    /// <returns>EPERM, EINVAL (flags, attributes), EBADF, EINVAL (no context, or not created), EBUSY (wrong phase), EMFILE.</returns>
    SysResult<Fd> FsMount(Fd fd, FsMountFlags flags, MountAttributes attributes);

    /// <summary>move_mount(2): hangs a detached mount, or moves an attached one.</summary>
    /// <returns>EPERM, EINVAL (flags), (walk from), (walk to), then as mount(2) with MS_MOVE.</returns>
    Errno MoveMount(Fd fromDirectory, ReadOnlySpan<byte> fromPath, Fd toDirectory, ReadOnlySpan<byte> toPath, MoveMountFlags flags);

    /// <summary>open_tree(2): a place, or with OPEN_TREE_CLONE a detached copy of the mounts there.</summary>
    /// <returns>EINVAL (flags), EPERM (clone), EMFILE, (walk), EINVAL (not mounted here, unbindable).</returns>
    SysResult<Fd> OpenTree(Fd directory, ReadOnlySpan<byte> path, OpenTreeFlags flags);

    /// <summary>mount_setattr(2), 5.12; AT_RECURSIVE changes all mounts below or none.</summary>
    /// <returns>EINVAL (flags), EPERM, EINVAL (attributes, propagation), (walk), EINVAL (not a mount point), EBUSY (open for writing), ENOSYS.</returns>
    Errno MountSetattr(Fd directory, ReadOnlySpan<byte> path, AtFlags flags, in MountAttr attributes);
}
