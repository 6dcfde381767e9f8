using System.Security.Cryptography;
using System.Text;

namespace DriverLab.Doors.Tests;

/// <summary>A suite of another project as a program: built once from Debian's source package with Debian's Go, and kept in the user's cache. None of its code is in this repository.</summary>
internal static class GoSuite
{
    private const string Sources = "/usr/share/gocode";

    /// <summary>Builds it. It needs no libraries, so that it runs in a machine too.</summary>
    /// <param name="machine">Where Go runs.</param>
    /// <param name="name">Names it in the cache.</param>
    /// <param name="package">Debian's package with the suite.</param>
    /// <param name="file">A file of it, below Go's sources; another version of it is another program.</param>
    /// <param name="own">Our files, by their paths below Go's sources; the first one's folder is what is built.</param>
    public static string Build(Machine machine, string name, string package, string file, Dictionary<string, string> own)
    {
        Machine.Needs("go");
        string suite = Path.Combine(Sources, "src", file);
        if (!File.Exists(suite))
            throw new IgnoreException($"{package} is not installed; see build/packages.txt");
        string cache = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify), $".cache/driverlab/{name}-suite");
        string text = string.Join('\n', own.Values.Select(static source => File.ReadAllText(Path.Combine(TestContext.CurrentContext.TestDirectory, "Suites", source))));
        string binary = Path.Combine(cache, $"suite-{File.GetLastWriteTimeUtc(suite).Ticks:x}-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..12]}");
        if (File.Exists(binary))
            return binary;
        if (Directory.Exists(Path.Combine(cache, "src")))
            Directory.Delete(Path.Combine(cache, "src"), recursive: true); // a file that had another name would be built too
        foreach (var (path, source) in own)
        {
            string target = Path.Combine(cache, "src", path);
            _ = Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(Path.Combine(TestContext.CurrentContext.TestDirectory, "Suites", source), target, overwrite: true);
        }
        // Debian keeps the third version of this library at the path of the first; without modules Go does not find it.
        string library = Path.Combine(cache, "src/gotest.tools");
        _ = Directory.CreateDirectory(library);
        if (!Path.Exists(Path.Combine(library, "v3")))
            _ = Directory.CreateSymbolicLink(Path.Combine(library, "v3"), Path.Combine(Sources, "src/gotest.tools"));
        foreach (var (key, value) in (IEnumerable<(string, string)>)[("GO111MODULE", "off"), ("GOPATH", $"{cache}:{Sources}"), ("GOCACHE", Path.Combine(cache, "go")), ("GOFLAGS", "-p=2"), ("CGO_ENABLED", "0"), ("HOME", cache)])
            machine.Environment_[key] = value;
        _ = machine.Run("go", "test", "-c", "-o", binary + ".new", Path.GetDirectoryName(own.Keys.First())!);
        File.Move(binary + ".new", binary, overwrite: true);
        Directory.Delete(Path.Combine(cache, "go"), recursive: true); // 200 MB that only another build would use
        return binary;
    }
}
