using System.Text.Json;

namespace DriverLab.Cli.Tests;

/// <summary>The command in-process: exit codes, streams, and what wrong input is told.</summary>
public class CommandTests
{
    private static async Task<(int Code, string Output, string Error)> Run(params string[] arguments)
    {
        var output = new StringWriter();
        var error = new StringWriter();
        int code = await CommandLine.RunAsync(arguments, output, error);
        return (code, output.ToString(), error.ToString());
    }

    [TestCase("'conformm' is no command; expected one of conform, fuzz, atlas, mutate", "conformm")]
    [TestCase("--kernelx", "conform", "--kernelx")]
    [TestCase("there is no suite 'nfs'; expected one of", "conform", "--suite", "nfs", "--kernel", "emulated")]
    [TestCase("no scenario matches 'vfs/nope*'", "conform", "--scenario", "vfs/nope*", "--kernel", "emulated")]
    [TestCase("there are no scenarios in /nonexistent", "conform", "--data", "/nonexistent")]
    [TestCase("kernel '9.9' is not in the catalogue; known lines:", "conform", "--kernel", "9.9")]
    [TestCase("--shard 5/4 is no part; expected I/N", "conform", "--shard", "5/4")]
    [TestCase("--kernels ',' names no kernel; expected all, cached, or a list", "conform", "--kernels", ",")]
    [TestCase("report /nonexistent cannot be read", "report", "merge", "/nonexistent")]
    [TestCase("kernel show: which kernel? Expected a line", "kernel", "show")]
    [TestCase("'99' is no digest; expected 12 to 64 hexadecimal digits", "kernel", "show", "6.1=6.1.1-1@99")]
    [TestCase("--modules and --config describe a kernel of your own", "kernel", "show", "6.1", "--modules", "/lib")]
    [TestCase("there is no scenario 'nope'", "scenario", "show", "nope")]
    [TestCase("'host' cannot be recorded", "golden", "record", "--kernel", "host")]
    [TestCase("kernel '9.9' is not recorded", "golden", "verify", "--kernel", "9.9")]
    [TestCase("'x' is no kernel line", "scenario", "run", "vfs/rename/plain", "--kernel", "emulated:x")]
    public async Task Wrong_input_gets_one_sentence_and_code_2(string sentence, params string[] arguments)
    {
        var (code, output, error) = await Run(arguments);
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(2), error);
            Assert.That(error, Does.Contain(sentence));
            Assert.That(error, Does.Not.Contain("   at "), "a stack trace is no sentence");
            Assert.That(output, Is.Empty);
        });
    }

    [Test]
    public async Task Explain_warns_of_what_is_dangerous_about_a_union()
    {
        var (code, output, error) = await Run("explain", "aufs", "br=/rw=rw:/low=ro");
        Assert.That(code, Is.Zero, error);
        Assert.That(output, Does.Contain("6.1-aufs: mounted").And.Contain("br1: /low=ro").And.Contain("warning    whiteouts: branches that are ro").And.Contain("RENAME_EXCHANGE"));
    }

    [Test]
    public async Task Explain_says_where_a_scenario_crashes_the_kernel()
    {
        var (code, output, error) = await Run("explain", "scenario", "aufs/oops/unlinked-and-directory-removed");
        Assert.That(code, Is.Zero, error);
        Assert.That(output, Does.Contain("write fd \"XX\": oops").And.Contain("warning: crash:"));
    }

    [Test]
    public async Task A_wrong_scenario_file_is_told_with_its_place()
    {
        string file = Path.Combine(Path.GetTempPath(), $"driverlab-{Guid.NewGuid():n}.scenario");
        await File.WriteAllTextAsync(file, "suite vfs\nmkdir /a\nopen /a O_RDONLI\n");
        try
        {
            var (code, _, error) = await Run("scenario", "show", file);
            Assert.That(code, Is.EqualTo(2));
            Assert.That(error, Does.Contain($"{file}:3:9: 'O_RDONLI' is no flag"));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Test]
    public async Task Help_tells_the_exit_codes()
    {
        var (code, output, _) = await Run("--help");
        Assert.That(code, Is.Zero);
        Assert.That(output, Does.Contain("Exit codes: 0 same, 1 different, 2 usage"));
    }

    [Test]
    public async Task List_show_and_to_shell_print_on_stdout_only()
    {
        var (_, list, error) = await Run("scenario", "list", "vfs/rename/*");
        string name = list[..list.IndexOf('\t')];
        var (_, text, _) = await Run("scenario", "show", name);
        var (_, script, _) = await Run("scenario", "to-shell", name);
        Assert.Multiple(() =>
        {
            Assert.That(error, Is.Empty);
            Assert.That(name, Does.StartWith("vfs/rename/"));
            Assert.That(text, Does.Contain("suite vfs"));
            Assert.That(script, Does.StartWith("#!/bin/sh"));
        });
    }

    [Test]
    public async Task Verbs_are_printed()
    {
        var (code, output, _) = await Run("scenario", "verbs");
        Assert.That((code, output.Contains("`rename OLD NEW", StringComparison.Ordinal)), Is.EqualTo((0, true)));
    }
}
