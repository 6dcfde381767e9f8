using DriverLab.Linux.Abi;

namespace DriverLab.Linux.Tracing;

public sealed partial class TracingKernel
{
    /// <inheritdoc/>
    public Errno PivotRoot(ReadOnlySpan<byte> newRoot, ReadOnlySpan<byte> putOld)
    {
        Enter(_line.Begin("pivot_root"u8).Path(newRoot).Path(putOld));
        return Leave(_inner.PivotRoot(newRoot, putOld));
    }

    /// <inheritdoc/>
    public SysResult<Fd> FsOpen(ReadOnlySpan<byte> fileSystem, FsOpenFlags flags)
    {
        Enter(_line.Begin("fsopen"u8).Path(fileSystem).Flags(flags));
        return Leave(_inner.FsOpen(fileSystem, flags));
    }

    /// <inheritdoc/>
    public SysResult<Fd> FsPick(Fd directory, ReadOnlySpan<byte> path, FsPickFlags flags)
    {
        Enter(_line.Begin("fspick"u8).Fd(directory).Path(path).Flags(flags));
        return Leave(_inner.FsPick(directory, path, flags));
    }

    /// <inheritdoc/>
    public Errno FsConfig(Fd fd, FsConfigCommand command, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, int aux)
    {
        Enter(_line.Begin("fsconfig"u8).Fd(fd).Flags(command).Path(key).Path(value).Number(aux));
        return Leave(_inner.FsConfig(fd, command, key, value, aux));
    }

    /// <inheritdoc/>
    public SysResult<Fd> FsMount(Fd fd, FsMountFlags flags, MountAttributes attributes)
    {
        Enter(_line.Begin("fsmount"u8).Fd(fd).Flags(flags).Flags(attributes));
        return Leave(_inner.FsMount(fd, flags, attributes));
    }

    /// <inheritdoc/>
    public Errno MoveMount(Fd fromDirectory, ReadOnlySpan<byte> fromPath, Fd toDirectory, ReadOnlySpan<byte> toPath, MoveMountFlags flags)
    {
        Enter(_line.Begin("move_mount"u8).Fd(fromDirectory).Path(fromPath).Fd(toDirectory).Path(toPath).Flags(flags));
        return Leave(_inner.MoveMount(fromDirectory, fromPath, toDirectory, toPath, flags));
    }

    /// <inheritdoc/>
    public SysResult<Fd> OpenTree(Fd directory, ReadOnlySpan<byte> path, OpenTreeFlags flags)
    {
        Enter(_line.Begin("open_tree"u8).Fd(directory).Path(path).Flags(flags));
        return Leave(_inner.OpenTree(directory, path, flags));
    }

    /// <inheritdoc/>
    public Errno MountSetattr(Fd directory, ReadOnlySpan<byte> path, AtFlags flags, in MountAttr attributes)
    {
        Enter(_line.Begin("mount_setattr"u8).Fd(directory).Path(path).At(flags, false, false).Flags(attributes.Set).Flags(attributes.Clear).Number((long)attributes.Propagation));
        return Leave(_inner.MountSetattr(directory, path, flags, in attributes));
    }
}
