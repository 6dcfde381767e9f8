using System.Collections.Concurrent;
using DriverLab.Conformance.Scenarios;
using DriverLab.Linux;

namespace DriverLab.Conformance.Running;

/// <summary>Runs scenarios on a kernel. The same code runs on the emulator, in the guest and on the machine's own kernel.</summary>
/// <param name="kernel">The first task of the kernel, which must be root and outside any sandbox.</param>
/// <param name="needs">What kernels that are booted like this one were found to have, or null; see <see cref="Needs"/>.</param>
public sealed class ScenarioRunner(IKernel kernel, ConcurrentDictionary<string, bool>? needs = null) : IDisposable
{
    private readonly Needs _needs = new(kernel, needs);
    private Sandbox? _sandbox;

    /// <summary>Archives that scenarios name as <c>asset:NAME</c>.</summary>
    public ILayerAssets Assets { get; init; } = new NoLayerAssets();

    /// <summary>
    /// True to make the calls on main's own thread, which costs no hand-over. A program that is compiled while it runs must have loaded all it needs before: its root is the sandbox's.
    /// </summary>
    public bool OnTask { get; init; }

    /// <summary>Ends the task that keeps the place where scenarios run; the kernel stays.</summary>
    public void Dispose()
    {
        _sandbox?.Dispose();
        _sandbox = null;
    }

    /// <summary>Runs one scenario and cleans up after it, whatever happens.</summary>
    /// <returns>How it ended; the sink has been told the same.</returns>
    public RunStatus Run(Scenario scenario, ITraceSink sink)
    {
        sink.Begin(scenario.Name);
        var (status, reason) = RunAll(scenario, sink);
        sink.End(status, reason);
        return status;
    }

    /// <summary>Runs one scenario and collects its trace.</summary>
    public ScenarioRun Run(Scenario scenario)
    {
        var sink = new CollectingSink();
        _ = Run(scenario, sink); // the status is part of the result
        return sink.Result!;
    }

    private (RunStatus Status, string Reason) RunAll(Scenario scenario, ITraceSink sink)
    {
        if (!scenario.Kernels.Contains(kernel.Profile.Version))
            return (RunStatus.Skipped, $"for kernels {scenario.Kernels}, this is {kernel.Profile.Version.Line}");
        bool isClean = false;
        try
        {
            if (_needs.FirstMissing(scenario.Needs.Where(static need => need != ILayerAssets.Need)) is { } missing)
                return (RunStatus.Skipped, $"needs {missing}");
            if (MissingArchive(scenario) is { } archive)
                return (RunStatus.Skipped, $"needs {ILayerAssets.Need}: the archive {archive} of Debian's packages is not here");
            string problem = "";
            if (_sandbox is null)
                (_sandbox, problem) = Sandbox.Create(kernel, OnTask);
            if (_sandbox is not { } sandbox || (problem = sandbox.Enter()).Length > 0)
                return (RunStatus.Broken, $"sandbox: {problem}");
            var run = new RunState(scenario, sandbox) { Assets = Assets };
            var (main, taskProblem) = sandbox.NewTask();
            if (main is null)
                return (RunStatus.Broken, $"sandbox: {taskProblem}");
            run.Tasks.Add("main", main);
            var result = RunSteps(run, sink);
            isClean = result.Status == RunStatus.Done;
            return result;
        }
        catch (NotModelledException gap)
        {
            return (RunStatus.Broken, $"{TraceLine.GapPrefix}{gap.Message}");
        }
        catch (WouldHangException hang)
        {
            return (RunStatus.Broken, $"{TraceLine.HangPrefix}: {hang.Message}");
        }
        finally
        {
            // What a scenario left behind, or an exception let stand, must not be seen by the next one.
            if (!isClean)
                Dispose();
        }
    }

    private string? MissingArchive(Scenario scenario) => !scenario.Needs.Contains(ILayerAssets.Need) ? null : ILayerAssets.NamesIn(scenario).FirstOrDefault(name =>
    {
        using var archive = Assets.Open(name, kernel);
        return archive is null;
    });

    private (RunStatus Status, string Reason) RunSteps(RunState run, ITraceSink sink)
    {
        try
        {
            return StepsAndCleanUp(run, sink);
        }
        finally
        {
            foreach (var call in run.Calls.Values)
                call.GiveUp();
        }
    }

    private (RunStatus Status, string Reason) StepsAndCleanUp(RunState run, ITraceSink sink)
    {
        // A task that ends while its own thread makes the calls would close its files only when the program is over.
        if (OnTask && run.Tasks["main"] is IProgramHost host && !run.Scenario.Steps.Any(static s => s.Verb.Name == "exit" && s.Actor == Actor.Main))
            KeptMemory.Lend(host.Run, () => MakeSteps(run, sink));
        else
            MakeSteps(run, sink);
        sink.Entering(0);
        string problems = EndCalls(run);
        run.Sandbox.Wake();
        foreach (var (actor, task) in run.Tasks)
        {
            if (!run.Calls.ContainsKey(actor)) // its thread would not answer
                task?.Dispose();
        }
        problems += run.Sandbox.CleanUp();
        sink.Line(new("end", "-", "clean up", problems.Length == 0 ? "ok" : problems));
        return problems.Length == 0 ? (RunStatus.Done, "") : (RunStatus.Broken, $"{TraceLine.LeftPrefix}{problems}");
    }

