using System.Text.RegularExpressions;

namespace DriverLab.Cli.Tests;

/// <summary>A run in parts, merged, is the run.</summary>
public class ShardTests
{
    private string _folder = "";

    [SetUp]
    public void MakeData()
    {
        _folder = Directory.CreateTempSubdirectory("driverlab-shard").FullName;
        Directory.CreateDirectory(Path.Combine(_folder, "Scenarios", "vfs", "s"));
        for (int i = 0; i < 22; i++)
            File.WriteAllText(Path.Combine(_folder, "Scenarios", "vfs", "s", $"{i:00}.scenario"), $"# One of many.\nsuite vfs\nmkdir /d{i}\n{(i % 7 == 3 ? "mkdir /other" : "rmdir /d" + i)}\nmanifest /\n");
        Directory.CreateDirectory(Path.Combine(_folder, "Ledger"));
        File.WriteAllText(Path.Combine(_folder, "Ledger", "known.ledger"), "id: never-seen\nscenario: vfs/s/0*\nkernels: *\nstep: 1\nreason: A test.\nevidence: None.\n");
        // Makes the two sides differ in some scenarios: the kernel is the emulator's twin, but a gap is claimed.
        File.WriteAllText(Path.Combine(_folder, "Scenarios", "vfs", "s", "claims.scenario"), "# Claims a gap.\nsuite vfs\ngap \"nothing\"\nmkdir /a\n");
    }

    [TearDown]
    public void Remove() => Directory.Delete(_folder, recursive: true);

    [Test]
    public async Task Four_parts_give_the_same_merged_report_as_one()
    {
        string whole = await Part("1/1");
        var four = new List<string>();
        for (int i = 1; i <= 4; i++)
            four.Add(await Part($"{i}/4"));
        var (oneCode, one) = await Merge(whole);
        var (fourCode, together) = await Merge([.. four]);
        Assert.Multiple(() =>
        {
            Assert.That(together, Is.EqualTo(one));
            Assert.That((oneCode, fourCode), Is.EqualTo((1, 1)), "the vanished entry and the claimed gap are differences");
            Assert.That(one, Does.Contain("'never-seen' lists a difference that is gone").And.Contain("\"same\":22,\"different\":2"));
        });
    }

    [Test]
    public async Task A_report_that_was_cut_off_is_refused()
    {
        string file = await Part("1/1");
        string[] lines = await File.ReadAllLinesAsync(file);
        await File.WriteAllLinesAsync(file, lines[..^1]);
        var error = new StringWriter();
        Assert.That(await CommandLine.RunAsync(["report", "merge", file], TextWriter.Null, error), Is.EqualTo(2));
        Assert.That(error.ToString(), Does.Contain("the report has no summary: the run that wrote it did not end"));
        await File.WriteAllTextAsync(file, "hello\n");
        Assert.That(await CommandLine.RunAsync(["report", "merge", file], TextWriter.Null, error), Is.EqualTo(2));
        Assert.That(error.ToString(), Does.Contain($"{file}:1: this is no line of a report"));
    }

    [Test]
    public async Task The_table_of_kernels_is_made_of_reports_and_put_between_its_marks()
    {
        string report = await Part("1/1"), bench = Path.Combine(_folder, "bench.json"), page = Path.Combine(_folder, "page.md");
        await File.WriteAllTextAsync(bench, "{\"rig\":{\"line\":\"emulated\",\"boot_s\":2.5,\"restores_s\":[0.3,0.2,0.4],\"snapshot_s\":0.1,\"revert_s\":0.35,\"calls\":1000,\"batch_s\":0.1}}\n{\"summary\":{}}\n");
        await File.WriteAllTextAsync(page, "before\n<!-- matrix: made by 'driverlab report table', do not edit -->\nold\n<!-- /matrix -->\nafter\n");
        Assert.That(await CommandLine.RunAsync(["report", "table", report, "--bench", bench, "--into", page], TextWriter.Null, TextWriter.Null), Is.Zero);
        string text = await File.ReadAllTextAsync(page);
        Assert.That(text, Does.StartWith("before\n").And.EndWith("<!-- /matrix -->\nafter\n").And.Not.Contain("old").And.Contain("| 22 | 0 | 1 | 0 | 0 | 2.5 s | 0.30 / 0.40 s | 0.10 / 0.35 s | 10000 |"));
        var error = new StringWriter();
        await File.WriteAllTextAsync(page, "no marks");
        Assert.That(await CommandLine.RunAsync(["report", "table", report, "--into", page], TextWriter.Null, error), Is.EqualTo(2));
        Assert.That(error.ToString(), Does.Contain("there is no place for the table"));
    }

    private async Task<string> Part(string shard)
    {
        var output = new StringWriter();
        var error = new StringWriter();
        int code = await CommandLine.RunAsync(["conform", "--kernel", "emulated", "--data", _folder, "--json", "--shard", shard], output, error);
        Assert.That(code, Is.LessThanOrEqualTo(1), error.ToString());
        string file = Path.Combine(_folder, $"report-{shard.Replace('/', '-')}.json");
        await File.WriteAllTextAsync(file, output.ToString());
        return file;
    }

    /// <summary>The merged report, all but the time it took.</summary>
    private static async Task<(int Code, string Text)> Merge(params string[] files)
    {
        var output = new StringWriter();
        var error = new StringWriter();
        int code = await CommandLine.RunAsync(["report", "merge", "--json", .. files], output, error);
        Assert.That(error.ToString(), Is.Empty);
        string text = output.ToString();
        return (code, Regex.Replace(text, "\"(seconds|kernelSeconds)\":[0-9.]+", ""));
    }
}
