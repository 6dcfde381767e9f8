using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DriverLab.Formats;

/// <summary>A little-endian number on disk, packed, of any alignment. Reading and writing convert; the type says the order so that no reader need remember.</summary>
/// <typeparam name="T">The number: ushort, uint, ulong, int or long.</typeparam>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public readonly struct Le<T>(T value) : IEquatable<Le<T>> where T : unmanaged, IBinaryInteger<T>
{
    private readonly T _raw = BitConverter.IsLittleEndian ? value : Swap.Bytes(value);

    /// <summary>The number in the host's order.</summary>
    public T Value
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => BitConverter.IsLittleEndian ? _raw : Swap.Bytes(_raw);
    }

    public static implicit operator T(Le<T> number) => number.Value;
    public static implicit operator Le<T>(T value) => new(value);
    public static bool operator ==(Le<T> a, Le<T> b) => a._raw == b._raw;
    public static bool operator !=(Le<T> a, Le<T> b) => a._raw != b._raw;

    public bool Equals(Le<T> other) => _raw == other._raw;
    public override bool Equals(object? obj) => obj is Le<T> other && Equals(other);
    public override int GetHashCode() => _raw.GetHashCode();
    public override string ToString() => Value.ToString() ?? "";
}

/// <summary>A big-endian number on disk; otherwise as <see cref="Le{T}"/>.</summary>
/// <typeparam name="T">The number: ushort, uint, ulong, int or long.</typeparam>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
public readonly struct Be<T>(T value) : IEquatable<Be<T>> where T : unmanaged, IBinaryInteger<T>
{
    private readonly T _raw = BitConverter.IsLittleEndian ? Swap.Bytes(value) : value;

    /// <summary>The number in the host's order.</summary>
    public T Value
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => BitConverter.IsLittleEndian ? Swap.Bytes(_raw) : _raw;
    }

    public static implicit operator T(Be<T> number) => number.Value;
    public static implicit operator Be<T>(T value) => new(value);
    public static bool operator ==(Be<T> a, Be<T> b) => a._raw == b._raw;
    public static bool operator !=(Be<T> a, Be<T> b) => a._raw != b._raw;

    public bool Equals(Be<T> other) => _raw == other._raw;
    public override bool Equals(object? obj) => obj is Be<T> other && Equals(other);
    public override int GetHashCode() => _raw.GetHashCode();
    public override string ToString() => Value.ToString() ?? "";
}

internal static class Swap
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Bytes<T>(T value) where T : unmanaged => Unsafe.SizeOf<T>() switch
    {
        1 => value,
        2 => Unsafe.BitCast<ushort, T>(BinaryPrimitives.ReverseEndianness(Unsafe.BitCast<T, ushort>(value))),
        4 => Unsafe.BitCast<uint, T>(BinaryPrimitives.ReverseEndianness(Unsafe.BitCast<T, uint>(value))),
        8 => Unsafe.BitCast<ulong, T>(BinaryPrimitives.ReverseEndianness(Unsafe.BitCast<T, ulong>(value))),
        _ => throw new NotSupportedException(),
    };
}

/// <summary>Marks a packed structure on disk; a layout test compares its size, and a kernel's type information compares its fields.</summary>
/// <param name="size">Size in bytes.</param>
/// <param name="name">The kernel's name for it.</param>
/// <param name="source">The kernel file that defines it.</param>
[AttributeUsage(AttributeTargets.Struct)]
public sealed class DiskStructAttribute(int size, string name, string source) : Attribute
{
    public int Size { get; } = size;
    public string Name { get; } = name;
    public string Source { get; } = source;
}

/// <summary>Structures seen in place over the bytes of a block.</summary>
public static class DiskView
{
    /// <summary>The structure at the start of the bytes, for reading.</summary>
    public static ref readonly T Read<T>(ReadOnlySpan<byte> bytes) where T : unmanaged => ref MemoryMarshal.AsRef<T>(bytes);

    /// <summary>The structure at the start of the bytes, for reading and writing.</summary>
    public static ref T Edit<T>(Span<byte> bytes) where T : unmanaged => ref MemoryMarshal.AsRef<T>(bytes);
}
