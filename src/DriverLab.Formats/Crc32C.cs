using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace DriverLab.Formats;

/// <summary>CRC-32C (Castagnoli), the checksum of dm's persistent data, btrfs and ext4's metadata; by the processor's instruction where it has one.</summary>
public static class Crc32C
{
    /// <summary>Words of each of three strands that are taken in side by side: three of them and a little more are a metadata block.</summary>
    private const int StrandWords = 170;

    /// <summary>What moves a state past one strand, or past two.</summary>
    private static readonly ulong s_pastOne = PowerOfX(StrandWords * 64 - 33), s_pastTwo = PowerOfX(2 * StrandWords * 64 - 33);

    /// <summary>Goes on from a raw state: no inversion before or after. Start from <see cref="uint.MaxValue"/> for the usual beginning.</summary>
    public static uint Append(uint state, ReadOnlySpan<byte> bytes)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(bytes);
        if (Pclmulqdq.IsSupported)
        {
            for (; words.Length >= 3 * StrandWords; words = words[(3 * StrandWords)..])
                state = AppendStrands(state, words[..StrandWords], words.Slice(StrandWords, StrandWords), words.Slice(2 * StrandWords, StrandWords));
        }
        foreach (ulong word in words)
            state = BitOperations.Crc32C(state, word);
        foreach (byte b in bytes[(bytes.Length & ~7)..])
            state = BitOperations.Crc32C(state, b);
        return state;
    }

    /// <summary>The instruction takes three cycles and waits for its own result: three strands at a time take hardly longer than one.</summary>
    /// <remarks>V. Gopal and others, Fast CRC Computation for iSCSI Polynomial Using CRC32 Instruction, Intel 2011.</remarks>
    private static uint AppendStrands(uint state, ReadOnlySpan<ulong> a, ReadOnlySpan<ulong> b, ReadOnlySpan<ulong> c)
    {
        uint first = state, second = 0, third = 0;
        for (int i = 0; i < a.Length && i < b.Length && i < c.Length; i++)
        {
            first = BitOperations.Crc32C(first, a[i]);
            second = BitOperations.Crc32C(second, b[i]);
            third = BitOperations.Crc32C(third, c[i]);
        }
        return third ^ BitOperations.Crc32C(0, Multiply(first, s_pastTwo) ^ Multiply(second, s_pastOne));
    }

    private static ulong Multiply(uint state, ulong power) => Pclmulqdq.CarrylessMultiply(Vector128.CreateScalar((ulong)state), Vector128.CreateScalar(power), 0).ToScalar();

    /// <summary>A power of x modulo the polynomial, with the highest power in the lowest bit, as the states are.</summary>
    private static ulong PowerOfX(int power)
    {
        const uint polynomial = 0x82F63B78;
        uint value = 1u << 31;
        for (; power > 0; power--)
            value = (value >> 1) ^ ((value & 1) * polynomial);
        return value;
    }

    /// <summary>The raw checksum as dm's persistent data uses it: initial state all ones, no final inversion.</summary>
    public static uint Raw(ReadOnlySpan<byte> bytes) => Append(uint.MaxValue, bytes);

    /// <summary>The common checksum with the final inversion, as btrfs stores it.</summary>
    public static uint Compute(ReadOnlySpan<byte> bytes) => ~Append(uint.MaxValue, bytes);
}
