using DriverLab.Conformance.Scenarios;
using DriverLab.Linux;

namespace DriverLab.Conformance.Running;

/// <summary>A step that is made in the background.</summary>
internal sealed class RunningCall
{
    /// <summary>The outcome of a call that has not ended.</summary>
    public const string Sleeps = "sleeps";

    private readonly StepContext _context;
    private readonly IBackgroundCall _call;
    private string _outcome = "";

    /// <summary>Begins a step; comes back when its call has ended or sleeps.</summary>
    /// <param name="run">The run.</param>
    /// <param name="step">The step.</param>
    /// <param name="task">The actor's task.</param>
    public RunningCall(RunState run, Step step, IKernel task)
    {
        _context = new StepContext(run);
        _context.Enter(step, task);
        _call = task.Begin(() => _outcome = ScenarioRunner.Perform(run, _context));
    }

    /// <summary>True when the call has ended.</summary>
    public bool HasEnded => _call.HasEnded;

    /// <summary>After each step of another actor: what that has set going comes to rest.</summary>
    public void Settle() => _call.Settle(patiently: false);

    /// <summary>Sends a signal.</summary>
    public void Interrupt() => _call.Interrupt();

    /// <summary>The call's outcome, told as that of another step; <see cref="Sleeps"/> when it has not ended.</summary>
    public string Join(StepContext told)
    {
        if (!_call.Settle(patiently: true))
            return Sleeps;
        told.TakeOver(_context);
        _ = told.Run.Calls.Remove(_context.Step.Actor.Name);
        _call.Dispose();
        return _outcome;
    }

    /// <summary>Waits for a while that the call ends.</summary>
    /// <returns>False when the kernel is still in the call.</returns>
    public bool End(IKernel keeper)
    {
        const int tries = 50;
        const long pauseNs = 100_000_000;
        bool hasEnded = _call.Settle(patiently: true);
        for (int i = 0; i < tries && !hasEnded; i++)
        {
            keeper.Sleep(pauseNs);
            hasEnded = _call.Settle(patiently: true);
        }
        return hasEnded;
    }

    /// <summary>Nobody asks for the call any more.</summary>
    public void GiveUp() => _call.Dispose();
}
