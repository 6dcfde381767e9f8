using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DriverLab.Linux.Remote;

/// <summary>Which member of <see cref="IKernel"/> a request calls. The values are the protocol: append, never renumber.</summary>
internal enum KernelOp : byte
{
    NewTask = 1, Fork, Dispose, GetProfile, SetIds, Umask, Unshare, Chdir, Fchdir, Chroot, GetCwd, UserNamespace, ForkInUserNamespace,
    OpenAt = 20, Close, Dup, Read, Write, PRead, PWrite, LSeek, FTruncate, Truncate, Fallocate, Fsync, Fdatasync, Syncfs, Sync, CopyFileRange, GetDents, Ioctl, IoctlValue,
    GetStatusFlags, SetStatusFlags,
    MkdirAt = 60, MknodAt, UnlinkAt, LinkAt, SymlinkAt, ReadLinkAt, RenameAt2,
    Statx = 80, FaccessAt, FchmodAt, Fchmod, FchownAt, UtimensAt, StatFs, FStatFs,
    GetXattr = 100, FGetXattr, SetXattr, FSetXattr, ListXattr, FListXattr, RemoveXattr, FRemoveXattr,
    Mount = 120, Umount, ClockGetTime, Sleep,
    PivotRoot = 130, FsOpen, FsPick, FsConfig, FsMount, MoveMount, OpenTree, MountSetattr,
    OpenAt2 = 150, NameToHandleAt, OpenByHandleAt, Flock, FcntlLock, InotifyInit, InotifyAddWatch, InotifyRmWatch, Mmap, MapRead, MapWrite, Msync, Munmap, Quotactl,
}

/// <summary>How a call ended, apart from its errno.</summary>
internal enum CallOutcome : byte
{
    /// <summary>The kernel answered; value and errno hold.</summary>
    Answered = 0,
    /// <summary>A <see cref="NotModelledException"/>; the output is its text.</summary>
    NotModelled = 1,
    /// <summary>A <see cref="WouldHangException"/>; the output is its text.</summary>
    WouldHang = 2,
    /// <summary>The request made no sense, or the server failed; the output says how.</summary>
    Refused = 3,
    /// <summary>A <see cref="KernelOopsException"/>; the output is its text.</summary>
    Oops = 4,
}

/// <summary>Head of a request; up to four byte strings follow it. Little endian, <see cref="Size"/> bytes.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct CallHeader
{
    internal const int Size = 76;
    /// <summary>Longest byte string and largest output, in bytes.</summary>
    internal const int MaxBytes = 16 << 20;

    internal KernelOp Op;
    internal byte Reserved0;
    internal ushort Reserved1;
    internal uint Task;
    /// <summary>Bytes that the caller has room for.</summary>
    internal int Room;
    internal Lengths4 Lengths;
    internal Numbers6 Numbers;

    [InlineArray(4)]
    internal struct Lengths4
    {
        private int _first;
    }

    [InlineArray(6)]
    internal struct Numbers6
    {
        private long _first;
    }
}

/// <summary>Head of a reply; the output follows it. Little endian, <see cref="Size"/> bytes.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct ReplyHeader
{
    internal const int Size = 16;

    internal long Value;
    internal Errno Error;
    internal CallOutcome Outcome;
    internal byte Reserved;
    internal int Length;
}

/// <summary>A request taken apart; every access is inside the message.</summary>
internal readonly ref struct CallView
{
    private readonly CallHeader _header;
    private readonly ReadOnlySpan<byte> _bytes;

    private CallView(CallHeader header, ReadOnlySpan<byte> bytes)
    {
        _header = header;
        _bytes = bytes;
    }

    internal KernelOp Op => _header.Op;
    internal uint Task => _header.Task;
    internal int Room => _header.Room;
    internal ReadOnlySpan<byte> A => Bytes(0);
    internal ReadOnlySpan<byte> B => Bytes(1);
    internal ReadOnlySpan<byte> C => Bytes(2);
    internal ReadOnlySpan<byte> D => Bytes(3);

    internal long Number(int index) => _header.Numbers[index];
    internal int Int(int index) => unchecked((int)_header.Numbers[index]);
    internal uint UInt(int index) => unchecked((uint)_header.Numbers[index]);
    internal Fd Fd(int index) => new(Int(index));

    /// <summary>Takes a message apart; a sentence when it is not a request.</summary>
    internal static string? TryRead(ReadOnlySpan<byte> message, out CallView call)
    {
        call = default;
        if (message.Length < CallHeader.Size)
            return $"a request has at least {CallHeader.Size} bytes; this one has {message.Length}";
        var header = MemoryMarshal.Read<CallHeader>(message);
        if (header.Room is < 0 or > CallHeader.MaxBytes)
            return $"a request has room for 0 to {CallHeader.MaxBytes} bytes; this one for {header.Room}";
        long sum = 0;
        for (int i = 0; i < 4; i++)
        {
            if (header.Lengths[i] is < 0 or > CallHeader.MaxBytes)
                return $"a byte string of a request has 0 to {CallHeader.MaxBytes} bytes; this one {header.Lengths[i]}";
            sum += header.Lengths[i];
        }
        if (sum != message.Length - CallHeader.Size)
            return $"a request's byte strings make {sum} bytes; the message holds {message.Length - CallHeader.Size}";
        call = new CallView(header, message[CallHeader.Size..]);
        return null;
    }

    private ReadOnlySpan<byte> Bytes(int index)
    {
        int start = 0;
        for (int i = 0; i < index; i++)
            start += _header.Lengths[i];
        return _bytes.Slice(start, _header.Lengths[index]);
    }
}
