using System.Text.RegularExpressions;

namespace DriverLab.Architecture.Tests;

/// <summary>Only the rig with its labs, the command and the fixtures for users start processes, and the guest program, which is process 1 of its machine: a unit test of a storage driver never does.</summary>
public partial class ProcessTests
{
    private static readonly string[] MayStart = ["src/DriverLab.Rig/", "src/DriverLab.Labs/", "src/DriverLab.Cli/", "src/DriverLab.NUnit/", "src/DriverLab.Guest/"];

    [GeneratedRegex(@"\bProcess\.Start\b|\bnew (System\.Diagnostics\.)?Process(StartInfo)?\b|\bpartial \w+ (execve?|execvp|v?fork|posix_spawnp?|system|popen)\(")]
    private static partial Regex Start();

    [Test]
    public void Nothing_but_rig_command_and_fixtures_starts_a_process()
    {
        var starts = from file in Repository.Sources("src")
                     where !MayStart.Any(allowed => file.StartsWith(allowed, StringComparison.Ordinal))
                     where Start().IsMatch(Repository.Read(file))
                     select file;
        Assert.That(starts, Is.Empty);
    }
}
