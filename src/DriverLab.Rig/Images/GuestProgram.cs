using System.Text;
using DriverLab.Rig.Cache;
using DriverLab.Rig.Processes;

namespace DriverLab.Rig.Images;

/// <summary>Finds the guest program, or publishes it from the sources and keeps it in the cache under a hash of those sources.</summary>
public sealed class GuestProgram(RigCache cache)
{
    /// <summary>Name of the program's file.</summary>
    public const string FileName = "driverlab-guest";

    /// <summary>The program for this run: <c>$DRIVERLAB_GUEST</c>, else one of this checkout's sources as they are now, else the one that was installed with the command.</summary>
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

    /// <summary>The program of a source tree: what its build left in <c>artifacts</c> when the sources are the same, else the cache's, else published now.</summary>
    public async Task<string> PublishAsync(string root, IProgress<string>? progress, CancellationToken cancellation)
    {
        // One definition of "the same sources" for the build and for us.
        string stamp = (await Tool.OutputAsync("bash", [Path.Combine(root, "build", "stamp.sh"), "guest"], root, cancellation).ConfigureAwait(false)).Trim();
        string built = Path.Combine(root, "artifacts", "guest", FileName), builtStamp = Path.Combine(root, "artifacts", "guest.stamp");
        if (File.Exists(built) && File.Exists(builtStamp) && (await File.ReadAllTextAsync(builtStamp, cancellation).ConfigureAwait(false)).Trim() == stamp)
            return built;
        string program = cache.PathOf("guest", stamp[..32], FileName);
        if (await IsWholeAsync(program, cancellation).ConfigureAwait(false))
            return program;
        using (await cache.LockAsync("guest", progress, cancellation).ConfigureAwait(false))
        {
            if (!await IsWholeAsync(program, cancellation).ConfigureAwait(false))
                await PublishAsync(root, program, progress, cancellation).ConfigureAwait(false);
        }
        return program;
    }

    /// <summary>The source tree that this program belongs to: <c>$DRIVERLAB_HOME</c>, else the folder above the program that holds <c>DriverLab.sln</c>; null for an installed command.</summary>
    public static string? SourceRoot()
    {
        if (Environment.GetEnvironmentVariable("DRIVERLAB_HOME") is { Length: > 0 } home && IsSourceRoot(home))
            return Path.GetFullPath(home);
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (IsSourceRoot(folder.FullName))
                return folder.FullName;
        }
        return null;
    }

    private static bool IsSourceRoot(string folder) => File.Exists(Path.Combine(folder, "DriverLab.sln")) && File.Exists(Path.Combine(folder, "build", "stamp.sh"));

    private async Task PublishAsync(string root, string program, IProgress<string>? progress, CancellationToken cancellation)
    {
        string dotnet = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") is { Length: > 0 } host ? host : Tool.Require("dotnet", "dotnet-sdk-10.0", "to publish the guest program");
        string linker = Tool.Find("gcc") is not null ? "gcc" : Tool.Find("clang") is not null ? "clang"
            : throw new RigException("neither gcc nor clang is installed, and one is needed to link the guest program; install it with: apt-get install gcc libc6-dev zlib1g-dev");
        progress?.Report("publishing the guest program (compiled ahead of time, about half a minute)");
        string output = Path.GetDirectoryName(program)! + ".new";
        string[] arguments =
        [
            "publish", Path.Combine(root, "src", "DriverLab.Guest"), "-c", "Release", "-r", "linux-x64", "-o", output, "-nologo", "-v", "quiet",
            // Apart from the ordinary build, which other programs may be running from; apart from other checkouts too.
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

    private static async Task<bool> IsWholeAsync(string program, CancellationToken cancellation) =>
        File.Exists(program) && File.Exists(program + ".sha256") &&
        await File.ReadAllTextAsync(program + ".sha256", cancellation).ConfigureAwait(false) == await FileHash.OfAsync(program, cancellation).ConfigureAwait(false);

    private static RigException Failed(Tool.Result result)
    {
        string all = result.Output + result.Error;
        var errors = all.Split('\n').Where(line => line.Contains("error", StringComparison.OrdinalIgnoreCase)).Distinct().Take(5).ToList();
        string said = string.Join("; ", errors.Count > 0 ? errors : all.Split('\n').TakeLast(4)).Trim();
        string hint = all.Contains("-lz", StringComparison.Ordinal) ? " (install it with: apt-get install zlib1g-dev)" : "";
        return new($"the guest program could not be published (status {result.ExitCode}): {said}{hint}");
    }
}
