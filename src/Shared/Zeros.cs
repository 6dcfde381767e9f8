using System.Runtime.Intrinsics;

namespace DriverLab;

/// <summary>Finds data that are nothing but zeros. Compiled into each project that looks for them in bulk.</summary>
internal static class Zeros
{
    /// <summary>True when every byte is zero. Four vectors are looked at together, since nobody asks where the first other byte is: half as long as a search.</summary>
    public static bool Only(ReadOnlySpan<byte> data)
    {
        int vector = Vector512<byte>.Count;
        for (; data.Length >= 4 * vector; data = data[(4 * vector)..])
        {
            var all = Vector512.Create(data) | Vector512.Create(data[vector..]) | Vector512.Create(data[(2 * vector)..]) | Vector512.Create(data[(3 * vector)..]);
            if (all != Vector512<byte>.Zero)
                return false;
        }
        return !data.ContainsAnyExcept((byte)0);
    }
}
