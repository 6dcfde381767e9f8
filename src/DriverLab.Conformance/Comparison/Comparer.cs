using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Comparison;

/// <summary>Compares two runs of a scenario, outcome by outcome.</summary>
/// <param name="normalisers">What is not compared.</param>
/// <param name="ledger">Known differences.</param>
public sealed class Comparer(NormaliserSet normalisers, Ledger ledger)
{
    /// <summary>Compares the emulator's run with a real kernel's.</summary>
    public ScenarioComparison Compare(Scenario scenario, string kernel, ScenarioRun emulator, ScenarioRun real)
    {
        if (real.Status == RunStatus.Skipped)
            return new(scenario.Name, scenario.Suite, kernel, Verdict.Skipped, real.Reason, [], emulator, real);
        if (emulator.Status == RunStatus.Skipped)
            return new(scenario.Name, scenario.Suite, kernel, Verdict.Gap, $"the emulator {emulator.Reason}", [], emulator, real);

        if (emulator.Status == RunStatus.Broken && emulator.Reason.StartsWith(TraceLine.GapPrefix, StringComparison.Ordinal))
            return new(scenario.Name, scenario.Suite, kernel, Verdict.Gap, emulator.Reason[TraceLine.GapPrefix.Length..], [], emulator, real);

        // One run stands for both: what says the same needs no memory of its own.
        if (scenario.Gap is null && emulator.Status == RunStatus.Done && emulator.Status == real.Status && emulator.Reason == real.Reason && AreEqual(emulator.Lines, real.Lines))
            return new(scenario.Name, scenario.Suite, kernel, Verdict.Same, "", [], real, real);

        bool crashed = EndedAtTheSameStep(emulator, real);
        var (found, gap) = CompareSteps(scenario, kernel, emulator, real, crashed);
        if (gap is null && !crashed && Plain(emulator.Reason) != Plain(real.Reason))
            found.Insert(0, new(scenario.Name, kernel, 0, "run", "", Whole(emulator), Whole(real), "runner"));
        // What a kernel is left with may be seen by the scenarios after it, whatever the emulator says.
        if (real.LeftSomething && found.Count == 0)
            found.Add(new(scenario.Name, kernel, 0, "clean up", "", "the same; the scenario must take away what it makes", real.Reason, "runner"));
        if (scenario.Gap is not null && gap is null && found.Count == 0)
            found.Add(new(scenario.Name, kernel, 0, "gap", "", $"no gap, but the header says gap \"{scenario.Gap}\"; take it out", "", "scenario"));

        var divergences = found.Select(d => d with { Listed = ledger.Find(d) }).ToArray();
        var verdict = Array.Exists(divergences, d => d.Listed is null) ? Verdict.Different
            : gap is not null ? Verdict.Gap
            : divergences.Length > 0 ? Verdict.Listed
            : Verdict.Same;
        return new(scenario.Name, scenario.Suite, kernel, verdict, gap ?? "", divergences, emulator, real);
    }

    /// <summary>True when nothing differs before anything is left out: the usual case. A gap equals nothing.</summary>
    private static bool AreEqual(IReadOnlyList<TraceLine> ours, IReadOnlyList<TraceLine> theirs)
    {
        if (ours.Count != theirs.Count)
            return false;
        for (int i = 0; i < ours.Count; i++)
            if (ours[i] != theirs[i] || ours[i].IsGap)
                return false;
        return true;
    }

    /// <summary>Compares step by step. What follows the emulator's first gap may be its consequence and is not compared.</summary>
    private (List<Divergence> Found, string? Gap) CompareSteps(Scenario scenario, string kernel, ScenarioRun emulator, ScenarioRun real, bool crashed)
    {
        var found = new List<Divergence>();
        var ours = ByStep(emulator);
        var theirs = ByStep(real);
        // A run that broke off has no lines for the steps after it; that it broke off is the difference.
        int last = Math.Min(LastStep(scenario, emulator), LastStep(scenario, real)) - (crashed ? 1 : 0);
        foreach (var step in scenario.Steps.Take(last))
        {
            var a = Lines(scenario, step, ours);
            var b = Lines(scenario, step, theirs);
            if (a.Count > 0 && a[0].IsGap)
                return (found, $"{a[0].Outcome[TraceLine.GapPrefix.Length..]} (step {step.Number}: {step.Text})");
            CompareStep(scenario, kernel, step, a, b, found);
        }
        string end = End(emulator), realEnd = End(real);
        if (end != realEnd && !crashed)
            found.Add(new(scenario.Name, kernel, 0, "clean up", "", end, realEnd, "runner"));
        return (found, null);
    }

    /// <summary>True when the real kernel crashed or hung and the emulator said that it would, at that very step: nothing can be compared after it.</summary>
    private static bool EndedAtTheSameStep(ScenarioRun emulator, ScenarioRun real)
    {
        if (real.Status != RunStatus.Broken || real.Lines.Count == 0)
            return false;
        string? end = new[] { TraceLine.Oops, TraceLine.HangPrefix }.FirstOrDefault(real.Reason.StartsWith);
        int step = real.Lines.Max(line => line.StepNumber);
        return end is not null && emulator.Lines.FirstOrDefault(line => line.StepNumber == step).Outcome == end;
    }

