using System.Runtime.InteropServices;

namespace DriverLab.Conformance.Running;

/// <summary>Buffers on page boundaries: O_DIRECT looks at the address too, and an outcome must not depend on where the runtime put an array.</summary>
internal static class AlignedBuffer
{
    private const int Alignment = 4096;

    /// <summary>A zeroed buffer of this many bytes that starts on a page boundary and does not move.</summary>
    public static unsafe Span<byte> Of(long length)
    {
        byte[] room = GC.AllocateArray<byte>(checked((int)length + Alignment), pinned: true);
        nint address = Marshal.UnsafeAddrOfPinnedArrayElement(room, 0);
        int skip = (int)(-address & (Alignment - 1));
        return room.AsSpan(skip, (int)length);
    }

    /// <summary>A copy of the data that starts on a page boundary.</summary>
    public static ReadOnlySpan<byte> Copy(ReadOnlySpan<byte> data)
    {
        var copy = Of(data.Length);
        data.CopyTo(copy);
        return copy;
    }
}
