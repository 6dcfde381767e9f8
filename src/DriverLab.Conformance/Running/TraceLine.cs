using System.Diagnostics;
using System.Globalization;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Running;

/// <summary>One observation: what an actor called at a step, and what came of it.</summary>
/// <param name="Step">The step's number; details of a step are <c>7.1</c>, <c>7.2</c> …; <c>end</c> is the cleaning up.</param>
/// <param name="Actor">Who called.</param>
/// <param name="Op">The call as the scenario writes it, or for a detail its key (a path, a name).</param>
/// <param name="Outcome">What came of it, in canonical text.</param>
public readonly record struct TraceLine(string Step, string Actor, string Op, string Outcome)
{
    /// <summary>The first words of an outcome that is a gap of the emulator.</summary>
    public const string GapPrefix = "gap: ";

    /// <summary>The first words of why a run broke whose kernel keeps something of it.</summary>
    public const string LeftPrefix = "left behind: ";

    /// <summary>The first words of an outcome where the caller would wait for ever.</summary>
    public const string HangPrefix = "would-hang";

    /// <summary>The outcome of a call in which the kernel crashes; the task is gone.</summary>
    public const string Oops = "oops";

    /// <summary>The first words of an outcome that no kernel can have: an exception.</summary>
    public const string DefectPrefix = "defect: ";

    /// <summary>True when the emulator has a gap here.</summary>
    public bool IsGap => Outcome.StartsWith(GapPrefix, StringComparison.Ordinal);

    /// <summary>The number of the step that this line belongs to; 0 for the end.</summary>
    public int StepNumber => int.TryParse(Step.AsSpan(0, Step.IndexOf('.') is >= 0 and var dot ? dot : Step.Length), out int n) ? n : 0;

    /// <summary>The line as it is sent and stored: four fields between tabs. None of them holds a tab or a newline.</summary>
    public override string ToString() => $"{Step}\t{Actor}\t{Op}\t{Outcome}";

    /// <summary>Reads a line; false when it has not four fields.</summary>
    public static bool TryParse(string text, out TraceLine line)
    {
        var parts = text.Split('\t', 4);
        line = parts.Length == 4 ? new(parts[0], parts[1], parts[2], parts[3]) : default;
        return parts.Length == 4;
    }
}

/// <summary>How the run of a scenario ended.</summary>
public enum RunStatus
{
    /// <summary>All steps were made.</summary>
    Done,
    /// <summary>This kernel is outside the scenario's range, or lacks something it needs.</summary>
    Skipped,
    /// <summary>The run could not be made or cleaned up.</summary>
    Broken,
}

/// <summary>The run of a scenario on one kernel.</summary>
/// <param name="Scenario">The scenario's name.</param>
/// <param name="Status">How it ended.</param>
/// <param name="Reason">Why it was skipped or broke; empty when done.</param>
/// <param name="Lines">The trace.</param>
public sealed record ScenarioRun(string Scenario, RunStatus Status, string Reason, IReadOnlyList<TraceLine> Lines)
{
    /// <summary>Time between the first and the last message of the run, as its reader saw them; zero when nothing was run.</summary>
    public TimeSpan Elapsed { get; init; }

    /// <summary>True when something of the scenario is still there: what runs on the same kernel after it may see that.</summary>
    public bool LeftSomething => Status == RunStatus.Broken && Reason.StartsWith(TraceLine.LeftPrefix, StringComparison.Ordinal);
}

/// <summary>Takes a run line by line, while it happens.</summary>
public interface ITraceSink
{
    /// <summary>A scenario begins.</summary>
    void Begin(string scenario);

    /// <summary>The step with this number is about to be made: the last one known when the kernel dies in it.</summary>
    void Entering(int step);

    /// <summary>Something was observed.</summary>
    void Line(in TraceLine line);

    /// <summary>A step's outcome, before it is a line: a sink that needs no text makes none.</summary>
    void Outcome(Step step, string outcome) => Line(new(step.Number.ToString(CultureInfo.InvariantCulture), step.Actor.Name, step.Text, outcome));

    /// <summary>A detail of a step, by its number from 1 on.</summary>
    void Detail(Step step, int number, string key, string text) => Line(new($"{step.Number}.{number}", step.Actor.Name, key, text));

    /// <summary>The scenario ended.</summary>
    void End(RunStatus status, string reason);
}

/// <summary>Collects a run in memory.</summary>
public sealed class CollectingSink : ITraceSink
{
    private readonly List<TraceLine> _lines = [];
    private string _scenario = "";
    private long _began;

    /// <summary>The run, when it has ended.</summary>
    public ScenarioRun? Result { get; private set; }

    /// <inheritdoc/>
    public void Begin(string scenario)
    {
        _scenario = scenario;
        _began = Stopwatch.GetTimestamp();
        _lines.Clear();
        Result = null;
    }

    /// <inheritdoc/>
    public void Entering(int step) { }

    /// <inheritdoc/>
    public void Line(in TraceLine line) => _lines.Add(line);

    /// <inheritdoc/>
    public void End(RunStatus status, string reason) => Result = new(_scenario, status, reason, [.. _lines]) { Elapsed = Stopwatch.GetElapsedTime(_began) };
}
