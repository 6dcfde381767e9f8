using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Linux;
using DriverLab.Native;
using DriverLab.Rig;

namespace DriverLab.Cli.Fuzzing;

/// <summary>The machine's own kernel, in private name spaces, with the calls made on the task's own thread.</summary>
internal sealed class HostSide : IFuzzSide
{
    private const string WriteXorExecute = "DOTNET_EnableWriteXorExecute";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private readonly NativeKernel _kernel;
    private readonly ScenarioRunner _runner;

    public HostSide()
    {
        if (Environment.UserName != "root" && !Environment.IsPrivilegedProcess)
            throw new UsageException("--kernel host needs root, and this is another user; run it as root (sudo), or take a kernel in a machine, such as --kernel 6.12");
        LoadEverything();
        _kernel = NativeKernel.NewTask();
        _runner = new(_kernel) { OnTask = true };
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

    public KernelProfile Profile => _kernel.Profile;

    public int Batch => 64;

    public async Task<IReadOnlyList<StepTrace>> RunAsync(IReadOnlyList<Scenario> programs, CancellationToken cancellation)
    {
        StepTrace? current = null;
        string name = "";
        var work = Task.Run<IReadOnlyList<StepTrace>>(() =>
        {
            var traces = new List<StepTrace>(programs.Count);
            foreach (var program in programs)
            {
                cancellation.ThrowIfCancellationRequested();
                name = program.Name;
                current = new();
                _ = _runner.Run(program, current); // the trace holds the status
                traces.Add(current);
            }
            return traces;
        }, cancellation);
        while (await Task.WhenAny(work, Task.Delay(s_patience, cancellation)) != work)
        {
            cancellation.ThrowIfCancellationRequested();
            if (current is { } stuck && await StaysAsync(stuck, () => current))
                throw new RigException($"{name} does not end on this machine's kernel: it waits in step {stuck.LastEntered}; end this command, and run the program in a machine");
        }
        return await work;
    }

    public ValueTask DisposeAsync()
    {
        _kernel.Dispose();
        return ValueTask.CompletedTask;
    }

    private static async Task<bool> StaysAsync(StepTrace trace, Func<StepTrace?> current)
    {
        int step = trace.LastEntered;
        await Task.Delay(s_patience);
        return current() == trace && trace.LastEntered == step;
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
