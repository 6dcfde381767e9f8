using System.Text;
using DriverLab.Block;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.Emulator.Devices;

/// <summary>Opens block device nodes, and makes and removes them as disks come and go.</summary>
internal sealed class BlockDeviceOpener : IBlockDeviceOpener, IDiskObserver
{
    private readonly KernelState _kernel;

    public BlockDeviceOpener(KernelState kernel)
    {
        _kernel = kernel;
        kernel.Block.Devices.Observe(this);
    }

    public SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags)
    {
        var opened = BlockFile.Open(_kernel.Block.Devices, path.Inode.Rdev, flags);
        return opened.IsOk ? new BlockDeviceFile(path, flags, opened.Value, _kernel) : opened.Error;
    }

    public void DiskAdded(BlockDevice device) => _kernel.Devtmpfs.Add(device.Name, Mode.S_IFBLK | (Mode)0x180, device.Number);

    public void DiskRemoved(BlockDevice device) => _kernel.Devtmpfs.Remove(device.Name, device.Number);
}

/// <summary>An open block device: the VFS's side of <see cref="BlockFile"/>.</summary>
internal sealed class BlockDeviceFile(VfsPath path, OpenFlags flags, BlockFile file, KernelState kernel) : OpenFile(path, flags)
{
    public BlockFile File => file;

    public override bool SupportsDirect => true;

    private bool IsDirect => (Flags & OpenFlags.O_DIRECT) != 0;

    public override SysResult<int> Read(Caller caller, Span<byte> buffer, ref long position)
    {
        var result = file.Read(position, buffer, IsDirect);
        if (result.IsOk)
            position += result.Value;
        return result;
    }

    public override SysResult<int> Write(Caller caller, ReadOnlySpan<byte> data, ref long position)
    {
        var result = file.Write(position, data, IsDirect, (Flags & OpenFlags.O_DSYNC) != 0);
        if (result.IsOk)
            position += result.Value;
        return result;
    }

    public override SysResult<long> LSeek(Caller caller, long offset, SeekWhence whence)
    {
        var result = file.Seek(Position, offset, whence);
        if (result.IsOk)
            Position = result.Value;
        return result;
    }

    public override Errno Fsync(Caller caller, bool dataOnly) => file.Fsync();

    public override Errno Fallocate(Caller caller, FallocFlags mode, long offset, long length) => file.Fallocate(mode, offset, length);

    public override SysResult<int> Ioctl(Caller caller, uint request, Span<byte> argument) => file.Ioctl(request, argument, new TaskBlockCaller(caller, kernel));

    public override SysResult<int> Ioctl(Caller caller, uint request, long value) => file.Ioctl(request, value, new TaskBlockCaller(caller, kernel));

    protected override void Release() => file.Close();
}

/// <summary>A task, as block drivers see it.</summary>
internal sealed class TaskBlockCaller(Caller caller, KernelState kernel) : IBlockCaller
{
    public bool IsSysAdmin => caller.Credentials.Capable(Capabilities.CAP_SYS_ADMIN);

    public bool IsSysRawio => caller.Credentials.Capable(Capabilities.CAP_SYS_RAWIO);

    public SysResult<IBackingFile> GetFile(int fd)
    {
        if (caller.Files.Get(fd) is not { IsPath: false } file)
            return Errno.EBADF;
        file.Hold();
        return new BackingFile(file, caller.With(Credentials.Root), kernel);
    }

    public SysResult<DevT> LookupBlockDevice(ReadOnlySpan<byte> path)
    {
        var error = PathWalk.Lookup(caller, path, LookupFlags.LOOKUP_FOLLOW, out var place);
        if (error != Errno.OK)
            return error;
        if (place.Inode.Type != Mode.S_IFBLK)
            return Errno.ENOTBLK;
        return (place.Mount.Flags & MountFlags.MS_NODEV) != 0 ? Errno.EACCES : place.Inode.Rdev;
    }
}

/// <summary>An open file below a loop device.</summary>
internal sealed class BackingFile(OpenFile file, Caller caller, KernelState kernel) : IBackingFile
{
    private readonly BlockDeviceFile? _node = file as BlockDeviceFile;

    public bool IsRegular => file.Inode.IsRegular;
    public BlockDevice? Device => _node?.File.Device;
    public bool IsWritable => file.CanWrite;
    public bool IsDirect => (file.Flags & OpenFlags.O_DIRECT) != 0;
    public bool SupportsDirectIo => file.SupportsDirect;
    public bool SupportsFallocate => file.SupportsFallocate || _node is not null;
    public bool SupportsFsync => true;
    public BlockDevice? FileSystemDevice => kernel.Block.Devices.Find(file.Inode.Sb.Dev);
    public long Size => _node?.File.Size ?? file.Inode.Size;
    public uint FileSystemBlockSize => (uint)(kernel.Block.Quirks.LoopAsksSuperBlock ? file.Inode.Sb.OwnBlockSize : file.Inode.Sb.BlockSize);
    public DevT Dev => file.Inode.Sb.Dev;
    public ulong Ino => file.Inode.Ino;
    public DevT Rdev => file.Inode.Rdev;

    public SysResult<int> Read(long position, Span<byte> buffer) => file.ReadForKernel(caller, buffer, ref position);

    public SysResult<int> Write(long position, ReadOnlySpan<byte> data) => file.Write(caller, data, ref position);

    public Errno Fsync() => file.Fsync(caller, dataOnly: false);

    public Errno Fallocate(FallocFlags mode, long position, long length) => file.Fallocate(caller, mode, position, length);

    public void Release() => file.Put();

    /// <summary>The file's path as a task sees it.</summary>
    public string PathFor(Caller reader)
    {
        Span<byte> room = stackalloc byte[Limits.PATH_MAX];
        var printed = PathWalk.PrintHeld(file.Path, reader.Root, room);
        return printed.IsOk ? Encoding.UTF8.GetString(room[^printed.Value..]) : "";
    }
}
