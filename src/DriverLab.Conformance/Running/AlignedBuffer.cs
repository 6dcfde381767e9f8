using System.Runtime.InteropServices;

namespace DriverLab.Conformance.Running;

/// <summary>Room on page boundaries for the data of one call: O_DIRECT looks at the address too, and an outcome must not depend on where the runtime put an array.</summary>
internal sealed class AlignedBuffer
{
    private const int Alignment = 4096;

    /// <summary>Room up to this size is kept from call to call: memory that is new each time costs more than what is written to it.</summary>
    private const int KeptBytes = 16 << 20;

    private byte[] _kept = [];

    /// <summary>A zeroed buffer of this many bytes that starts on a page boundary and does not move; the next call takes it again.</summary>
    public Span<byte> Of(long length)
    {
        var buffer = Room(length);
        buffer.Clear();
        return buffer;
    }

    /// <summary>A buffer of this many bytes, with whatever is in it, that starts on a page boundary and does not move; the next call takes it again.</summary>
    public Span<byte> Room(long length)
    {
        int size = checked((int)length + Alignment);
        byte[] room = size <= _kept.Length ? _kept : GC.AllocateUninitializedArray<byte>(Math.Max(size, (64 << 10) + Alignment), pinned: true);
        if (length <= KeptBytes)
            _kept = room;
        nint address = Marshal.UnsafeAddrOfPinnedArrayElement(room, 0);
        int skip = (int)(-address & (Alignment - 1));
        return room.AsSpan(skip, (int)length);
    }
}
