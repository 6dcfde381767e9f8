using System.Text.Json;

namespace DriverLab.Cli.Tests;

/// <summary>Faults drawn from the emulator's code.</summary>
public sealed class MutateCommandTests
{
    private static async Task<(int Code, string[] Lines, string Error)> Run(params string[] arguments)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        int code = await CommandLine.RunAsync(["mutate", .. arguments], output, error);
        return (code, output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries), error.ToString());
    }

    [Test]
    public async Task The_same_seed_draws_the_same_faults_and_another_seed_others()
    {
        string[] List(string seed) => ["--list", "--named", "false", "--drawn", "200", "--seed", seed];
        var (first, again, other) = ((await Run(List("1"))).Lines, (await Run(List("1"))).Lines, (await Run(List("2"))).Lines);
        Assert.That(again, Is.EqualTo(first));
        Assert.That(first.Intersect(other).Count(), Is.LessThan(40));
    }

    [Test]
    public async Task Every_suite_has_its_share_and_no_line_of_code_has_two()
    {
        var (_, lines, _) = await Run("--list", "--named", "false", "--drawn", "600");
        Assert.That(lines.CountBy(static l => l[..l.IndexOf(':', StringComparison.Ordinal)]).OrderBy(static c => c.Key, StringComparer.Ordinal).Select(static c => (c.Key, c.Value)),
            Is.EqualTo(new[] { ("aufs", 100), ("block", 100), ("dm", 100), ("overlay", 100), ("thin", 100), ("vfs", 100) }));
        Assert.That(lines.Select(static l => string.Join(':', l.Split(':')[1..3])), Is.Unique);
    }

    [Test]
    public async Task A_fault_names_a_line_that_exists()
    {
        string root = Environment.GetEnvironmentVariable("DRIVERLAB_HOME") ?? Find(AppContext.BaseDirectory);
        var (_, lines, _) = await Run("--list", "--named", "false", "--drawn", "60");
        foreach (var words in lines.Select(static l => l.Split(':')))
            Assert.That(File.ReadLines(Path.Combine(root, words[1].Trim())).Count(), Is.GreaterThanOrEqualTo(int.Parse(words[2], System.Globalization.CultureInfo.InvariantCulture)), words[1]);
    }

    [Test]
    public async Task A_fault_is_tried_in_a_process_of_its_own_and_a_recorded_run_notices_it()
    {
        var (code, lines, error) = await Run("--mutation", "WhiteoutNotMade", "--seconds", "0", "--json");
        Assert.That(code, Is.Zero, error);
        Assert.That(JsonDocument.Parse(lines[0]).RootElement.GetProperty("fault").GetProperty("golden").GetString(), Does.Match(@"^(overlay|drivers|aufs)/.* on \d+\.\d+$"));
        Assert.That(JsonDocument.Parse(lines[^1]).RootElement.GetProperty("summary").GetProperty("caught_by_goldens").GetInt32(), Is.EqualTo(1));
    }

    /// <summary>Most faults that are drawn are noticed: a corpus that notices few is none, or the faults do not reach the emulator that is run.</summary>
    [Test]
    public async Task Drawn_faults_reach_the_emulator()
    {
        var (_, lines, error) = await Run("--named", "false", "--drawn", "6", "--seconds", "0", "--seed", "3", "--json");
        var summary = JsonDocument.Parse(lines[^1]).RootElement.GetProperty("summary");
        Assert.That(summary.GetProperty("faults").GetInt32(), Is.EqualTo(6), error);
        Assert.That(summary.GetProperty("caught_by_goldens").GetInt32(), Is.GreaterThanOrEqualTo(1), string.Join('\n', lines));
    }

    [Test]
    public async Task Wrong_numbers_and_names_are_told()
    {
        var (code, lines, error) = await Run("--drawn", "-1");
        Assert.That((code, error), Is.EqualTo((2, "driverlab: --drawn -1 is out of range; expected a number from 0 to 100000. Try 'driverlab mutate --help'.\n")));
        (code, _, error) = await Run("--mutation", "Nope");
        Assert.That(code, Is.EqualTo(2));
        Assert.That(error, Does.Contain("there is no fault 'Nope'; expected one of StickyIgnored"));
        (code, lines, error) = await Run("--mutation", "Lookup.cs", "--drawn", "200", "--list");
        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(lines.Where(static l => l.Length > 0), Is.Not.Empty.And.All.Contains("Lookup.cs:"));
    }

    private static string Find(string folder) => File.Exists(Path.Combine(folder, "DriverLab.sln")) ? folder : Find(Path.GetDirectoryName(folder.TrimEnd('/'))!);
}
