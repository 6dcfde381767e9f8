using System.Runtime.InteropServices;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.Emulator;

/// <summary>open, close, read, write, seek and the like.</summary>
public partial class EmulatedTask
{
    /// <inheritdoc/>
    public SysResult<Fd> OpenAt(Fd directory, ReadOnlySpan<byte> path, OpenFlags flags, Mode mode)
    {
        var error = PathOpen.CheckFlags(Quirks, ref flags);
        if (error != Errno.OK)
            return error;
        error = PathWalk.CheckName(path, LookupFlags.None);
        if (error != Errno.OK)
            return error;
        var fd = Caller.Files.LowestFree();
        if (!fd.IsOk)
            return fd.Error;
        error = Start(directory, path, LookupFlags.None, out var start);
        if (error != Errno.OK)
            return error;
        var opened = PathOpen.Open(Caller, start, path, flags, mode);
        if (!opened.IsOk)
            return opened.Error;
        Caller.Files.Install(fd.Value, opened.Value);
        Files.NotifyOpen(opened.Value);
        return new Fd(fd.Value);
    }

    /// <inheritdoc/>
    public Errno Close(Fd fd)
    {
        State.Core.EndCall();
        if (Caller.Files.Remove(fd.Value) is not { } file)
            return Errno.EBADF;
        var error = file.IsPath ? Errno.OK : file.Flush(Caller);
        if (!file.IsPath)
            Locks.Closing(Caller, file);
        file.Put();
        return error;
    }

    /// <inheritdoc/>
    public SysResult<Fd> Dup(Fd fd)
    {
        if (Caller.Files.Get(fd.Value) is not { } file)
            return Errno.EBADF;
        var free = Caller.Files.LowestFree();
        if (!free.IsOk)
            return free.Error;
        file.Hold();
        Caller.Files.Install(free.Value, file);
        return new Fd(free.Value);
    }

    /// <inheritdoc/>
    public SysResult<int> Read(Fd fd, Span<byte> buffer)
    {
        if (FileOf(fd) is not { } file)
            return Errno.EBADF;
        long position = file.Position;
        var result = Files.VfsRead(Caller, file, buffer, ref position);
        if (result.IsOk)
            file.Position = position;
        return result;
    }

    /// <inheritdoc/>
    public SysResult<int> Write(Fd fd, ReadOnlySpan<byte> data)
    {
        if (FileOf(fd) is not { } file)
            return Errno.EBADF;
        long position = file.Position;
        var result = Files.VfsWrite(Caller, file, data, ref position);
        if (result.IsOk)
            file.Position = position;
        return result;
    }

    /// <inheritdoc/>
    public SysResult<int> PRead(Fd fd, Span<byte> buffer, long offset)
    {
        if (offset < 0)
            return Errno.EINVAL;
        if (FileOf(fd) is not { } file)
            return Errno.EBADF;
        return file.IsSeekable ? Files.VfsRead(Caller, file, buffer, ref offset) : Errno.ESPIPE;
    }

    /// <inheritdoc/>
    public SysResult<int> PWrite(Fd fd, ReadOnlySpan<byte> data, long offset)
    {
        if (offset < 0)
            return Errno.EINVAL;
        if (FileOf(fd) is not { } file)
            return Errno.EBADF;
        return file.AllowsPWrite ? Files.VfsWrite(Caller, file, data, ref offset) : Errno.ESPIPE;
    }

    /// <inheritdoc/>
    public SysResult<long> LSeek(Fd fd, long offset, SeekWhence whence)
    {
        if (FileOf(fd) is not { } file)
            return Errno.EBADF;
        return whence is < SeekWhence.SEEK_SET or > SeekWhence.SEEK_HOLE ? Errno.EINVAL : file.LSeek(Caller, offset, whence);
    }

    /// <inheritdoc/>
    public SysResult<int> GetDents(Fd fd, Span<byte> buffer)
    {
        if (FileOf(fd) is not { } file)
            return Errno.EBADF;
        return _dirents.Fill(Caller, file, buffer);
    }

    /// <inheritdoc/>
    public Errno Fsync(Fd fd) => FileOf(fd)?.Fsync(Caller, dataOnly: false) ?? Errno.EBADF;

    /// <inheritdoc/>
    public Errno Fdatasync(Fd fd) => FileOf(fd)?.Fsync(Caller, dataOnly: true) ?? Errno.EBADF;

