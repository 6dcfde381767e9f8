using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Native;

public sealed unsafe partial class NativeKernel
{
    /// <inheritdoc/>
    public SysResult<int> GetXattr(ReadOnlySpan<byte> path, ReadOnlySpan<byte> name, Span<byte> value, AtFlags flags)
    {
        fixed (byte* p = value)
            return Count(_task.Call(Pick(flags, Nr.Getxattr, Nr.Lgetxattr), CPath.Of(path, out CPath s1), CPath.Of(name, out CPath s2), (nint)p, value.Length));
    }

    /// <inheritdoc/>
    public SysResult<int> FGetXattr(Fd fd, ReadOnlySpan<byte> name, Span<byte> value)
    {
        fixed (byte* p = value)
            return Count(_task.Call(Nr.Fgetxattr, fd.Value, CPath.Of(name, out CPath s1), (nint)p, value.Length));
    }

    /// <inheritdoc/>
    public Errno SetXattr(ReadOnlySpan<byte> path, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrFlags xattrFlags, AtFlags flags)
    {
        fixed (byte* p = value)
            return Error(_task.Call(Pick(flags, Nr.Setxattr, Nr.Lsetxattr), CPath.Of(path, out CPath s1), CPath.Of(name, out CPath s2), (nint)p, value.Length, (nint)xattrFlags));
    }

    /// <inheritdoc/>
    public Errno FSetXattr(Fd fd, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrFlags xattrFlags)
    {
        fixed (byte* p = value)
            return Error(_task.Call(Nr.Fsetxattr, fd.Value, CPath.Of(name, out CPath s1), (nint)p, value.Length, (nint)xattrFlags));
    }

    /// <inheritdoc/>
    public SysResult<int> ListXattr(ReadOnlySpan<byte> path, Span<byte> names, AtFlags flags)
    {
        fixed (byte* p = names)
            return Count(_task.Call(Pick(flags, Nr.Listxattr, Nr.Llistxattr), CPath.Of(path, out CPath s1), (nint)p, names.Length));
    }

    /// <inheritdoc/>
    public SysResult<int> FListXattr(Fd fd, Span<byte> names)
    {
        fixed (byte* p = names)
            return Count(_task.Call(Nr.Flistxattr, fd.Value, (nint)p, names.Length));
    }

    /// <inheritdoc/>
    public Errno RemoveXattr(ReadOnlySpan<byte> path, ReadOnlySpan<byte> name, AtFlags flags)
        => Error(_task.Call(Pick(flags, Nr.Removexattr, Nr.Lremovexattr), CPath.Of(path, out CPath s1), CPath.Of(name, out CPath s2)));

    /// <inheritdoc/>
    public Errno FRemoveXattr(Fd fd, ReadOnlySpan<byte> name) => Error(_task.Call(Nr.Fremovexattr, fd.Value, CPath.Of(name, out CPath s1)));

    private static nint Pick(AtFlags flags, int follow, int noFollow) => (flags & AtFlags.AT_SYMLINK_NOFOLLOW) != 0 ? noFollow : follow;
}
