using System.Runtime.InteropServices;
using DriverLab.Linux;
using DriverLab.Linux.Ioctl;
using Request = DriverLab.Linux.Ioctl.Loop;

namespace DriverLab.Block.Devices;

public sealed partial class LoopDevice
{
    /// <summary>What a request for a number gets where a structure is passed: an address, of which is known that it is not 0 and no descriptor.</summary>
    private const long SomeAddress = 0x7F00_0010_0000;

    /// <inheritdoc/>
    /// <remarks>Linux drivers/block/loop.c: lo_ioctl().</remarks>
    public override SysResult<int> Ioctl(uint request, Span<byte> argument, bool forWriting, bool exclusive, IBlockCaller caller)
    {
        bool may = forWriting || caller.IsSysAdmin;
        switch (request)
        {
            case Request.LOOP_CONFIGURE:
                return Done(MemoryMarshal.TryRead(argument, out LoopConfig config) ? Configure(config.Fd, config.BlockSize, config.Info, forWriting, exclusive, caller) : Errno.EFAULT);
            case Request.LOOP_SET_STATUS64:
                return Done(!may ? Errno.EPERM : MemoryMarshal.TryRead(argument, out LoopInfo64 info) ? SetStatus(info) : Errno.EFAULT);
            case Request.LOOP_GET_STATUS64:
                return Done(GetStatus(argument));
            case Request.LOOP_SET_STATUS:
                return Done(!may ? Errno.EPERM : MemoryMarshal.TryRead(argument, out LoopInfo old) ? SetStatus(FromOld(old)) : Errno.EFAULT);
            case Request.LOOP_GET_STATUS:
                return Done(GetOldStatus(argument));
            default:
                return Ioctl(request, SomeAddress, forWriting, exclusive, caller);
        }
    }

    /// <inheritdoc/>
    public override SysResult<int> Ioctl(uint request, long value, bool forWriting, bool exclusive, IBlockCaller caller)
    {
        bool may = forWriting || caller.IsSysAdmin;
        switch (request)
        {
            case Request.LOOP_SET_FD:
                return Done(Configure(unchecked((uint)value), 0, default, forWriting, exclusive, caller));
            case Request.LOOP_CHANGE_FD:
                return Done(ChangeFile(unchecked((int)value), caller));
            case Request.LOOP_CLR_FD:
                return Done(Clear());
            case Request.LOOP_SET_CAPACITY:
                return Done(!may ? Errno.EPERM : UpdateCapacity());
            case Request.LOOP_SET_DIRECT_IO:
                return Done(!may ? Errno.EPERM : SetDirect(value != 0));
            case Request.LOOP_SET_BLOCK_SIZE:
                return Done(!may ? Errno.EPERM : SetBlockSize(value, exclusive));
            case Request.LOOP_GET_STATUS or Request.LOOP_GET_STATUS64 when value == 0:
                return Errno.EINVAL; // of these a null pointer is looked at
            case Request.LOOP_CONFIGURE or Request.LOOP_SET_STATUS64 or Request.LOOP_GET_STATUS64 or Request.LOOP_SET_STATUS or Request.LOOP_GET_STATUS:
                return Ioctl(request, [], forWriting, exclusive, caller);
            default:
                return Errno.EINVAL;
        }
    }

    private static SysResult<int> Done(Errno error) => error == Errno.OK ? 0 : error;

    /// <remarks>Linux drivers/block/loop.c: loop_set_status_from_info().</remarks>
    private Errno TakeInfo(in LoopInfo64 info)
    {
        if (info.EncryptKeySize > 32 || info.EncryptType != 0)
            return Errno.EINVAL;
        if (info.Offset > long.MaxValue || info.SizeLimit > long.MaxValue)
            return Errno.EOVERFLOW;
        _info.Offset = info.Offset;
        _info.SizeLimit = info.SizeLimit;
        _info.FileName = info.FileName;
        _info.FileName[63] = 0;
        _info.Flags = info.Flags;
        return Errno.OK;
    }

    private Errno SetStatus(in LoopInfo64 info)
    {
        const LoopFlags settable = LoopFlags.LO_FLAGS_AUTOCLEAR | LoopFlags.LO_FLAGS_PARTSCAN;
        const LoopFlags clearable = LoopFlags.LO_FLAGS_AUTOCLEAR;
        if (_state != State.Bound)
            return Errno.ENXIO;
        bool moved = _info.Offset != info.Offset || _info.SizeLimit != info.SizeLimit;
        if (moved)
        {
            _ = Cache.WriteBack();
            Cache.DropClean();
        }
        var before = _info.Flags;
        if (TakeInfo(info) is var error and not Errno.OK)
            return error;
        _info.Flags = (_info.Flags & settable) | (before & ~settable) | (before & settable & ~clearable);
        if (moved)
            SetCapacityAndNotify(SizeOf(_file!, _info.Offset, _info.SizeLimit));
        if (!Layer.Quirks.LoopLearnsLimits)
            ConfigureDiscard();
        UpdateDirect(_direct);
        if ((_info.Flags & ~before & LoopFlags.LO_FLAGS_PARTSCAN) != 0)
            Rescan();
        return Errno.OK;
    }