    /// <inheritdoc/>
    public Errno Syncfs(Fd fd) => FileOf(fd)?.Inode.Sb.SyncFs(wait: true) ?? Errno.EBADF;

    /// <inheritdoc/>
    public void Sync()
    {
        foreach (var sb in State.Core.SuperBlocks.ToArray())
            _ = sb.SyncFs(wait: true); // sync(2) cannot fail
        var devices = State.Block.Devices.All.ToArray();
        foreach (var device in devices)
            device.Cache.StartWriteBack();
        foreach (var device in devices)
            device.WaitForWrites();
    }

    /// <inheritdoc/>
    public SysResult<OpenFlags> GetStatusFlags(Fd fd)
    {
        if (Caller.Files.Get(fd.Value) is not { } file)
            return Errno.EBADF;
        return file.Flags;
    }

    /// <inheritdoc/>
    public Errno SetStatusFlags(Fd fd, OpenFlags flags)
    {
        if (FileOf(fd) is not { } file)
            return Errno.EBADF;
        const OpenFlags settable = OpenFlags.O_APPEND | OpenFlags.O_NONBLOCK | OpenFlags.O_DIRECT | OpenFlags.O_NOATIME;
        if (((flags ^ file.Flags) & OpenFlags.O_APPEND) != 0 && file.Inode.IsAppend)
            return Errno.EPERM;
        if ((flags & ~file.Flags & OpenFlags.O_NOATIME) != 0 && !Permissions.OwnerOrCapable(file.Inode, Caller.Through(file.Path.Mount).Credentials))
            return Errno.EPERM;
        if ((flags & OpenFlags.O_DIRECT) != 0 && !file.SupportsDirect)
            return Errno.EINVAL;
        file.Flags = file.Flags & ~settable | flags & settable;
        return Errno.OK;
    }

    private const uint FICLONE = 0x40049409, FICLONERANGE = 0x4020940D;

    /// <inheritdoc/>
    public SysResult<int> Ioctl(Fd fd, uint request, Span<byte> argument)
    {
        if (FileOf(fd) is not { } file)
            return Errno.EBADF;
        if (FileAttrs.Handles(request) && !file.TakesFlagRequests && FileAttrs.Run(Caller, file, request, argument) is var done && done.Error != Errno.ENOTTY)
            return done;
        return request switch
        {
            FICLONE => Errno.EBADF, // an address is no descriptor
            FICLONERANGE => CloneRange(file, argument),
            _ => FileRequests.Run(Caller, file, request, argument) ?? file.Ioctl(Caller, request, argument),
        };
    }

    /// <inheritdoc/>
    public SysResult<int> Ioctl(Fd fd, uint request, long value)
    {
        if (FileOf(fd) is not { } file)
            return Errno.EBADF;
        if (FileAttrs.Handles(request) && !file.TakesFlagRequests && file.Inode.GetFileAttr(Caller, file.Path.Dentry, out _) != Errno.ENOTTY)
            return Errno.EFAULT; // a number is no address of a structure
        return request switch
        {
            FICLONE => Clone(file, value),
            FICLONERANGE => Errno.EFAULT,
            _ => FileRequests.Run(Caller, file, request, []) ?? file.Ioctl(Caller, request, value),
        };
    }

    private SysResult<int> CloneRange(OpenFile target, ReadOnlySpan<byte> argument)
    {
        if (argument.Length < 32)
            return Errno.EFAULT;
        var words = MemoryMarshal.Cast<byte, long>(argument);
        return Clone(target, words[0], words[1], words[2], words[3]);
    }

    private SysResult<int> Clone(OpenFile target, long sourceFd, long offset = 0, long length = 0, long targetOffset = 0)
    {
        if (FileOf(new((int)sourceFd)) is not { } source)
            return Errno.EBADF;
        if (!ReferenceEquals(source.Inode.Sb, target.Inode.Sb) || Quirks.CloneNeedsOneMount && !ReferenceEquals(source.Path.Mount, target.Path.Mount))
            return Errno.EXDEV;
        var error = FileCopy.CheckModes(source, target);
        if (error != Errno.OK)
            return error;
        var cloned = source.RemapFileRange(Caller, offset, target, targetOffset, length);
        return cloned.IsOk ? 0 : cloned.Error;
    }
}
