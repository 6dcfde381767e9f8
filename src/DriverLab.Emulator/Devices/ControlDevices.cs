using DriverLab.Block.Devices;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.Emulator.Devices;

/// <summary>/dev/loop-control.</summary>
internal sealed class LoopControlDevice(LoopControl control) : CharDevice
{
    public override string Name => "loop-control";

    public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags) => new ControlFile(path, flags, control);

    private sealed class ControlFile(VfsPath path, OpenFlags flags, LoopControl control) : OpenFile(path, flags)
    {
        public override SysResult<long> LSeek(Caller caller, long offset, SeekWhence whence) => Position;

        public override SysResult<int> Ioctl(Caller caller, uint request, long value) => control.Ioctl(request, value);

        public override SysResult<int> Ioctl(Caller caller, uint request, Span<byte> argument) => control.Ioctl(request, 0);
    }
}

/// <summary>/dev/mapper/control.</summary>
internal sealed class DmControlDevice(DeviceMapper.DmControl control, KernelState kernel) : CharDevice
{
    public override string Name => "mapper/control";

    public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags) => new ControlFile(path, flags, control, kernel);

    private sealed class ControlFile(VfsPath path, OpenFlags flags, DeviceMapper.DmControl control, KernelState kernel) : OpenFile(path, flags)
    {
        public override SysResult<long> LSeek(Caller caller, long offset, SeekWhence whence) => Position;

        public override SysResult<int> Ioctl(Caller caller, uint request, long value) => Ioctl(caller, request, []); // a number is no address of a structure

        public override SysResult<int> Ioctl(Caller caller, uint request, Span<byte> argument) => control.Ioctl(request, argument, new TaskBlockCaller(caller, kernel));
    }
}
