namespace DriverLab.Cli.Dm;

/// <summary>dmsetup's command line: a command, words, and options anywhere among them.</summary>
internal sealed class DmsetupArguments
{
    /// <summary>Options that take a word, by both of their names.</summary>
    private static readonly Dictionary<string, string> s_withValue = new()
    {
        ["--table"] = "table", ["--uuid"] = "uuid", ["-u"] = "uuid", ["--minor"] = "minor", ["-m"] = "minor", ["--major"] = "major", ["-j"] = "major", ["--target"] = "target", ["--name"] = "name", ["--options"] = "options", ["-o"] = "options",
        ["--separator"] = "separator",
    };

    private static readonly Dictionary<string, string> s_switches = new()
    {
        ["--notable"] = "notable", ["-n"] = "notable", ["--readonly"] = "readonly", ["-r"] = "readonly", ["--force"] = "force", ["-f"] = "force", ["--deferred"] = "deferred",
        ["--noflush"] = "noflush", ["--nolockfs"] = "nolockfs", ["--inactive"] = "inactive", ["--tree"] = "tree", ["--retry"] = "retry", ["--yes"] = "yes", ["-y"] = "yes", ["--setuuid"] = "setuuid", ["--verbose"] = "verbose", ["-v"] = "verbose",
        ["--noudevsync"] = "noudevsync", ["--noudevrules"] = "noudevrules", ["--noopencount"] = "noopencount", ["--showkeys"] = "showkeys", ["--columns"] = "columns", ["-c"] = "columns", ["-C"] = "columns", ["--noheadings"] = "noheadings",
    };

    private readonly Dictionary<string, string> _options = [];

    /// <summary>The words that are no options; the first is the command.</summary>
    public List<string> Words { get; } = [];

    public string Command => Words.Count > 0 ? Words[0] : "";

    /// <summary>The words after the command.</summary>
    public IReadOnlyList<string> Rest => Words.Count > 1 ? Words[1..] : [];

    public bool Has(string option) => _options.ContainsKey(option);

    public string? Value(string option) => _options.GetValueOrDefault(option);

    public static DmsetupArguments Parse(IReadOnlyList<string> words)
    {
        var result = new DmsetupArguments();
        for (int i = 0; i < words.Count; i++)
        {
            string word = words[i];
            int equals = word.StartsWith("--", StringComparison.Ordinal) ? word.IndexOf('=') : -1;
            string name = equals > 0 ? word[..equals] : word;
            if (s_switches.TryGetValue(name, out var known))
                result._options[known] = "";
            else if (s_withValue.TryGetValue(name, out known))
                result._options[known] = equals > 0 ? word[(equals + 1)..] : ++i < words.Count ? words[i] : throw new UsageException($"option {name} of dm needs a value");
            else if (word.StartsWith('-') && word.Length > 1 && !char.IsAsciiDigit(word[1]))
                throw new UsageException($"'{word}' is no option of dm that is known here; expected one of {string.Join(", ", s_withValue.Keys.Concat(s_switches.Keys).Where(static k => k.StartsWith("--", StringComparison.Ordinal)).Order())}");
            else
                result.Words.Add(word);
        }
        return result;
    }
}