    private static void CompareStep(Scenario scenario, string kernel, Step step, IReadOnlyList<TraceLine> a, IReadOnlyList<TraceLine> b, List<Divergence> found)
    {
        string layer = Layers.Guess(scenario, step);
        Divergence Differs(string detail, string ours, string theirs) => new(scenario.Name, kernel, step.Number, step.Text, detail, ours, theirs, layer);

        string first = a.Count > 0 ? a[0].Outcome : Divergence.Absent, realFirst = b.Count > 0 ? b[0].Outcome : Divergence.Absent;
        if (first != realFirst)
            found.Add(Differs("", first, realFirst));
        var ours = Keyed(a);
        var theirs = Keyed(b);
        foreach (var (key, outcome) in theirs)
        {
            string own = ours.GetValueOrDefault(key, Divergence.Absent);
            if (own != outcome)
                found.Add(Differs(key, own, outcome));
        }
        foreach (var (key, outcome) in ours)
        {
            if (!theirs.ContainsKey(key))
                found.Add(Differs(key, outcome, Divergence.Absent));
        }
        if (ours.Count == theirs.Count && ours.Keys.All(theirs.ContainsKey) && !ours.Keys.SequenceEqual(theirs.Keys))
            found.Add(Differs("order", string.Join(' ', ours.Keys), string.Join(' ', theirs.Keys)));
    }

    /// <summary>Details by key, in order; a key that comes again gets a number.</summary>
    private static OrderedDictionary<string, string> Keyed(IReadOnlyList<TraceLine> lines)
    {
        var keyed = new OrderedDictionary<string, string>();
        foreach (var line in lines.Skip(1))
        {
            string key = line.Op;
            for (int again = 2; !keyed.TryAdd(key, line.Outcome); again++)
                key = $"{line.Op} ({again})";
        }
        return keyed;
    }

    private IReadOnlyList<TraceLine> Lines(Scenario scenario, Step step, Dictionary<int, List<TraceLine>> run) =>
        run.TryGetValue(step.Number, out var lines) ? normalisers.Apply(scenario, step, lines) : [];

    private static Dictionary<int, List<TraceLine>> ByStep(ScenarioRun run)
    {
        var steps = new Dictionary<int, List<TraceLine>>();
        foreach (var line in run.Lines)
        {
            if (!steps.TryGetValue(line.StepNumber, out var lines))
                steps.Add(line.StepNumber, lines = []);
            lines.Add(line);
        }
        return steps;
    }

    private static int LastStep(Scenario scenario, ScenarioRun run) => run.Status == RunStatus.Broken && run.Lines is not [.., { Step: "end" }] ? run.Lines.Select(l => l.StepNumber).DefaultIfEmpty().Max() : scenario.Steps.Count;

    private static string End(ScenarioRun run) => run.Lines is [.., { Step: "end" } last] ? last.Outcome : Plain(run.Reason);

    /// <summary>What a run hangs in is the emulator's own to know.</summary>
    private static string Plain(string reason) => reason.StartsWith(TraceLine.HangPrefix, StringComparison.Ordinal) ? TraceLine.HangPrefix : reason;

    private static string Whole(ScenarioRun run) => run.Reason.Length == 0 ? run.Status.ToString() : $"{run.Status}: {run.Reason}";
}

/// <summary>Guesses the layer of a difference from the call and from what is mounted.</summary>
public static class Layers
{
    /// <summary>The layer that a step's outcome most likely comes from.</summary>
    public static string Guess(Scenario scenario, Step step)
    {
        string verb = step.Verb.Name;
        if (verb.StartsWith("dm ", StringComparison.Ordinal))
            return "device-mapper";
        if (verb.StartsWith("loop ", StringComparison.Ordinal))
            return "loop device";
        if (verb.StartsWith("blk ", StringComparison.Ordinal) || step.Arguments.Any(a => a.Source.StartsWith("/dev/", StringComparison.Ordinal) || a.Source.StartsWith('$')))
            return scenario.Suite == "dm" ? "device-mapper or block layer" : "block layer";
        if (verb.StartsWith("driver ", StringComparison.Ordinal))
            return "storage driver";
        if (MountedAbove(scenario, step) is { } type)
            return type;
        return verb is "mount" or "remount" or "bind" or "rbind" or "move" or "umount" or "propagate" or "mounts" ? "mounts" : "VFS or tmpfs";
    }

    private static string? MountedAbove(Scenario scenario, Step step)
    {
        string? type = null;
        int length = -1;
        foreach (var earlier in scenario.Steps.Where(s => s.Number <= step.Number && s.Verb.Name == "mount"))
        {
            string target = earlier.Arguments[1].Source.TrimEnd('/');
            if (target.Length > length && step.Arguments.Any(a => a.Source == target || a.Source.StartsWith(target + "/", StringComparison.Ordinal)))
                (type, length) = (earlier.Arguments[0].Source, target.Length);
        }
        return type;
    }
}
