using System.Collections.Concurrent;
using System.Diagnostics;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Conformance.Verbs;

namespace DriverLab.Cli.Fuzzing;

/// <summary>How long the calls of programs take on one side, by verb. Lanes add to it side by side.</summary>
internal sealed class VerbTimes
{
    private const string SetUp = "set-up", CleanUp = "clean-up";

    private readonly ConcurrentDictionary<string, Cell> _cells = [];

    /// <summary>Verbs with the times they were called and the seconds of all calls, the longest first.</summary>
    public IEnumerable<(string Verb, long Calls, double Seconds)> Verbs =>
        _cells.Select(static c => (c.Key, c.Value.Calls, c.Value.Ticks / (double)Stopwatch.Frequency)).OrderByDescending(static c => c.Item3);

    /// <summary>A sink that measures, and hands everything on.</summary>
    public ITraceSink Around(ITraceSink inner) => new Sink(this, inner);

    private void Add(string verb, long ticks)
    {
        var cell = _cells.GetOrAdd(verb, static _ => new());
        _ = Interlocked.Increment(ref cell.Calls);
        _ = Interlocked.Add(ref cell.Ticks, ticks);
    }

    private sealed class Cell
    {
        public long Calls, Ticks;
    }

    private sealed class Sink(VerbTimes times, ITraceSink inner) : ITraceSink
    {
        private long _since;
        private bool _isSetUp, _isCleanUp;

        public void Begin(string scenario)
        {
            inner.Begin(scenario);
            (_since, _isSetUp) = (Stopwatch.GetTimestamp(), true);
        }

        public void Entering(int step)
        {
            long now = Stopwatch.GetTimestamp();
            if (_isSetUp)
                times.Add(SetUp, now - _since);
            (_isSetUp, _isCleanUp) = (false, step == 0);
            inner.Entering(step);
            _since = Stopwatch.GetTimestamp();
        }

        public void Outcome(Step step, string outcome)
        {
            times.Add(step.Verb.Name, Stopwatch.GetTimestamp() - _since);
            inner.Outcome(step, outcome);
        }

        public void Line(in TraceLine line) => inner.Line(line);

        public void Detail(Step step, int number, string key, string text) => inner.Detail(step, number, key, text);

        public void End(RunStatus status, string reason)
        {
            if (_isCleanUp)
                times.Add(CleanUp, Stopwatch.GetTimestamp() - _since);
            inner.End(status, reason);
        }
    }
}
