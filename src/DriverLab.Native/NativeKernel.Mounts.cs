using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Native;

public sealed unsafe partial class NativeKernel
{
    /// <inheritdoc/>
    public Errno Mount(ReadOnlySpan<byte> source, ReadOnlySpan<byte> target, ReadOnlySpan<byte> fileSystem, MountFlags flags, ReadOnlySpan<byte> data)
    {
        // Empty type and data are passed as null, as programs do for bind mounts and remounts.
        nint type = CPath.Of(fileSystem, out CPath s1), options = CPath.Of(data, out CPath s2);
        return Error(_task.Call(Nr.Mount, CPath.Of(source, out CPath s3), CPath.Of(target, out CPath s4), fileSystem.IsEmpty ? 0 : type, (nint)flags, data.IsEmpty ? 0 : options));
    }

    /// <inheritdoc/>
    public Errno Umount(ReadOnlySpan<byte> target, UmountFlags flags) => Error(_task.Call(Nr.Umount2, CPath.Of(target, out CPath s1), (nint)flags));
}
