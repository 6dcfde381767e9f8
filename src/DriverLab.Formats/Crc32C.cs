using System.Numerics;
using System.Runtime.InteropServices;

namespace DriverLab.Formats;

/// <summary>CRC-32C (Castagnoli), the checksum of dm's persistent data, btrfs and ext4's metadata; by the processor's instruction where it has one.</summary>
public static class Crc32C
{
    /// <summary>Goes on from a raw state: no inversion before or after. Start from <see cref="uint.MaxValue"/> for the usual beginning.</summary>
    public static uint Append(uint state, ReadOnlySpan<byte> bytes)
    {
        foreach (ulong word in MemoryMarshal.Cast<byte, ulong>(bytes))
            state = BitOperations.Crc32C(state, word);
        foreach (byte b in bytes[(bytes.Length & ~7)..])
            state = BitOperations.Crc32C(state, b);
        return state;
    }

    /// <summary>The raw checksum as dm's persistent data uses it: initial state all ones, no final inversion.</summary>
    public static uint Raw(ReadOnlySpan<byte> bytes) => Append(uint.MaxValue, bytes);

    /// <summary>The common checksum with the final inversion, as btrfs stores it.</summary>
    public static uint Compute(ReadOnlySpan<byte> bytes) => ~Append(uint.MaxValue, bytes);
}
