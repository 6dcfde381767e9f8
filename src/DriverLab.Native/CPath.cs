using System.Runtime.CompilerServices;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Native;

/// <summary>A C string on the stack. A path that is too long is cut at PATH_MAX bytes, which is still too long: the kernel reads no further and answers ENAMETOOLONG.</summary>
[InlineArray(Limits.PATH_MAX + 8)]
internal struct CPath
{
    private byte _first;

    /// <summary>Copies the bytes and ends them with a NUL; returns the address, which lives as long as the variable does.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static unsafe nint Of(ReadOnlySpan<byte> text, out CPath storage)
    {
        Unsafe.SkipInit(out storage);
        byte* at = (byte*)Unsafe.AsPointer(ref storage);
        int length = Math.Min(text.Length, Limits.PATH_MAX);
        text[..length].CopyTo(new Span<byte>(at, length));
        at[length] = 0;
        return (nint)at;
    }
}
