using System.Diagnostics;
using DriverLab.Conformance.Scenarios;
using DriverLab.Conformance.Shell;

namespace DriverLab.Conformance.Tests;

/// <summary>Scenarios as shell scripts.</summary>
public class ShellTests
{
    public static IEnumerable<Scenario> All => ScenarioStore.Load(Path.Combine(Texts.Root, "tests/Scenarios"), []);

    [Test]
    public void Every_scenario_prints_as_a_script_that_sh_can_read()
    {
        foreach (var scenario in All)
        {
            string script = ShellWriter.Print(scenario);
            var (status, output) = Sh(["-n"], script);
            Assert.That(status, Is.Zero, $"{scenario.Name}: {output}\n{script}");
        }
    }

    [Test]
    public void A_script_does_what_the_scenario_does()
    {
        if (!Environment.IsPrivilegedProcess)
            Assert.Ignore("the script needs root for its mount namespace");
        string script = ShellWriter.Print(Texts.Scenario("mkdir /d ; write /d/f \"one\\n\" ; link /d/f /d/g\nwrite /d/f \"two%\" append ; fd = open /d/g O_RDONLY\nread fd 100\nunlink /d/f\ncat /d/g\nalice(uid 1000): unlink /d/g\nrmdir /d"));
        var (status, output) = Sh([], script);
        Assert.Multiple(() =>
        {
            Assert.That(output, Does.Contain("one\ntwo%"), script);
            Assert.That(output.ToLowerInvariant(), Does.Contain("permission denied"));
            Assert.That(output, Does.Contain("not empty"));
            Assert.That(status, Is.Zero);
        });
    }

    private static (int Status, string Output) Sh(string[] options, string script)
    {
        string file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, script);
            var start = new ProcessStartInfo("/bin/sh", [.. options, file]) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
            using var process = Process.Start(start)!;
            process.StandardInput.Close();
            var error = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, output + error.Result);
        }
        finally
        {
            File.Delete(file);
        }
    }
}
