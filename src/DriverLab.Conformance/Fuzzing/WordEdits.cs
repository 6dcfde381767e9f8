using System.Globalization;
using System.Text.RegularExpressions;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Fuzzing;

/// <summary>Words with one number changed.</summary>
internal static partial class WordEdits
{
    /// <summary>The most bytes that a varied word may stand for, unless the word it came from stands for more.</summary>
    private const long MostBytes = 4 << 20;

    private static readonly long[] s_corners =
    [
        0, 1, 2, 7, 8, 63, 64, 127, 128, 255, 256, 511, 512, 1023, 1024, 4095, 4096, 65535, 65536, (1 << 20) - 1, 1 << 20, int.MaxValue, 1L << 31, uint.MaxValue, 1L << 32, 1L << 40, long.MaxValue,
    ];

    /// <summary>The word with one of its numbers replaced: by one near it, or by one where something often ends. Null when there is none, the number would be larger than it may be, or the word would stand for too many bytes.</summary>
    public static Word? OtherNumber(Draw draw, Word word, long most = long.MaxValue)
    {
        var runs = NumberRegex().Matches(word.Source);
        if (runs.Count == 0)
            return null;
        var run = runs[draw.Next(runs.Count)];
        if (!Numbers.TryParse(run.Value, out long value))
            return null;
        long other = draw.Next(8) switch
        {
            0 => unchecked(value + 1),
            1 => unchecked(value - 1),
            2 => unchecked(value * 2),
            3 => value / 2,
            4 => unchecked(value + draw.Of(8L, 512, 4096, 65536)),
            5 => unchecked(value - draw.Of(8L, 512, 4096, 65536)),
            6 => unchecked(-value),
            _ => draw.Of<long>(s_corners),
        };
        if (other > most && other > value)
            return null;
        string text = string.Concat(word.Source.AsSpan(0, run.Index), other.ToString(CultureInfo.InvariantCulture), word.Source.AsSpan(run.Index + run.Length));
        try
        {
            var changed = Word.Parse(text);
            return Bytes(changed) <= Math.Max(MostBytes, Bytes(word)) ? changed : null;
        }
        catch (ScenarioException)
        {
            return null;
        }
    }

    private static long Bytes(Word word) => word.Segments.Sum(static s => s.Kind switch
    {
        SegmentKind.Literal or SegmentKind.Variable => s.Bytes.Length,
        SegmentKind.Repeat => s.Count > MostBytes ? long.MaxValue / 64 : s.Bytes.Length * s.Count,
        _ => Math.Min(s.Count, long.MaxValue / 64),
    });

    [GeneratedRegex("(?<![0-9A-Za-z])(0x[0-9a-fA-F]+|[0-9]+[KMGT]?)(?![0-9A-Za-z])", RegexOptions.CultureInvariant)]
    private static partial Regex NumberRegex();
}