    private Errno GetStatus(Span<byte> argument)
    {
        if (_state != State.Bound)
            return Errno.ENXIO;
        var info = _info;
        info.Number = Number.Minor;
        info.Device = _file!.Dev.Encoded;
        info.Inode = _file.Ino;
        info.RDevice = _file.Rdev.Encoded;
        return MemoryMarshal.TryWrite(argument, info) ? Errno.OK : Errno.EFAULT;
    }

    private static LoopInfo64 FromOld(in LoopInfo old)
    {
        var info = new LoopInfo64 { Flags = old.Flags, Offset = (ulong)old.Offset, FileName = old.Name };
        info.EncryptType = (uint)old.EncryptType;
        info.EncryptKeySize = (uint)old.EncryptKeySize;
        return info;
    }

    private Errno GetOldStatus(Span<byte> argument)
    {
        Span<byte> wide = stackalloc byte[232];
        if (GetStatus(wide) is var error and not Errno.OK)
            return error;
        var info = MemoryMarshal.Read<LoopInfo64>(wide);
        if (info.Offset > int.MaxValue)
            return Errno.EOVERFLOW;
        var old = new LoopInfo
        {
            Number = (int)info.Number,
            Device = info.Device,
            Inode = info.Inode,
            RDevice = info.RDevice,
            Offset = (int)info.Offset,
            Flags = info.Flags,
            Name = info.FileName,
        };
        return MemoryMarshal.TryWrite(argument, old) ? Errno.OK : Errno.EFAULT;
    }

    private Errno ChangeFile(int fd, IBlockCaller caller)
    {
        if (Layer.Quirks.LoopChangeLooksFirst && CheckState() is var early and not Errno.OK)
            return early;
        var got = caller.GetFile(fd);
        if (!got.IsOk)
            return got.Error;
        var error = CheckChange(got.Value);
        if (error != Errno.OK)
        {
            got.Value.Release();
            return error;
        }
        if (Layer.Quirks.LoopChangeIsNewMedium)
            Cache.DropClean();
        ForceMediaChange();
        FlushAtStart(got.Value);
        var old = _file!;
        _file = got.Value;
        UpdateDirect(_direct);
        old.Release();
        if ((_info.Flags & LoopFlags.LO_FLAGS_PARTSCAN) != 0)
            Rescan();
        return Errno.OK;
    }

    /// <summary>Only a device that is read-only gets another file.</summary>
    private Errno CheckState() => _state != State.Bound ? Errno.ENXIO : (_info.Flags & LoopFlags.LO_FLAGS_READ_ONLY) == 0 ? Errno.EINVAL : Errno.OK;

    private Errno CheckChange(IBackingFile file)
    {
        var error = CheckState();
        if (error == Errno.OK)
            error = Validate(file);
        if (error != Errno.OK)
            return error;
        return SizeOf(file, _info.Offset, _info.SizeLimit) == SizeOf(_file!, _info.Offset, _info.SizeLimit) ? Errno.OK : Errno.EINVAL;
    }

    private Errno Clear()
    {
        if (_state != State.Bound)
            return Errno.ENXIO;
        if (Layer.Quirks.LoopClearsAtClose)
        {
            _info.Flags |= LoopFlags.LO_FLAGS_AUTOCLEAR;
            if (Openers == 1)
                _state = State.Rundown;
            return Errno.OK;
        }
        if (Openers > 1)
        {
            _info.Flags |= LoopFlags.LO_FLAGS_AUTOCLEAR;
            return Errno.OK;
        }
        Cache.DropClean(); // what is dirty goes to the next file
        Detach();
        return Errno.OK;
    }

    private Errno UpdateCapacity()
    {
        if (_state != State.Bound)
            return Errno.ENXIO;
        SetCapacityAndNotify(SizeOf(_file!, _info.Offset, _info.SizeLimit));
        return Errno.OK;
    }

    private Errno SetDirect(bool direct)
    {
        if (_state != State.Bound)
            return Errno.ENXIO;
        if (direct && !_direct)
            FlushAtStart(_file!);
        UpdateDirect(direct);
        return _direct == direct ? Errno.OK : Errno.EINVAL;
    }

    private Errno SetBlockSize(long asked, bool exclusive)
    {
        long bytes = Layer.Quirks.LoopBlockSizeHas32Bits ? unchecked((uint)asked) : asked;
        if (Layer.Quirks.LoopBlockSizeHonoursOwner && !exclusive && !MayClaim(this))
            return Errno.EBUSY;
        if (_state != State.Bound)
            return Errno.ENXIO;
        bool isDefault = bytes == 0 && Layer.Quirks.LoopBlockSizeZeroIsDefault;
        var error = isDefault ? Errno.OK : CheckBlockSize(bytes);
        if (error != Errno.OK && !Layer.Quirks.LoopChecksBlockSizeLast)
            return error;
        if (Limits.LogicalBlockSize == asked)
            return Errno.OK;
        _ = Cache.WriteBack();
        Cache.DropClean();
        if (error != Errno.OK)
            return error;
        Limits.LogicalBlockSize = Limits.PhysicalBlockSize = Limits.IoMin = isDefault ? DefaultBlockSize(_file!) : (uint)bytes;
        if (Layer.Quirks.LoopLearnsLimits)
            ConfigureDiscard(); // loop_reconfigure_limits()
        LimitsWereSet();
        UpdateDirect(_direct);
        return Errno.OK;
    }
}
