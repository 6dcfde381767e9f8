namespace DriverLab.Rig.Kernels;

/// <summary>Where Debian's archives are reached from this machine: the host's own apt sources know, deb.debian.org is the default.</summary>
/// <param name="Debian">Base of the main archive, no slash at the end.</param>
/// <param name="Security">Base of the security archive.</param>
public sealed record Mirrors(string Debian, string Security)
{
    /// <summary>The public addresses.</summary>
    public static readonly Mirrors Default = new("http://deb.debian.org/debian", "http://deb.debian.org/debian-security");

    /// <summary>Reads the host's sources (<c>/etc/apt</c>). <c>DRIVERLAB_MIRROR</c> overrides the main archive, the security archive is expected beside it.</summary>
    public static Mirrors OfHost()
    {
        if (Environment.GetEnvironmentVariable("DRIVERLAB_MIRROR") is { Length: > 0 } chosen)
            return new(chosen.TrimEnd('/'), chosen.TrimEnd('/') + "-security");
        var addresses = new List<string>();
        foreach (string file in SourceFiles("/etc/apt"))
        {
            try
            {
                addresses.AddRange(Addresses(File.ReadAllText(file)));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // A source that cannot be read is one that apt cannot use either.
            }
        }
        return From(addresses);
    }

    /// <summary>Chooses from addresses of repositories: the first whose path ends with <c>/debian</c>, and with <c>/debian-security</c>. Snapshots of a day are no mirror of today.</summary>
    public static Mirrors From(IReadOnlyList<string> addresses) => new(
        addresses.FirstOrDefault(address => Is(address, "/debian")) ?? Default.Debian,
        addresses.FirstOrDefault(address => Is(address, "/debian-security")) ?? Default.Security);

    /// <summary>The addresses in one sources file, of either format, in their order.</summary>
    public static IEnumerable<string> Addresses(string text)
    {
        foreach (string raw in text.Split('\n'))
        {
            string line = raw.Split('#')[0].Trim();
            bool old = line.StartsWith("deb ", StringComparison.Ordinal) || line.StartsWith("deb\t", StringComparison.Ordinal);
            if (!old && !line.StartsWith("URIs:", StringComparison.OrdinalIgnoreCase))
                continue;
            foreach (string word in line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries))
            {
                if (word.StartsWith("http://", StringComparison.Ordinal) || word.StartsWith("https://", StringComparison.Ordinal))
                    yield return word.TrimEnd('/');
            }
        }
    }

    /// <summary>The archive that carries a suite.</summary>
    public string Of(string suite) => suite.EndsWith("-security", StringComparison.Ordinal) ? Security : Debian;

    private static bool Is(string address, string end) => address.EndsWith(end, StringComparison.Ordinal) && !address.Contains("snapshot", StringComparison.Ordinal);

    private static IEnumerable<string> SourceFiles(string folder)
    {
        if (File.Exists(Path.Combine(folder, "sources.list")))
            yield return Path.Combine(folder, "sources.list");
        string parts = Path.Combine(folder, "sources.list.d");
        if (!Directory.Exists(parts))
            yield break;
        foreach (string file in Directory.GetFiles(parts).Where(file => file.EndsWith(".list", StringComparison.Ordinal) || file.EndsWith(".sources", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
            yield return file;
    }
}
