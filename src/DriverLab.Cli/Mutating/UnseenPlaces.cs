namespace DriverLab.Cli.Mutating;

/// <summary>
/// Places of the emulator's code whose faults no program can see, each with the reason: how much room a list is made with, memory that is kept for later, a text that is never shown.
/// They are known by file, method and what the fault does, because lines move.
/// </summary>
internal sealed class UnseenPlaces
{
    private readonly Dictionary<string, Entry> _entries = [];

    /// <summary>One place.</summary>
    /// <param name="Key">As <see cref="DrawnFault.Key"/>.</param>
    /// <param name="Reason">Why nothing sees it.</param>
    /// <param name="Where">File and line of the entry.</param>
    public sealed record Entry(string Key, string Reason, string Where);

    private UnseenPlaces() { }

    /// <summary>All entries, in the order of the file.</summary>
    public IReadOnlyCollection<Entry> Entries => _entries.Values;

    /// <summary>Reads the list of a data folder; a folder without one has no entries.</summary>
    public static UnseenPlaces Load(string file) => File.Exists(file) ? Parse(file, File.ReadAllText(file)) : new();

    /// <summary>Reads lines of the form <c>file | method | what the fault does | reason</c>; empty lines and those that begin with # are left out.</summary>
    /// <exception cref="UsageException">A line has another form, or its place is listed twice.</exception>
    public static UnseenPlaces Parse(string name, string text)
    {
        var (places, lines) = (new UnseenPlaces(), text.Split('\n'));
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i].Trim(), where = string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{name}:{i + 1}");
            if (line.Length == 0 || line[0] == '#')
                continue;
            string[] words = line.Split('|', StringSplitOptions.TrimEntries);
            if (words.Length != 4 || Array.Exists(words, static w => w.Length == 0))
                throw new UsageException($"{where}: '{line}' is no place; expected 'file | method | what the fault does | reason', the first three as 'driverlab mutate --list --json' tells them");
            string key = string.Join(" | ", words[..3]);
            if (!places._entries.TryAdd(key, new(key, words[3], where)))
                throw new UsageException($"{where}: {key} is listed already in {places._entries[key].Where}; list a place once");
        }
        return places;
    }

    /// <summary>The entry of a place, or null.</summary>
    public Entry? Find(DrawnFault place) => _entries.GetValueOrDefault(place.Key);

    /// <summary>Entries that are of no place of the code any more: what they speak of was changed, and they must go or be corrected.</summary>
    public IReadOnlyList<Entry> Stale(IEnumerable<DrawnFault> places)
    {
        var known = places.Select(static p => p.Key).ToHashSet();
        return [.. Entries.Where(e => !known.Contains(e.Key))];
    }
}
