namespace DriverLab.StorageDrivers.Store;

/// <summary>CRC-64 with the ISO polynomial, as tar-split uses it (Go's hash/crc64 with crc64.ISO).</summary>
internal struct Crc64()
{
    private const ulong Polynomial = 0xD800000000000000;
    private static readonly ulong[] s_table = Table();
    private ulong _state = ulong.MaxValue;

    /// <summary>Takes bytes in.</summary>
    public void Add(ReadOnlySpan<byte> data)
    {
        ulong state = _state;
        foreach (byte b in data)
            state = s_table[(byte)(state ^ b)] ^ state >> 8;
        _state = state;
    }

    /// <summary>The sum of what came in so far.</summary>
    public readonly ulong Value => ~_state;

    private static ulong[] Table()
    {
        var table = new ulong[256];
        for (uint i = 0; i < 256; i++)
        {
            ulong value = i;
            for (int bit = 0; bit < 8; bit++)
                value = (value & 1) != 0 ? value >> 1 ^ Polynomial : value >> 1;
            table[i] = value;
        }
        return table;
    }
}
