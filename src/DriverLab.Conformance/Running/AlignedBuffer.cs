using System.Runtime.InteropServices;

namespace DriverLab.Conformance.Running;

/// <summary>Room on page boundaries for the data of one call: O_DIRECT looks at the address too, and an outcome must not depend on where the runtime put an array.</summary>
internal sealed class AlignedBuffer
{
    private const int Alignment = 4096;

    /// <summary>Room of this size is kept from call to call.</summary>
    private const int KeptBytes = 64 << 10;

    private byte[]? _kept;

    /// <summary>A zeroed buffer of this many bytes that starts on a page boundary and does not move; the next call takes it again.</summary>
    public Span<byte> Of(long length)
    {
        var buffer = Room(length);
        buffer.Clear();
        return buffer;
    }

    /// <summary>A copy of the data that starts on a page boundary.</summary>
    public ReadOnlySpan<byte> Copy(ReadOnlySpan<byte> data)
    {
        var copy = Room(data.Length);
        data.CopyTo(copy);
        return copy;
    }

    /// <summary>A buffer of this many bytes, with whatever is in it, that starts on a page boundary and does not move; the next call takes it again.</summary>
    public Span<byte> Room(long length)
    {
        byte[] room = length is < 0 or > KeptBytes ? GC.AllocateArray<byte>(checked((int)length + Alignment), pinned: true)
            : _kept ??= GC.AllocateArray<byte>(KeptBytes + Alignment, pinned: true);
        nint address = Marshal.UnsafeAddrOfPinnedArrayElement(room, 0);
        int skip = (int)(-address & (Alignment - 1));
        return room.AsSpan(skip, (int)length);
    }
}
