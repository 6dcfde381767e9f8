namespace DriverLab.StorageDrivers.Files;

/// <summary>A stream of letters and digits from a seed: the same seed gives the same ids on every kernel and every run.</summary>
/// <remarks>SplitMix64, by Steele, Lea and Flood (public domain); ids want no secrecy, only spread.</remarks>
public sealed class IdSource(ulong seed)
{
    private const string Base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    private ulong _state = seed;

    /// <summary>The next id of so many characters of <c>A-Z2-7</c>.</summary>
    public string Next(int length) => string.Create(length, this, static (span, source) =>
    {
        for (int i = 0; i < span.Length; i++)
            span[i] = Base32[(int)(source.NextWord() >> 59)];
    });

    /// <summary>The next id of so many hex digits, as Docker's ids look.</summary>
    public string NextHex(int length) => string.Create(length, this, static (span, source) =>
    {
        for (int i = 0; i < span.Length; i++)
            span[i] = "0123456789abcdef"[(int)(source.NextWord() >> 60)];
    });

    private ulong NextWord()
    {
        ulong z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
