using System.Runtime.InteropServices;

namespace DriverLab.Conformance.Running;

/// <summary>Room on page boundaries for the data of one call: O_DIRECT looks at the address too, and an outcome must not depend on where the runtime put an array.</summary>
internal static class AlignedBuffer
{
    private const int Alignment = 4096;

    /// <summary>A zeroed buffer of this many bytes that starts on a page boundary and does not move; the next call on this thread takes it again.</summary>
    public static Span<byte> Of(long length)
    {
        var buffer = Room(length);
        buffer.Clear();
        return buffer;
    }

    /// <summary>A buffer of this many bytes, with whatever is in it, that starts on a page boundary and does not move; the next call on this thread takes it again.</summary>
    public static Span<byte> Room(long length)
    {
        int size = checked((int)length + Alignment);
        var kept = KeptMemory.Mine;
        byte[] room = size <= kept.Room.Length ? kept.Room : GC.AllocateUninitializedArray<byte>(Math.Max(size, (64 << 10) + Alignment), pinned: true);
        if (length <= KeptMemory.MostBytes)
            kept.Room = room;
        nint address = Marshal.UnsafeAddrOfPinnedArrayElement(room, 0);
        int skip = (int)(-address & (Alignment - 1));
        return room.AsSpan(skip, (int)length);
    }
}
