using DriverLab.Formats.PersistentData;

namespace DriverLab.Formats.Tests;

/// <summary>Searches within a node.</summary>
public class BtreeKeysTests
{
    [Test]
    public void Both_searches_find_the_same_where_keys_rise([Values(1, 2, 3, 7, 1000, 1 << 30)] int gap, [Values(0UL, 5UL, ulong.MaxValue - (300UL << 30))] ulong first)
    {
        var random = new Random(gap);
        foreach (int count in (int[])[0, 1, 2, 3, 5, 84, 125, 126, 251, 252])
            Compare(Make(count, first, () => (ulong)random.NextInt64(1, gap + 1)));
    }

    [Test]
    public void Both_find_the_same_where_few_keys_are_far_from_the_rest()
    {
        var random = new Random(9);
        for (int round = 0; round < 50; round++)
            Compare(Make(252, 5, () => random.Next(20) == 0 ? (ulong)random.NextInt64(1, 1L << 50) : 1));
    }

    [Test]
    public void Keys_that_do_not_rise_are_seen()
    {
        var keys = Make(10, 0, () => 2);
        Assert.That(BtreeKeys.AreInOrder(keys));
        keys[4] = keys[5];
        Assert.That(BtreeKeys.AreInOrder(keys), Is.False);
    }

    private static void Compare(Le<ulong>[] keys)
    {
        ulong[] asked = [0, 1, ulong.MaxValue / 2, ulong.MaxValue, .. keys.SelectMany(key => (ulong[])[unchecked(key.Value - 1), key.Value, unchecked(key.Value + 1)])];
        foreach (ulong key in asked)
        {
            int expected = Array.FindLastIndex(keys, k => k.Value <= key);
            Assert.That((BtreeKeys.LowerBound(keys, key), BtreeKeys.LowerBoundInOrder(keys, key)), Is.EqualTo((expected, expected)), $"{keys.Length} keys, {key}");
        }
    }

    private static Le<ulong>[] Make(int count, ulong first, Func<ulong> gap)
    {
        var keys = new Le<ulong>[count];
        for (int i = 0; i < count; i++, first += gap())
            keys[i] = first;
        return keys;
    }
}
