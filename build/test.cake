// Test and Long: one run of all test projects, counted.

Task("Test")
    .Description("every test but the long ones; the counts go to artifacts/test-counts")
    .IsDependentOn("Build")
    .Does(() => RunTests("TestCategory!=long"));

Task("Long")
    .Description("the tests that take long")
    .IsDependentOn("Build")
    .Does(() => RunTests("TestCategory=long"));

/// Longer than any single test takes, on a busy machine too.
const string HangLimit = "12m";

void RunTests(string filter)
{
    var counts = new Dictionary<string, int>();
    var failures = new List<string>();
    var clock = System.Diagnostics.Stopwatch.StartNew();
    var arguments = new List<string> { "test", "--solution", "DriverLab.sln", "-c", Configuration, "--no-build", "--max-parallel-test-modules", "1", "--filter", filter, "--ignore-exit-code", "8" };
    // A program in which no test has begun or ended for this long is ended, and the tests that it was in are told; nothing waits for ever.
    arguments.AddRange(["--hangdump", "--hangdump-timeout", HangLimit, "--hangdump-type", "Mini"]);
    arguments.AddRange(userArguments);
    var start = new System.Diagnostics.ProcessStartInfo("dotnet", arguments) { WorkingDirectory = root.FullPath, UseShellExecute = false, RedirectStandardOutput = true };
    start.Environment["DRIVERLAB_HOME"] = root.FullPath;
    // What machines need is installed now: a test that gets none has failed.
    start.Environment["DRIVERLAB_TESTS_NEED_RIG"] = "1";
    // Tasks of the machine's own kernel are threads with other ids and mounts; on those the runtime's double mapping of code was seen to abort.
    start.Environment["DOTNET_EnableWriteXorExecute"] = "0";

    using var process = System.Diagnostics.Process.Start(start);
    const int FailureLines = 25;
    int modules = 0, told = 0;
    using var heartbeat = new System.Threading.Timer(_ => Console.WriteLine($"  … {clock.Elapsed.TotalSeconds:F0} s, {modules} test programs done"), null, 20_000, 20_000);
    for (string line; (line = process.StandardOutput.ReadLine()) is not null;)
    {
        Console.WriteLine(line);
        var count = System.Text.RegularExpressions.Regex.Match(line, @"^\s+(total|failed|succeeded|skipped): (\d+)$");
        if (count.Success)
            counts[count.Groups[1].Value] = int.Parse(count.Groups[2].Value);
        else if (System.Text.RegularExpressions.Regex.IsMatch(line, @"\.dll \(.*\) (passed|failed)"))
            modules++;
        else if (line.StartsWith("failed ", StringComparison.Ordinal))
            told = FailureLines;
        else if (line.Length > 0 && line[0] != ' ')
            told = 0;
        if (told > 0)
        {
            told--;
            failures.Add(line);
        }
    }
    process.WaitForExit();

    // Once more at the end, where a reader of a long log looks first.
    foreach (string failure in failures)
        Console.WriteLine(failure);

    int Count(string name) => counts.GetValueOrDefault(name);
    EnsureDirectoryExists(artifacts);
    System.IO.File.WriteAllText(artifacts.CombineWithFilePath("test-counts").FullPath, $"{Count("succeeded")} passed, {Count("failed")} failed, {Count("skipped")} skipped\n");
    if (process.ExitCode != 0)
        throw new CakeException(1, $"dotnet test: exit code {process.ExitCode}");
    if (Count("total") == 0)
        throw new CakeException(1, "no test ran");
}
