using System.Globalization;
using System.Net;
using DriverLab.Rig.Cache;
using DriverLab.Rig.Processes;

namespace DriverLab.Rig.Kernels;

/// <summary>A private apt: its own sources, lists and package status in a folder of the cache. The host's packages and lists are neither read nor changed; signatures are checked by apt against Debian's keyring.</summary>
/// <remarks>The host's other apt settings (proxies, retries) stay in force, so that fetching works wherever apt works.</remarks>
internal sealed class AptState
{
    /// <summary>Keys of Debian's archives.</summary>
    public const string Keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

    private readonly string folder;
    private readonly string[] options;

    /// <summary>Prepares the folder for a set of suites, and of their components; main when none is named.</summary>
    public AptState(string folder, Mirrors mirrors, IReadOnlyList<string> suites, params IReadOnlyList<string> components)
    {
        _ = Tool.Require("apt-get", "apt", "to fetch kernels with their signatures checked (Debian or a derivative is expected; else use --kernel-image)");
        _ = Tool.Require("dpkg-deb", "dpkg", "to unpack kernel packages");
        if (!File.Exists(Keyring))
            throw new RigException($"{Keyring} is missing, so kernel packages could not be verified; install it with: apt-get install debian-archive-keyring");
        this.folder = folder;
        foreach (string part in (string[])["lists/partial", "archives/partial", "preferences"])
            _ = Directory.CreateDirectory(Path.Combine(folder, part));
        string sources = Path.Combine(folder, "sources.list");
        File.WriteAllLines(sources, suites.Select(suite => $"deb [arch=amd64 signed-by={Keyring}] {mirrors.Of(suite)} {suite} {(components.Count == 0 ? "main" : string.Join(' ', components))}"));
        string status = Path.Combine(folder, "status");
        if (!File.Exists(status))
            File.WriteAllText(status, "");
        string[] pairs =
        [
            $"Dir::State={folder}", $"Dir::State::lists={folder}/lists", $"Dir::State::status={status}", $"Dir::State::extended_states={folder}/extended_states",
            $"Dir::Cache={folder}", $"Dir::Cache::archives={folder}/archives", $"Dir::Log={folder}",
            $"Dir::Etc::sourcelist={sources}", "Dir::Etc::sourceparts=/dev/null", "Dir::Etc::preferences=/dev/null", $"Dir::Etc::preferencesparts={folder}/preferences",
            "APT::Architecture=amd64", "APT::Architectures=amd64", "Acquire::Languages=none", "Acquire::Retries=3",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false", "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false",
            // Only root may change users, and the cache of root is not readable to _apt.
            $"APT::Sandbox::User={Environment.UserName}",
        ];
        options = [.. pairs.SelectMany(pair => (string[])["-o", pair])];
    }

    /// <summary>Fetches the lists.</summary>
    public async Task UpdateAsync(IProgress<string>? progress, CancellationToken cancellation)
    {
        progress?.Report("reading Debian's package lists");
        string[] arguments = [.. options, "-q", "update"];
        var result = await Tool.RunAsync("apt-get", arguments, folder, cancellation, line => Tell(line, progress)).ConfigureAwait(false);
        // apt-get update ends with 0 although a suite could not be fetched: the lines that begin with E: or W: Failed say so.
        string? failure = (result.Error + result.Output).Split('\n').FirstOrDefault(line => line.StartsWith("E:", StringComparison.Ordinal) || line.StartsWith("W: Failed", StringComparison.Ordinal));
        if (result.ExitCode != 0)
            throw Tool.Failed("apt-get", ["update"], result);
        if (failure is not null)
            throw new RigException($"Debian's package lists could not be read: {failure[2..].Trim()}; check the network, or name a mirror with DRIVERLAB_MIRROR=URL");
    }

