using System.Security.Cryptography;
using System.Text;
using DriverLab.Rig.Cache;
using DriverLab.Rig.Processes;

namespace DriverLab.Rig.Images;

/// <summary>Finds the guest program, or publishes it from the sources and keeps it in the cache under a hash of those sources.</summary>
public sealed class GuestProgram(RigCache cache)
{
    /// <summary>Name of the program's file.</summary>
    public const string FileName = "driverlab-guest";

    /// <summary>The program for this run: <c>$DRIVERLAB_GUEST</c>, else the one made from the sources that this assembly was built in, else the one beside the running command.</summary>
    /// <exception cref="RigException">There is none and none can be made.</exception>
    public async Task<string> GetAsync(IProgress<string>? progress, CancellationToken cancellation)
    {
        if (Environment.GetEnvironmentVariable("DRIVERLAB_GUEST") is { Length: > 0 } chosen)
            return File.Exists(chosen) ? Path.GetFullPath(chosen) : throw new RigUsageException($"DRIVERLAB_GUEST names {chosen}, which does not exist; expected a published driverlab-guest");
        if (SourceRoot() is { } root)
            return await PublishAsync(root, progress, cancellation).ConfigureAwait(false);
        string beside = Path.Combine(AppContext.BaseDirectory, FileName);
        return File.Exists(beside) ? beside
            : throw new RigException($"no guest program: {beside} does not exist and this command does not run from a source tree; publish src/DriverLab.Guest and name it with DRIVERLAB_GUEST=FILE");
    }

    /// <summary>Publishes from a source tree unless the cache has a program of the same sources.</summary>
    public async Task<string> PublishAsync(string root, IProgress<string>? progress, CancellationToken cancellation)
    {
        string digest = SourceDigest(root);
        string program = cache.PathOf("guest", digest, FileName);
        if (await IsWholeAsync(program, cancellation).ConfigureAwait(false))
            return program;
        using (await cache.LockAsync("guest", progress, cancellation).ConfigureAwait(false))
        {
            if (await IsWholeAsync(program, cancellation).ConfigureAwait(false))
                return program;
            string dotnet = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") is { Length: > 0 } host ? host : Tool.Require("dotnet", "dotnet-sdk-10.0", "to publish the guest program");
            string linker = Tool.Find("gcc") is not null ? "gcc" : Tool.Find("clang") is not null ? "clang"
                : throw new RigException("neither gcc nor clang is installed, and one is needed to link the guest program; install it with: apt-get install gcc libc6-dev zlib1g-dev");
            progress?.Report("publishing the guest program (ahead-of-time compiled, about half a minute)");
            string output = cache.Folder("guest", digest + ".new");
            string[] arguments =
            [
                "publish", Path.Combine(root, "src", "DriverLab.Guest"), "-c", "Release", "-r", "linux-x64", "-o", output, "-nologo", "-v", "quiet",
                // Apart from the ordinary build, which other programs may be running from.
                "--artifacts-path", cache.Folder("guest", "build-" + FileHash.Of(Encoding.UTF8.GetBytes(root))[..12]), "-p:CppCompilerAndLinker=" + linker,
            ];
            var result = await Tool.RunAsync(dotnet, arguments, root, cancellation).ConfigureAwait(false);
            if (result.ExitCode != 0 || !File.Exists(Path.Combine(output, FileName)))
                throw Failed(result);
            RigCache.Commit(program, stream =>
            {
                using var from = File.OpenRead(Path.Combine(output, FileName));
                from.CopyTo(stream);
            });
            File.SetUnixFileMode(program, (UnixFileMode)0x1ED);
            RigCache.Remove(output);
            string hash = await FileHash.OfAsync(program, cancellation).ConfigureAwait(false);
            RigCache.Commit(program + ".sha256", stream => stream.Write(Encoding.ASCII.GetBytes(hash)));
        }
        return program;
    }

    /// <summary>The source tree that this program was built in: the folder above it that holds <c>DriverLab.sln</c>; null for an installed command.</summary>
    public static string? SourceRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "DriverLab.sln")) && Directory.Exists(Path.Combine(folder.FullName, "src", "DriverLab.Guest")))
                return folder.FullName;
        }
        return null;
    }

    /// <summary>Hash of every source of the guest program and of the projects that it refers to.</summary>
    internal static string SourceDigest(string root)
    {
        var projects = new SortedSet<string>(StringComparer.Ordinal);
        Collect(Path.Combine(root, "src", "DriverLab.Guest", "DriverLab.Guest.csproj"), projects);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string file in projects.SelectMany(Sources).Concat(Shared(root)))
        {
            hash.AppendData(Encoding.UTF8.GetBytes(Path.GetRelativePath(root, file) + "\0"));
            hash.AppendData(File.ReadAllBytes(file));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset())[..32];
    }

    private static IEnumerable<string> Shared(string root) =>
        ((string[])["Directory.Build.props", "Directory.Packages.props", "global.json", "src/Directory.Build.props", "src/DriverLab.Guest/packages.lock.json"])
            .Select(name => Path.Combine(root, name)).Where(File.Exists);

    private static void Collect(string project, SortedSet<string> projects)
    {
        if (!File.Exists(project) || !projects.Add(Path.GetFullPath(project)))
            return;
        foreach (string line in File.ReadLines(project))
        {
            int start = line.IndexOf("ProjectReference Include=\"", StringComparison.Ordinal);
            if (start < 0)
                continue;
            start += "ProjectReference Include=\"".Length;
            Collect(Path.Combine(Path.GetDirectoryName(project)!, line[start..line.IndexOf('"', start)].Replace('\\', '/')), projects);
        }
    }

    private static IEnumerable<string> Sources(string project)
    {
        string folder = Path.GetDirectoryName(project)!;
        return Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/bin/", StringComparison.Ordinal) && !file.Contains("/obj/", StringComparison.Ordinal) && !file.EndsWith(".md", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal);
    }

    private static async Task<bool> IsWholeAsync(string program, CancellationToken cancellation) =>
        File.Exists(program) && File.Exists(program + ".sha256") &&
        await File.ReadAllTextAsync(program + ".sha256", cancellation).ConfigureAwait(false) == await FileHash.OfAsync(program, cancellation).ConfigureAwait(false);

    private static RigException Failed(Tool.Result result)
    {
        var lines = (result.Output + result.Error).Split('\n').Where(line => line.Contains("error", StringComparison.OrdinalIgnoreCase)).Distinct().Take(5).ToList();
        string said = lines.Count > 0 ? string.Join("; ", lines) : string.Join("; ", (result.Output + result.Error).Split('\n').TakeLast(4));
        string hint = said.Contains("-lz", StringComparison.Ordinal) ? " (install it with: apt-get install zlib1g-dev)" : "";
        return new($"the guest program could not be published (status {result.ExitCode}): {said.Trim()}{hint}");
    }
}
