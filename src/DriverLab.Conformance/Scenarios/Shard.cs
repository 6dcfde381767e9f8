using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace DriverLab.Conformance.Scenarios;

/// <summary>One of n equal parts of a set of scenarios. The parts depend on the scenarios' names and texts alone, so that workers that share nothing but a checkout agree.</summary>
/// <param name="Index">Which part, 1 to <paramref name="Count"/>.</param>
/// <param name="Count">How many parts there are.</param>
public sealed record Shard(int Index, int Count)
{
    /// <summary>Everything.</summary>
    public static readonly Shard Whole = new(1, 1);

    /// <summary>Reads <c>2/4</c>; null when the text is none.</summary>
    public static Shard? Parse(string text)
    {
        string[] part = text.Split('/');
        return part.Length == 2 && int.TryParse(part[0], NumberStyles.None, CultureInfo.InvariantCulture, out int index)
            && int.TryParse(part[1], NumberStyles.None, CultureInfo.InvariantCulture, out int count) && index >= 1 && index <= count
            ? new(index, count) : null;
    }

    /// <summary>The scenarios of this part, in the order in which they came. Parts differ by one scenario at most.</summary>
    public IReadOnlyList<Scenario> Of(IReadOnlyList<Scenario> scenarios)
    {
        if (Count == 1)
            return scenarios;
        var mine = scenarios.OrderBy(Key, StringComparer.Ordinal).Where((_, at) => at % Count == Index - 1).ToHashSet();
        return [.. scenarios.Where(mine.Contains)];
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Index}/{Count}");

    // Sorting by a hash mixes suites, which take very different times.
    private static string Key(Scenario scenario) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(scenario.Name + "\0" + scenario.Source)));
}
