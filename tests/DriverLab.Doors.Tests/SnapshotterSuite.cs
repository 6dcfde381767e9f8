namespace DriverLab.Doors.Tests;

/// <summary>containerd's own snapshotter suite.</summary>
internal static class SnapshotterSuite
{
    /// <summary>The program's path.</summary>
    public static string Build(Machine machine) => GoSuite.Build(machine, "snapshotter", "golang-github-containerd-containerd-dev", "github.com/containerd/containerd/snapshots/testsuite/testsuite.go",
        new() { ["driverlab/suite/suite_test.go"] = "snapshotter_test.go.txt" });

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
