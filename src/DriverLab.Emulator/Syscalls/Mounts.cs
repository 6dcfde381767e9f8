using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.Emulator;

/// <summary>mount and umount2.</summary>
public partial class EmulatedTask
{
    /// <inheritdoc/>
    public Errno Mount(ReadOnlySpan<byte> source, ReadOnlySpan<byte> target, ReadOnlySpan<byte> fileSystem, MountFlags flags, ReadOnlySpan<byte> data) =>
        MountCalls.Mount(Caller, source, target, fileSystem, flags, data);

    /// <inheritdoc/>
    public Errno Umount(ReadOnlySpan<byte> target, UmountFlags flags) => MountCalls.Umount(Caller, target, flags);
}
