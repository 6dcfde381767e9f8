using System.Runtime.InteropServices;

namespace DriverLab.Cli;

/// <summary>Turns SIGINT and SIGTERM into a cancelled token. System.CommandLine's own handling ends the process at once, with nothing cleaned up, when the signal comes while a command has not yet waited for anything.</summary>
internal sealed class Termination : IDisposable
{
    /// <summary>Enough to take a machine down.</summary>
    private static readonly TimeSpan s_mostTime = TimeSpan.FromSeconds(10);

    private readonly CancellationTokenSource _asked = new();
    private readonly PosixSignalRegistration _interrupt, _terminate;
    private Timer? _impatience;

    public Termination()
    {
        _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Ask(context, 130));
        _terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Ask(context, 143));
    }

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Token => _asked.Token;

    public void Dispose()
    {
        _interrupt.Dispose();
        _terminate.Dispose();
        // The source is not disposed of: a signal may be on its way here.
        _impatience?.Dispose();
    }

    private void Ask(PosixSignalContext context, int exitCode)
    {
        context.Cancel = true;
        _impatience ??= new Timer(_ => Environment.Exit(exitCode), null, s_mostTime, Timeout.InfiniteTimeSpan);
        _asked.Cancel();
    }
}
