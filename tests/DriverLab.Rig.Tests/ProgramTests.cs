using System.Diagnostics;
using System.Text.RegularExpressions;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Rig.Machines;

namespace DriverLab.Rig.Tests;

/// <summary>Scenarios that run inside a machine, with their traces streamed out.</summary>
[Category("rig")]
[NonParallelizable]
public class ProgramTests
{
    [TestCase("6.1")]
    [TestCase("6.12")]
    public async Task A_batch_of_scenarios_runs_and_streams_its_trace(string line)
    {
        await using var machine = await RigHost.BootAsync(line);
        var scenarios = Enumerable.Range(0, 20).Select(i => ScenarioParser.Parse($"vfs/test/{i}", "test", $"suite vfs\nmkdir /d\nwrite /d/a \"hello {i}\"\ncat /d/a\nunlink /d/missing\n")).ToList();
        var runs = new List<ScenarioRun>();
        var reader = new BatchReader(new Collector(runs));
        long start = Stopwatch.GetTimestamp();
        await machine.RunProgramAsync(Batch.Encode(scenarios), reader.Read, CancellationToken.None);
        TestContext.Out.WriteLine($"{scenarios.Count} scenarios in {Stopwatch.GetElapsedTime(start).TotalSeconds:0.000} s");
        foreach (var trace in runs[0].Lines)
            TestContext.Out.WriteLine(trace.ToString());
        Assert.That(runs.Select(run => run.Status), Is.All.EqualTo(RunStatus.Done), string.Join('\n', runs.Select(run => run.Reason).Distinct()));
        Assert.That(runs, Has.Count.EqualTo(20));
        Assert.That(runs[7].Lines.Select(trace => trace.Outcome), Has.Some.Contains("ENOENT").And.Some.Contains("hello 7"));
        // What the runtime reads its random numbers from, by number and from any thread, must not be a number that a task's own files get.
        var (status, descriptors) = await machine.ShellAsync("ls -l /proc/1/fd");
        Assert.That((status, Regex.Match(descriptors, @" (\d+) -> /dev/urandom").Groups[1].Value), Is.EqualTo((0, "251")), descriptors);
    }

    private sealed class Collector(List<ScenarioRun> runs) : ITraceSink
    {
        private readonly CollectingSink inner = new();

        public void Begin(string scenario) => inner.Begin(scenario);

        public void Entering(int step) => inner.Entering(step);

        public void Line(in TraceLine line) => inner.Line(line);

        public void End(RunStatus status, string reason)
        {
            inner.End(status, reason);
            runs.Add(inner.Result!);
        }
    }
}
