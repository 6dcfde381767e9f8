using System.Runtime.InteropServices;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Running;

/// <summary>A run as outcomes by step, without lines of text: cheap to make and to compare.</summary>
public sealed class StepTrace : ITraceSink
{
    private readonly List<string> _outcomes = [];
    private readonly List<(int Step, string Key, string Text)> _details = [];
    private string _end = "";

    /// <summary>How the run ended.</summary>
    public RunStatus Status { get; private set; }

    /// <summary>Why it was skipped or broke; empty when done.</summary>
    public string Reason { get; private set; } = "";

    /// <summary>The step that was entered last.</summary>
    public int LastEntered { get; private set; }

    /// <summary>Outcomes, by step from 0 on.</summary>
    public IReadOnlyList<string> Outcomes => _outcomes;

    /// <summary>Takes the lines of a run that came as text.</summary>
    public static StepTrace Of(ScenarioRun run)
    {
        var trace = new StepTrace();
        trace.Begin(run.Scenario);
        foreach (var line in run.Lines)
        {
            // A kernel that hangs or crashes after the last step has a line without one.
            if (line.StepNumber == 0)
                trace._end = line.Outcome;
            else if (line.Step.Contains('.', StringComparison.Ordinal))
                trace._details.Add((line.StepNumber, line.Op, line.Outcome));
            else
                trace._outcomes.Add(line.Outcome);
        }
        trace.End(run.Status, run.Reason);
        return trace;
    }

    /// <inheritdoc/>
    public void Begin(string scenario)
    {
        _outcomes.Clear();
        _details.Clear();
        _end = "";
    }

    /// <inheritdoc/>
    public void Entering(int step) => LastEntered = step;

    /// <inheritdoc/>
    public void Outcome(Step step, string outcome) => _outcomes.Add(outcome);

    /// <inheritdoc/>
    public void Detail(Step step, int number, string key, string text) => _details.Add((step.Number, key, text));

    /// <inheritdoc/>
    public void Line(in TraceLine line) => _end = line.Outcome;

    /// <inheritdoc/>
    public void End(RunStatus status, string reason) => (Status, Reason) = (status, reason);

    /// <summary>True when every outcome and every detail is the same.</summary>
    public bool IsSame(StepTrace other) => Status == other.Status && _end == other._end && Reason == other.Reason
        && _outcomes.Count == other._outcomes.Count && _details.Count == other._details.Count
        && CollectionsMarshal.AsSpan(_outcomes).SequenceEqual(CollectionsMarshal.AsSpan(other._outcomes)) && CollectionsMarshal.AsSpan(_details).SequenceEqual(CollectionsMarshal.AsSpan(other._details));

    /// <summary>The run as lines.</summary>
    public ScenarioRun ToRun(Scenario scenario)
    {
        var sink = new CollectingSink();
        sink.Begin(scenario.Name);
        int detail = 0;
        for (int i = 0; i < _outcomes.Count; i++)
        {
            var step = scenario.Steps[i];
            ((ITraceSink)sink).Outcome(step, _outcomes[i]);
            for (int n = 1; detail < _details.Count && _details[detail].Step == step.Number; detail++, n++)
                ((ITraceSink)sink).Detail(step, n, _details[detail].Key, _details[detail].Text);
        }
        if (_end.Length > 0)
            sink.Line(new("end", "-", "clean up", _end));
        sink.End(Status, Reason);
        return sink.Result!;
    }
}