    /// <summary>Every name in the lists that begins so.</summary>
    public async Task<IReadOnlyList<string>> NamesAsync(string prefix, CancellationToken cancellation)
    {
        string text = await Tool.OutputAsync("apt-cache", [.. options, "pkgnames", prefix], folder, cancellation).ConfigureAwait(false);
        return text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>All versions of some packages.</summary>
    public async Task<IReadOnlyList<AptPackage>> ShowAsync(IReadOnlyList<string> names, CancellationToken cancellation)
    {
        if (names.Count == 0)
            return [];
        string text = await Tool.OutputAsync("apt-cache", [.. options, "show", .. names], folder, cancellation).ConfigureAwait(false);
        return [.. text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Select(AptPackage.Parse).OfType<AptPackage>()];
    }

    /// <summary>Downloads one package into a folder, going on where an earlier download stopped when the server allows it.</summary>
    /// <returns>The file.</returns>
    /// <exception cref="RigException">It cannot be downloaded, or is not what Debian's signed list says.</exception>
    public async Task<string> DownloadAsync(AptPackage package, string into, IProgress<string>? progress, CancellationToken cancellation)
    {
        string file = Path.Combine(into, package.FileName);
        if (File.Exists(file) && await FileHash.OfAsync(file, cancellation).ConfigureAwait(false) == package.Sha256)
            return file;
        using var watching = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var watcher = WatchAsync(file, package, progress, watching.Token);
        try
        {
            if (await ResumeAsync(package, file, cancellation).ConfigureAwait(false) && await FileHash.OfAsync(file, cancellation).ConfigureAwait(false) == package.Sha256)
                return file;
            string[] arguments = [.. options, "-q", "download", $"{package.Name}={package.Version}"];
            var result = await Tool.RunAsync("apt-get", arguments, into, cancellation).ConfigureAwait(false);
            if (result.ExitCode != 0)
                throw Tool.Failed("apt-get", ["download", package.Name], result);
        }
        finally
        {
            await watching.CancelAsync().ConfigureAwait(false);
            await watcher.ConfigureAwait(false);
        }
        string found = await FileHash.OfAsync(file, cancellation).ConfigureAwait(false);
        if (found != package.Sha256)
        {
            File.Delete(file);
            throw new RigException($"{package.FileName} has SHA-256 {found}, but Debian's signed list says {package.Sha256}; it was deleted, try again");
        }
        return file;
    }

    /// <summary>Fetches the rest of a half package. <c>apt-get download</c> would delete it and begin anew, and its helper asks with If-Range by the file's time, which is right only after an orderly end of apt.</summary>
    /// <returns>True when the file has its size now; that it is the right one is for the caller to check.</returns>
    private async Task<bool> ResumeAsync(AptPackage package, string file, CancellationToken cancellation)
    {
        long have = new FileInfo(file) is { Exists: true } half ? half.Length : 0;
        if (have == 0 || have >= package.Size)
            return false;
        // Not beside the half package, which apt would delete at once.
        string said = await Tool.OutputAsync("apt-get", [.. options, "-q", "--print-uris", "download", $"{package.Name}={package.Version}"], folder, cancellation).ConfigureAwait(false);
        if (!Uri.TryCreate(said.Split('\'').ElementAtOrDefault(1), UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
            return false;
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, address) { Headers = { Range = new(have, null) } };
        try
        {
            using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation).ConfigureAwait(false);
            if (answer.StatusCode != HttpStatusCode.PartialContent || answer.Content.Headers.ContentRange?.From != have)
                return false;
            var stream = new FileStream(file, FileMode.Append, FileAccess.Write);
            await using (stream.ConfigureAwait(false))
                await answer.Content.CopyToAsync(stream, cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            // Where nothing came, apt may know a way (a proxy of its own), or says better what is wrong.
            if (new FileInfo(file).Length == have)
                return false;
            throw new RigException(string.Create(CultureInfo.InvariantCulture, $"the download of {package.FileName} broke after {new FileInfo(file).Length / 1e6:0.0} of {package.Size / 1e6:0.0} MB ({e.Message}); try again, it goes on from there"), e);
        }
        return new FileInfo(file).Length == package.Size;
    }

    /// <summary>Downloads packages that a folder has not yet, with one start of apt, which takes longer to read its lists than to fetch a small package.</summary>
    public async Task DownloadAsync(IReadOnlyList<AptPackage> packages, string into, IProgress<string>? progress, CancellationToken cancellation)
    {
        var missing = new List<AptPackage>();
        foreach (var package in packages)
        {
            string file = Path.Combine(into, package.FileName);
            if (!File.Exists(file) || await FileHash.OfAsync(file, cancellation).ConfigureAwait(false) != package.Sha256)
                missing.Add(package);
        }
        if (missing.Count == 0)
            return;
        progress?.Report(string.Create(CultureInfo.InvariantCulture, $"fetching {missing.Count} packages ({missing.Sum(package => package.Size) / 1e6:0.0} MB)"));
        string[] arguments = [.. options, "-q", "download", .. missing.Select(package => $"{package.Name}={package.Version}")];
        var result = await Tool.RunAsync("apt-get", arguments, into, cancellation).ConfigureAwait(false);
        if (result.ExitCode != 0)
            throw Tool.Failed("apt-get", ["download", .. missing.Select(package => package.Name)], result);
        // What apt fetched is there now: this only compares hashes.
        foreach (var package in missing)
            _ = await DownloadAsync(package, into, null, cancellation).ConfigureAwait(false);
    }

    private static async Task WatchAsync(string file, AptPackage package, IProgress<string>? progress, CancellationToken cancellation)
    {
        progress?.Report(string.Create(CultureInfo.InvariantCulture, $"fetching {package.Name} {package.Version} ({package.Size / 1e6:0.0} MB)"));
        try
        {
            while (true)
            {
                await Task.Delay(1000, cancellation).ConfigureAwait(false);
                long have = new FileInfo(file) is { Exists: true } info ? info.Length : 0;
                progress?.Report(string.Create(CultureInfo.InvariantCulture, $"fetching {package.Name}: {have / 1e6:0.0} of {package.Size / 1e6:0.0} MB"));
            }
        }
        catch (OperationCanceledException)
        {
            // The download has ended.
        }
    }

    private static void Tell(string line, IProgress<string>? progress)
    {
        if (line.StartsWith("Get:", StringComparison.Ordinal))
            progress?.Report("apt: " + string.Join(' ', line.Split(' ').Skip(2)));
    }
}

/// <summary>One package in one version, as apt's lists describe it.</summary>
/// <param name="Name">Package name.</param>
/// <param name="Version">Debian version.</param>
/// <param name="Depends">The Depends field, unparsed.</param>
/// <param name="Sha256">Hash of the package file, lower-case hexadecimal.</param>
/// <param name="Size">Size of the package file in bytes.</param>
/// <param name="Architecture"><c>amd64</c>, or <c>all</c>.</param>
internal sealed record AptPackage(string Name, string Version, string Depends, string Sha256, long Size, string Architecture = "amd64")
{
    /// <summary>What <c>apt-get download</c> calls the file: a colon in the version is written <c>%3a</c>.</summary>
    public string FileName => $"{Name}_{Version.Replace(":", "%3a", StringComparison.Ordinal)}_{Architecture}.deb";

    /// <summary>Reads one stanza; null when it is none.</summary>
    public static AptPackage? Parse(string stanza)
    {
        string? Field(string name) => stanza.Split('\n').Select(line => line.TrimEnd()).FirstOrDefault(line => line.StartsWith(name + ": ", StringComparison.Ordinal))?[(name.Length + 2)..];
        return Field("Package") is { } package && Field("Version") is { } version && Field("SHA256") is { } hash && long.TryParse(Field("Size"), CultureInfo.InvariantCulture, out long size)
            ? new(package, version, Field("Depends") ?? "", hash, size, Field("Architecture") ?? "amd64")
            : null;
    }
}
