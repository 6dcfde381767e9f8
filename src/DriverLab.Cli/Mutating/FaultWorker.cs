using System.Globalization;

namespace DriverLab.Cli.Mutating;

/// <summary>
/// The inside of a process that tries faults, one at a time, as its input says: a fault may make the emulator run for ever, eat all memory or overflow its stack, and only a process of its own
/// can be ended then.
/// </summary>
/// <remarks>Input, a line each: <c>golden N</c>, <c>fuzz N</c>, <c>entered N</c>, with N the number of a fault. Output, a line each: what noticed, or <c>-</c>; for <c>entered</c> a name or <c>-</c>, or <c>?</c>. Before it lines that begin with <c>&gt;</c> tell the run that begins.</remarks>
internal sealed class FaultWorker(IReadOnlyList<Fault> faults, Corpus corpus, TimeSpan time, ulong seed, TextWriter output)
{
    /// <summary>What a line begins with that tells the run that begins.</summary>
    public const string Begins = "> ";

    /// <summary>The answer when nothing noticed.</summary>
    public const string Nothing = "-";

    /// <summary>What the name of a run ends with that has no fault.</summary>
    public const string Faultless = " without the fault";

    /// <summary>The end of an answer about a run that was given up; the process ends too.</summary>
    public const string Endless = " does not end";

    private readonly FaultFuzz _fuzz = new(corpus, seed);

    /// <summary>The most processor time that one run may take, whatever else the machine does; the longest one that is right takes some three seconds.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    private volatile string? _current;
    private long _sinceTicks;

    /// <summary>Answers until the input ends.</summary>
    public void Run(TextReader input, CancellationToken cancellation)
    {
        using var watchdog = new Timer(_ => Watch(), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
        while (input.ReadLine() is { } line)
        {
            int space = line.IndexOf(' ');
            var fault = faults[int.Parse(line.AsSpan(space + 1), CultureInfo.InvariantCulture)];
            string answer = line[..space] switch
            {
                "golden" => corpus.FirstDifferent(fault.Load(), fault.Suite, Enter, cancellation) ?? Nothing,
                "fuzz" => _fuzz.FirstDifferent(fault, time, Announce, cancellation) ?? Nothing,
                _ => fault.LoadThrowing() is { } boot ? corpus.FirstDifferent(boot, fault.Suite, Enter, cancellation) ?? Nothing : "?",
            };
            _current = null;
            Answer(answer);
        }
    }

    private void Enter(string name)
    {
        Volatile.Write(ref _sinceTicks, Environment.CpuUsage.TotalTime.Ticks);
        _current = name;
    }

    /// <summary>Tells that a program begins, so that one that ends the process is known by name, and by whether it had the fault.</summary>
    private void Announce(string name)
    {
        Enter(name);
        Answer(Begins + name);
    }

    private void Watch()
    {
        if (_current is not { } name || Environment.CpuUsage.TotalTime.Ticks - Volatile.Read(ref _sinceTicks) < s_patience.Ticks)
            return;
        Answer(name + Endless);
        Environment.Exit(0);
    }

    private void Answer(string answer)
    {
        lock (output)
        {
            output.WriteLine(answer);
            output.Flush();
        }
    }
}
