using System.Globalization;
using System.Reflection;
using System.Text.Json;
using DriverLab.Testing;

namespace DriverLab.Cli.Tests;

/// <summary>What was recorded of kernels is replayed on the emulator in every run of the tests; the kernels themselves are asked again for a part, another one for each commit.</summary>
public sealed class SampleTests
{
    private const int Parts = 24;

    [Test]
    public async Task A_part_of_all_scenarios_that_the_commit_chooses_agrees_with_real_kernels()
    {
        string version = typeof(CommandLine).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;
        int plus = version.IndexOf('+');
        int part = plus < 0 ? 1 : 1 + (int)(uint.Parse(version.AsSpan(plus + 1, 8), NumberStyles.HexNumber, CultureInfo.InvariantCulture) % Parts);
        var (output, error) = (new StringWriter(), new StringWriter());
        int code = await CommandLine.RunAsync(["conform", "--kernel", "6.1", "--kernel", "6.12", "--shard", $"{part}/{Parts}"], output, error);
        if (code == 3)
            NoRig.Ignore(error.ToString());
        TestContext.Out.WriteLine($"part {part} of {Parts}\n{output}");
        Assert.That(code, Is.EqualTo(0).Or.EqualTo(4), $"part {part} of {Parts}: {output}{error}"); // 4: nothing differs, something is not modelled
    }

    [Test]
    public async Task All_that_was_recorded_of_any_kernel_agrees_and_nothing_of_it_is_out_of_date()
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        int code = await CommandLine.RunAsync(["golden", "verify", "--json"], output, error);
        Assert.That(code, Is.EqualTo(0).Or.EqualTo(4), error.ToString());
        var cases = output.ToString().Split('\n').Where(static l => l.StartsWith("{\"case\"", StringComparison.Ordinal)).Select(static l => JsonDocument.Parse(l).RootElement.GetProperty("case")).ToList();
        var verdicts = cases.CountBy(static c => c.GetProperty("verdict").GetString()!).ToDictionary();
        Assert.That(verdicts["same"], Is.GreaterThan(7000), "of seven lines");
        Assert.That(verdicts.Keys, Does.Not.Contain("different"));
        Assert.That(cases.Where(static c => c.TryGetProperty("reason", out var r) && r.GetString()!.Contains("golden record", StringComparison.Ordinal)).Select(static c => $"{c.GetProperty("scenario")} on {c.GetProperty("kernel")}: {c.GetProperty("reason")}"), Is.Empty);
    }

    [Test]
    public async Task Replays_of_what_was_recorded_do_the_same_each_time()
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        int code = await CommandLine.RunAsync(["golden", "verify", "--kernel", "6.12", "--suite", "overlay", "--times", "3"], output, error);
        Assert.That(code, Is.EqualTo(0).Or.EqualTo(4), error.ToString());
        Assert.That(error.ToString(), Does.Match(@"3 replays of \d{3,} runs: 0 not the same each time"));
        Assert.That(await CommandLine.RunAsync(["golden", "verify", "--times", "0"], output, error), Is.EqualTo(2));
        Assert.That(error.ToString(), Does.Contain("--times 0 is out of range; expected a number from 1 to 1000000."));
    }
}
