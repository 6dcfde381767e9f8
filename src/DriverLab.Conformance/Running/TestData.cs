using System.Buffers.Binary;
using System.Numerics;

namespace DriverLab.Conformance.Running;

/// <summary>Random data that a seed decides alone, and the digest that stands for data in a trace.</summary>
/// <remarks>Both are written here because they must give the same bytes in the guest program, which has no cryptographic library, and for ever.</remarks>
public static class TestData
{
    /// <summary>Fills a span with bytes that depend on the seed and the position alone (SplitMix64).</summary>
    public static void Fill(Span<byte> data, ulong seed)
    {
        ulong state = seed;
        while (data.Length >= 8)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(data, Next(ref state));
            data = data[8..];
        }
        if (data.IsEmpty)
            return;
        for (ulong last = Next(ref state); !data.IsEmpty; data = data[1..], last >>= 8)
            data[0] = (byte)last;
    }

    /// <summary>A 64-bit digest of data; not cryptographic, good enough to see any accidental difference.</summary>
    public static ulong Digest(ReadOnlySpan<byte> data) => Finish(Update(Start, data), data.Length);

    /// <summary>The state before the first byte; <see cref="Update"/> takes pieces whose lengths, except the last, are multiples of 8.</summary>
    public const ulong Start = 0x9E3779B97F4A7C15;

    /// <summary>Takes in more data.</summary>
    public static ulong Update(ulong state, ReadOnlySpan<byte> data)
    {
        while (data.Length >= 8)
        {
            state = Step(state, BinaryPrimitives.ReadUInt64LittleEndian(data));
            data = data[8..];
        }
        if (data.IsEmpty)
            return state;
        Span<byte> tail = stackalloc byte[8];
        tail.Clear();
        data.CopyTo(tail);
        return Step(state, BinaryPrimitives.ReadUInt64LittleEndian(tail));
    }

    /// <summary>The digest of all that was taken in.</summary>
    public static ulong Finish(ulong state, long length)
    {
        ulong z = state ^ (ulong)length;
        return Next(ref z);
    }

    private static ulong Step(ulong state, ulong word) => BitOperations.RotateLeft((state ^ (word * 0xC2B2AE3D27D4EB4F)) * 0x9E3779B185EBCA87, 29);

    private static ulong Next(ref ulong state)
    {
        ulong z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
