using System.Runtime.CompilerServices;

namespace DriverLab.Formats.PersistentData;

/// <summary>The keys of a btree node.</summary>
public static class BtreeKeys
{
    /// <summary>True when each key is above the one before.</summary>
    public static bool AreInOrder(ReadOnlySpan<Le<ulong>> keys)
    {
        for (int i = 1; i < keys.Length; i++)
        {
            if (keys[i].Value <= keys[i - 1].Value)
                return false;
        }
        return true;
    }

    /// <summary>The index of the last key that is not above the given one, by halves; -1 when all are. Where the keys do not rise it ends where a kernel's search ends.</summary>
    /// <remarks>Linux drivers/md/persistent-data/dm-btree.c: bsearch().</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int LowerBound(ReadOnlySpan<Le<ulong>> keys, ulong key) => Between(keys, key, -1, keys.Length);

    /// <summary>
    /// The same for keys that rise, in fewer steps: looks first where the key is when none is missing before it, then where it is when they are spread evenly. In a large tree each step costs a read of
    /// memory.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int LowerBoundInOrder(ReadOnlySpan<Le<ulong>> keys, ulong key)
    {
        if (keys.Length == 0 || key < keys[0].Value)
            return -1;
        ulong distance = key - keys[0].Value;
        int low = 0, high = (int)Math.Min(distance, (ulong)keys.Length - 1), step = 1;
        if (keys[high].Value <= key)
            return high;
        // From here on keys[low] <= key < keys[high].
        int at = (int)((double)distance / (keys[high].Value - keys[0].Value) * high);
        if (keys[at].Value <= key)
        {
            low = at;
            while (low + step < high && keys[low + step].Value <= key)
            {
                low += step;
                step *= 2;
            }
            high = Math.Min(high, low + step);
        }
        else
        {
            high = at;
            while (high - step > low && keys[high - step].Value > key)
            {
                high -= step;
                step *= 2;
            }
            low = Math.Max(low, high - step);
        }
        return Between(keys, key, low, high);
    }

    private static int Between(ReadOnlySpan<Le<ulong>> keys, ulong key, int low, int high)
    {
        while (high - low > 1)
        {
            int middle = (low + high) >> 1;
            if (keys[middle].Value <= key)
                low = middle;
            else
                high = middle;
        }
        return low;
    }
}