    /// <summary>Ends what still sleeps, by signals first, then by failing the requests that devices hold; says what does not end.</summary>
    private static string EndCalls(RunState run)
    {
        if (run.Calls.Count == 0)
            return "";
        foreach (var call in run.Calls.Values)
            call.Interrupt();
        if (run.Calls.Values.Any(static call => !call.HasEnded))
            run.Sandbox.FailRequests();
        string problems = "";
        foreach (var (actor, call) in run.Calls.ToArray())
        {
            if (call.End(run.Sandbox.Keeper))
            {
                _ = run.Calls.Remove(actor);
                call.GiveUp();
            }
            else
                problems += $"the call of actor '{actor}', ";
        }
        return problems;
    }

    private static void MakeSteps(RunState run, ITraceSink sink)
    {
        var context = new StepContext(run);
        if (run.Scenario.Times)
            run.Clock.Start(run.Sandbox.Keeper);
        foreach (var step in run.Scenario.Steps)
        {
            sink.Entering(step.Number);
            run.Clock.Enter(run.Sandbox.Keeper);
            string outcome = Make(run, context, step);
            sink.Outcome(step, outcome);
            context.FlushDetails(sink);
            foreach (var call in run.Calls.Values)
                call.Settle();
        }
    }

    private static string Make(RunState run, StepContext context, Step step)
    {
        try
        {
            var task = TaskOf(run, step);
            if (task is null)
                return "none: the actor's task is gone";
            context.Enter(step, task);
            if (context.Background is not null && step.Verb.Name is not ("wait" or "interrupt"))
                return "none: the actor's call in the background comes first";
            if (!step.IsBackground)
                return Perform(run, context);
            var call = new RunningCall(run, step, task);
            run.Calls.Add(step.Actor.Name, call);
            return call.Join(context);
        }
        catch (NotModelledException gap)
        {
            return $"{TraceLine.GapPrefix}{Render.Text(gap.Message)}";
        }
        catch (ScenarioRunException problem)
        {
            return $"scenario: {problem.Message}";
        }
    }

    /// <summary>Makes the step that a context has entered, and tells how it went, whatever that was.</summary>
    internal static string Perform(RunState run, StepContext context)
    {
        var step = context.Step;
        try
        {
            // A task that ends on its own thread would close its files later than the call returns.
            return step.Verb.IsOfRunner ? step.Verb.Action(context) : context.Act();
        }
        catch (NotModelledException gap)
        {
            return $"{TraceLine.GapPrefix}{Render.Text(gap.Message)}";
        }
        catch (WouldHangException)
        {
            // The task is still in the call: it can neither go on nor be ended in an orderly way. The reason is the emulator's word and no kernel says it.
            run.Tasks[step.Actor.Name] = null;
            return TraceLine.HangPrefix;
        }
        catch (KernelOopsException)
        {
            // As the kernel does: it ends the task in the middle of the call.
            run.Tasks[step.Actor.Name] = null;
            return TraceLine.Oops;
        }
        catch (ScenarioRunException problem)
        {
            return $"scenario: {problem.Message}";
        }
        catch (Exception defect) when (defect is not OutOfMemoryException)
        {
            // No kernel answers with an exception: this is a defect of the emulator or of a verb, and differs from everything a kernel says.
            return $"{TraceLine.DefectPrefix}{defect.GetType().Name}: {Render.Text(defect.Message)} {Render.Text(FirstFrame(defect))}";
        }
    }

    private static string FirstFrame(Exception defect) => defect.StackTrace?.Split('\n')[0].Trim() ?? "";

    private static IKernel InUserNamespace(IKernel main, Actor actor, in UserMaps maps)
    {
        var error = main.ForkInUserNamespace(maps, out var task);
        return task ?? throw new ScenarioRunException($"actor '{actor.Name}' gets no user namespace: {error}");
    }

    /// <summary>The actor's task, made at its first statement from main's: it sees main's working directory and open files of that moment.</summary>
    private static IKernel? TaskOf(RunState run, Step step)
    {
        if (run.Tasks.TryGetValue(step.Actor.Name, out var task))
            return task;
        if (run.Tasks["main"] is not { } main)
            return null;
        task = step.Actor.Maps is { } maps ? InUserNamespace(main, step.Actor, maps) : main.Fork();
        if (step.Actor.Ids is { } ids)
        {
            var error = task.SetIds(ids);
            if (error != Errno.OK)
            {
                task.Dispose();
                throw new ScenarioRunException($"actor '{step.Actor.Name}' cannot take its ids: {error}");
            }
        }
        run.Tasks.Add(step.Actor.Name, task);
        return task;
    }
}
