namespace DriverLab.Doors.Tests;

/// <summary>containerd's own snapshotter suite as a program: built once from Debian's source package with Debian's Go, and kept in the user's cache. None of its code is in this repository.</summary>
internal static class SnapshotterSuite
{
    private const string Sources = "/usr/share/gocode";

    /// <summary>The program's path. It needs no libraries, so that it runs in a machine too.</summary>
    public static string Build(Machine machine)
    {
        string package = Path.Combine(Sources, "src/github.com/containerd/containerd/snapshots/testsuite/testsuite.go");
        if (!File.Exists(package))
            throw new IgnoreException("golang-github-containerd-containerd-dev is not installed; see build/packages.txt");
        string cache = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify), ".cache/driverlab/snapshotter-suite");
        string source = Path.Combine(TestContext.CurrentContext.TestDirectory, "Suites/snapshotter_test.go.txt");
        string binary = Path.Combine(cache, $"suite-{File.GetLastWriteTimeUtc(package).Ticks:x}-{new FileInfo(source).Length:x}");
        if (File.Exists(binary))
            return binary;
        string work = Path.Combine(cache, "src/driverlab/suite");
        _ = Directory.CreateDirectory(work);
        File.Copy(source, Path.Combine(work, "snapshotter_test.go"), overwrite: true);
        foreach (var (key, value) in (IEnumerable<(string, string)>)[("GO111MODULE", "off"), ("GOPATH", $"{cache}:{Sources}"), ("GOCACHE", Path.Combine(cache, "go")), ("GOFLAGS", "-p=2"), ("CGO_ENABLED", "0"), ("HOME", cache)])
            machine.Environment_[key] = value;
        _ = machine.Run("go", "test", "-c", "-o", binary + ".new", "driverlab/suite");
        File.Move(binary + ".new", binary, overwrite: true);
        Directory.Delete(Path.Combine(cache, "go"), recursive: true); // 200 MB that only another build would use
        return binary;
    }

    /// <summary>All cases pass but Rename, which the suite itself may skip.</summary>
    public static void Judge(string driver, int code, string output, string error)
    {
        var lines = output.Split('\n').Select(l => l.Trim()).Where(l => l.StartsWith("--- ", StringComparison.Ordinal) && l.Contains('/', StringComparison.Ordinal)).ToArray();
        int passed = lines.Count(l => l.StartsWith("--- PASS", StringComparison.Ordinal)), skipped = lines.Count(l => l.StartsWith("--- SKIP", StringComparison.Ordinal));
        TestContext.Out.WriteLine($"{driver}: {passed} passed, {skipped} skipped, {lines.Length - passed - skipped} failed of {lines.Length}");
        Assert.That(code, Is.Zero, $"{string.Join('\n', output.Split('\n').TakeLast(80))}\n{error}");
        Assert.That(lines, Has.Length.GreaterThanOrEqualTo(21));
        Assert.That(lines.Where(l => l.StartsWith("--- SKIP", StringComparison.Ordinal)), Has.All.Contain("Rename"), "only Rename may be skipped, by the suite itself");
    }
}
