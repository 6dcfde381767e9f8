namespace DriverLab.StorageDrivers.Layers.Tar;

/// <summary>What reader and writer both know of a header's block of 512 bytes.</summary>
internal static class TarHeader
{
    /// <summary>The sum of the block's bytes with the field of the sum itself (8 bytes at 148) as spaces.</summary>
    public static int Sum(ReadOnlySpan<byte> block) => SumOf(block[..148]) + 8 * ' ' + SumOf(block[156..]);

    private static int SumOf(ReadOnlySpan<byte> bytes)
    {
        // Eight bytes at a time, in four lanes of 16 bits: 512 bytes cannot overflow one.
        const ulong even = 0x00FF00FF00FF00FF;
        ulong lanes = 0;
        for (; bytes.Length >= 8; bytes = bytes[8..])
        {
            ulong word = System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(bytes);
            lanes += (word & even) + ((word >> 8) & even);
        }
        int sum = (int)(lanes & 0xFFFF) + (int)((lanes >> 16) & 0xFFFF) + (int)((lanes >> 32) & 0xFFFF) + (int)(lanes >> 48);
        foreach (byte b in bytes)
            sum += b;
        return sum;
    }
}
