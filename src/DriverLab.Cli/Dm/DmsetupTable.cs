using System.Globalization;
using DriverLab.Linux.Ioctl;

namespace DriverLab.Cli.Dm;

/// <summary>Text of tables as dmsetup reads it: <c>START LENGTH TYPE ARGUMENTS</c> a line, blank lines and lines of <c>#</c> passed over.</summary>
internal static class DmsetupTable
{
    /// <summary>Reads a line. Numbers are read up to the first character that is no digit, as scanf(3) does, and what follows is the next word: <c>0x8</c> is the number 0 and the word <c>x8</c>.</summary>
    public static bool TryParse(string line, out DmRow row)
    {
        row = default!;
        var rest = line.AsSpan();
        if (!TryNumber(ref rest, out long start) || !TryNumber(ref rest, out long length))
            return false;
        rest = rest.TrimStart();
        if (rest.IsEmpty)
            return false;
        int end = rest.IndexOfAny(' ', '\t');
        string type = end < 0 ? rest.ToString() : rest[..end].ToString();
        row = new(start, length, type, end < 0 ? "" : rest[end..].TrimStart().ToString());
        return true;
    }

    /// <summary>Reads a whole table.</summary>
    /// <param name="text">The text.</param>
    /// <param name="badLine">The number of the first line that is none of a table, counted from 1; 0 for none.</param>
    public static List<DmRow> Parse(string text, out int badLine)
    {
        var rows = new List<DmRow>();
        badLine = 0;
        string[] lines = text.Split('\n');
        for (int i = 0; i < lines.Length && badLine == 0; i++)
        {
            string line = lines[i].TrimStart();
            if (line.Length == 0 || line[0] == '#')
                continue;
            if (TryParse(line, out var row))
                rows.Add(row);
            else
                badLine = i + 1;
        }
        return rows;
    }

    private static bool TryNumber(ref ReadOnlySpan<char> text, out long number)
    {
        text = text.TrimStart();
        int digits = text.IndexOfAnyExceptInRange('0', '9');
        if (digits < 0)
            digits = text.Length;
        bool isNumber = ulong.TryParse(text[..digits], NumberStyles.None, CultureInfo.InvariantCulture, out ulong value);
        number = unchecked((long)value);
        text = text[digits..];
        return isNumber;
    }
}
