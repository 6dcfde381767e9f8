using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Linux;
using DriverLab.Native;
using DriverLab.Rig;

namespace DriverLab.Cli.Fuzzing;

/// <summary>
/// The machine's own kernel, in private name spaces, with the calls made on the task's own thread. Programs run in several lanes at once: taking a mount down waits for the kernel's readers (RCU), and
/// while one lane waits another works. Programs with devices, which all lanes would share, run in one lane, and so do the few that are asked for when a difference is looked into.
/// </summary>
internal sealed class HostSide : IFuzzSide
{
    private const int LanesPerCore = 4, Few = 8;

    private const string WriteXorExecute = "DOTNET_EnableWriteXorExecute";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private readonly Lane[] _lanes;

    /// <param name="times">Takes the time of each call; null to measure none.</param>
    public HostSide(VerbTimes? times = null)
    {
        if (Environment.UserName != "root" && !Environment.IsPrivilegedProcess)
            throw new UsageException("--kernel host needs root, and this is another user; run it as root (sudo), or take a kernel in a machine, such as --kernel 6.12");
        LoadEverything();
        _lanes = [.. Enumerable.Range(0, LanesPerCore * Environment.ProcessorCount).Select(_ => new Lane(times))];
    }

    /// <summary>
    /// True when the runtime writes its code through a file, whose descriptor would have to be open in every task: a command that makes calls on the tasks' own threads runs
    /// without that.
    /// </summary>
    public static bool MustRestart => Environment.GetEnvironmentVariable(WriteXorExecute) != "0";

    /// <summary>Runs this command again as it should be, with the same arguments and streams.</summary>
    /// <returns>Its exit code.</returns>
    public static async Task<int> RestartAsync(CancellationToken cancellation)
    {
        string[] arguments = Environment.GetCommandLineArgs();
        bool isDotnet = Path.GetFileNameWithoutExtension(Environment.ProcessPath!) == "dotnet";
        var start = new ProcessStartInfo(Environment.ProcessPath!, isDotnet ? arguments : arguments[1..]);
        start.Environment[WriteXorExecute] = "0";
        using var process = Process.Start(start)!;
        try
        {
            await process.WaitForExitAsync(cancellation);
        }
        catch (OperationCanceledException)
        {
            // The terminal has sent the signal to both; a signal to this process alone is passed on.
            process.Kill();
            throw;
        }
        return process.ExitCode;
    }

    public string Name => "host";

    public KernelProfile Profile => _lanes[0].Profile;

    public int Batch => 512;

    public bool RunsBeside => true;

    public async Task<IReadOnlyList<StepTrace>> RunAsync(IReadOnlyList<Scenario> programs, CancellationToken cancellation)
    {
        var traces = new StepTrace[programs.Count];
        int next = -1;
        bool oneLane = programs.Count <= Few || programs.Any(static program => program.Needs.Contains("loop") || program.Needs.Contains("dm"));
        var work = Task.WhenAll(_lanes.Take(oneLane ? 1 : _lanes.Length).Select(lane => Task.Factory.StartNew(() =>
        {
            while (Interlocked.Increment(ref next) is var i && i < programs.Count)
            {
                cancellation.ThrowIfCancellationRequested();
                traces[i] = lane.Run(programs[i]);
            }
        }, cancellation, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
        while (await Task.WhenAny(work, Task.Delay(s_patience, cancellation)) != work)
        {
            cancellation.ThrowIfCancellationRequested();
            foreach (var lane in _lanes)
                if (lane.Current is { } stuck && await StaysAsync(lane, stuck))
                    throw new RigException($"{lane.Name} does not end on this machine's kernel: it waits in step {stuck.LastEntered}; end this command, and run the program in a machine");
        }
        await work;
        return traces;
    }

    public ValueTask DisposeAsync()
    {
        foreach (var lane in _lanes)
            lane.Dispose();
        return ValueTask.CompletedTask;
    }

    private static async Task<bool> StaysAsync(Lane lane, StepTrace trace)
    {
        int step = trace.LastEntered;
        await Task.Delay(s_patience);
        return lane.Current == trace && trace.LastEntered == step;
    }

    /// <summary>A task of its own, in which one program runs after the other.</summary>
    private sealed class Lane : IDisposable
    {
        private readonly NativeKernel _kernel = NativeKernel.NewTask(new NativeTaskOptions { SharesProcessors = true });
        private readonly ScenarioRunner _runner;
        private readonly VerbTimes? _times;

        public Lane(VerbTimes? times) => (_runner, _times) = (new(_kernel) { OnTask = true }, times);

        public KernelProfile Profile => _kernel.Profile;

        /// <summary>The program that runs now, or ran last.</summary>
        public string Name { get; private set; } = "";

        /// <summary>What it has done so far; null between programs.</summary>
        public StepTrace? Current { get; private set; }

        public StepTrace Run(Scenario program)
        {
            var trace = new StepTrace();
            (Name, Current) = (program.Name, trace);
            _ = _runner.Run(program, _times?.Around(trace) ?? trace); // the trace holds the status
            Current = null;
            return trace;
        }

        public void Dispose()
        {
            _runner.Dispose();
            _kernel.Dispose();
        }
    }

    /// <summary>Code that runs with the sandbox as its root finds no assembly any more: all that the command is made of are loaded before.</summary>
    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "What trimming took away cannot be called, so that it need not be loaded.")]
    private static void LoadEverything()
    {
        var waiting = new Queue<System.Reflection.Assembly>(AppDomain.CurrentDomain.GetAssemblies());
        var known = waiting.Select(static a => a.GetName().Name).ToHashSet();
        while (waiting.TryDequeue(out var assembly))
        {
            foreach (var name in assembly.GetReferencedAssemblies().Where(n => known.Add(n.Name)))
            {
                try
                {
                    waiting.Enqueue(System.Reflection.Assembly.Load(name));
                }
                catch (FileNotFoundException)
                {
                    // Named for a platform that this is not: nothing here needs it.
                }
            }
        }
    }
}
