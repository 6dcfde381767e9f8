namespace DriverLab.Conformance.Comparison;

/// <summary>An entry of a text file made of <c>key: value</c> lines; a blank line ends an entry, <c>#</c> begins a comment line, an indented line continues the value above.</summary>
/// <param name="File">The file.</param>
/// <param name="Line">1-based line of its first key.</param>
/// <param name="Values">Values by key.</param>
internal sealed record Entry(string File, int Line, IReadOnlyDictionary<string, string> Values)
{
    /// <summary>The value of a key that must be there.</summary>
    public string Need(string key) => Values.TryGetValue(key, out var value) && value.Length > 0
        ? value
        : throw new DataException(File, Line, $"the entry has no '{key}:'; add it");

    /// <summary>The value of a key, or another when it is not there.</summary>
    public string Get(string key, string absent) => Values.TryGetValue(key, out var value) && value.Length > 0 ? value : absent;

    /// <summary>Reads a file.</summary>
    /// <param name="file">The file as messages should name it.</param>
    /// <param name="text">Its text.</param>
    /// <param name="keys">The keys that are known.</param>
    public static IEnumerable<Entry> ReadAll(string file, string text, params IReadOnlyList<string> keys)
    {
        Dictionary<string, string>? values = null;
        int number = 0, first = 0;
        string? last = null;
        foreach (var raw in text.Split('\n'))
        {
            number++;
            string line = raw.TrimEnd();
            if (line.StartsWith('#'))
                continue;
            if (line.Length == 0)
            {
                if (values is not null)
                    yield return new(file, first, values);
                (values, last) = (null, null);
                continue;
            }
            if (char.IsWhiteSpace(line[0]) && last is not null)
            {
                values![last] += " " + line.Trim();
                continue;
            }
            int colon = line.IndexOf(':');
            string key = colon < 0 ? line : line[..colon];
            if (!keys.Contains(key))
                throw new DataException(file, number, $"'{key}' is no key here; expected one of {string.Join(", ", keys)}");
            if (values is null)
                (values, first) = ([], number);
            if (!values.TryAdd(key, line[(colon + 1)..].Trim()))
                throw new DataException(file, number, $"'{key}' stands twice in one entry; separate entries by a blank line");
            last = key;
        }
        if (values is not null)
            yield return new(file, first, values);
    }
}

/// <summary>A data file (ledger, normalisers, golden) that cannot be read.</summary>
public sealed class DataException(string file, int line, string problem) : Exception($"{file}:{line}: {problem}");
