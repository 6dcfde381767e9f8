using DriverLab.Linux.Abi;

namespace DriverLab.Linux.Tracing;

public sealed partial class TracingKernel
{
    /// <inheritdoc/>
    public SysResult<int> GetXattr(ReadOnlySpan<byte> path, ReadOnlySpan<byte> name, Span<byte> value, AtFlags flags)
    {
        Enter(_line.Begin("getxattr"u8).Path(path).Path(name).Number(value.Length).At(flags, false, false));
        return Leave(_inner.GetXattr(path, name, value, flags), value);
    }

    /// <inheritdoc/>
    public SysResult<int> FGetXattr(Fd fd, ReadOnlySpan<byte> name, Span<byte> value)
    {
        Enter(_line.Begin("fgetxattr"u8).Fd(fd).Path(name).Number(value.Length));
        return Leave(_inner.FGetXattr(fd, name, value), value);
    }

    /// <inheritdoc/>
    public Errno SetXattr(ReadOnlySpan<byte> path, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrFlags xattrFlags, AtFlags flags)
    {
        Enter(_line.Begin("setxattr"u8).Path(path).Path(name).Data(value).Flags(xattrFlags).At(flags, false, false));
        return Leave(_inner.SetXattr(path, name, value, xattrFlags, flags));
    }

    /// <inheritdoc/>
    public Errno FSetXattr(Fd fd, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrFlags xattrFlags)
    {
        Enter(_line.Begin("fsetxattr"u8).Fd(fd).Path(name).Data(value).Flags(xattrFlags));
        return Leave(_inner.FSetXattr(fd, name, value, xattrFlags));
    }

    /// <inheritdoc/>
    public SysResult<int> ListXattr(ReadOnlySpan<byte> path, Span<byte> names, AtFlags flags)
    {
        Enter(_line.Begin("listxattr"u8).Path(path).Number(names.Length).At(flags, false, false));
        return Leave(_inner.ListXattr(path, names, flags), names);
    }

    /// <inheritdoc/>
    public SysResult<int> FListXattr(Fd fd, Span<byte> names)
    {
        Enter(_line.Begin("flistxattr"u8).Fd(fd).Number(names.Length));
        return Leave(_inner.FListXattr(fd, names), names);
    }

    /// <inheritdoc/>
    public Errno RemoveXattr(ReadOnlySpan<byte> path, ReadOnlySpan<byte> name, AtFlags flags)
    {
        Enter(_line.Begin("removexattr"u8).Path(path).Path(name).At(flags, false, false));
        return Leave(_inner.RemoveXattr(path, name, flags));
    }

    /// <inheritdoc/>
    public Errno FRemoveXattr(Fd fd, ReadOnlySpan<byte> name)
    {
        Enter(_line.Begin("fremovexattr"u8).Fd(fd).Path(name));
        return Leave(_inner.FRemoveXattr(fd, name));
    }

    /// <inheritdoc/>
    public Errno Mount(ReadOnlySpan<byte> source, ReadOnlySpan<byte> target, ReadOnlySpan<byte> fileSystem, MountFlags flags, ReadOnlySpan<byte> data)
    {
        Enter(_line.Begin("mount"u8).Path(source).Path(target).Path(fileSystem).Flags(flags).Path(data));
        return Leave(_inner.Mount(source, target, fileSystem, flags, data));
    }

    /// <inheritdoc/>
    public Errno Umount(ReadOnlySpan<byte> target, UmountFlags flags)
    {
        Enter(_line.Begin("umount2"u8).Path(target).Flags(flags));
        return Leave(_inner.Umount(target, flags));
    }
}
