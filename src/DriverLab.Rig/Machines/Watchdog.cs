using DriverLab.Guest.Wire;

namespace DriverLab.Rig.Machines;

/// <summary>Watches for progress: any sign of life while booting, answered pings and trace lines afterwards. No fixed limit on how long a healthy run takes; limits are in the guest's own time.</summary>
internal sealed class Watchdog : IDisposable
{
    private const uint PingId = uint.MaxValue;
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(500);

    private readonly MachineOptions options;
    private readonly Requests requests;
    private readonly ConsoleTail console;
    private readonly PortLink link;
    private readonly GuestClock clock;
    private readonly Action<string> onHang;
    private readonly Timer timer;
    private readonly Lock gate = new();
    private long lastSign;
    private long consoleSeen;
    private TimeSpan? pingSent;
    private bool ready;
    private bool barked;

    public Watchdog(MachineOptions options, Requests requests, ConsoleTail console, PortLink link, GuestClock clock, Action<string> onHang)
    {
        (this.options, this.requests, this.console, this.link, this.clock, this.onHang) = (options, requests, console, link, clock, onHang);
        timer = new Timer(_ => Look(), null, Period, Period);
    }

    /// <summary>The guest sent something.</summary>
    public void SignOfLife() => Volatile.Write(ref lastSign, clock.Now.Ticks);

    /// <summary>The guest is up.</summary>
    public void Ready() => Volatile.Write(ref ready, true);

    public void Dispose() => timer.Dispose();

    private void Look()
    {
        if (barked || requests.Ended is not null || !gate.TryEnter())
            return;
        try
        {
            clock.Advance(Period);
            Judge();
        }
        finally
        {
            gate.Exit();
        }
    }

    private void Judge()
    {
        string? trouble = Volatile.Read(ref ready) ? Working() : Booting();
        if (trouble is null)
            return;
        barked = true;
        onHang(trouble);
    }

    private string? Booting()
    {
        long shown = console.Total;
        if (shown != consoleSeen)
        {
            consoleSeen = shown;
            SignOfLife();
        }
        return Silence > options.BootSilence ? $"the guest gave no sign of life for {options.BootSilence.TotalSeconds:0} s while booting" : null;
    }

    private string? Working()
    {
        var waiting = requests.Pending;
        if (waiting.Count == 0)
        {
            pingSent = null;
            return null;
        }
        if (Silence < Period * 2)
        {
            pingSent = null;
        }
        else if (pingSent is not { } sent)
        {
            pingSent = clock.Now;
            link.Send(FrameKind.Ping, PingId, default);
        }
        else if (clock.Now - sent > options.PingSilence)
        {
            return $"the guest did not answer for {options.PingSilence.TotalSeconds:0} s";
        }
        var stuck = waiting.FirstOrDefault(request => request.Kind is FrameKind.RunProgram or FrameKind.KernelCall && clock.Now - request.LastSign > options.ProgramSilence);
        return stuck is null ? null : $"the {(stuck.Kind == FrameKind.RunProgram ? "program" : "kernel call")} made no progress for {options.ProgramSilence.TotalSeconds:0} s although the guest answers pings";
    }

    private TimeSpan Silence => clock.Now - new TimeSpan(Volatile.Read(ref lastSign));
}
