using System.Diagnostics;
using DriverLab.Guest.Wire;

namespace DriverLab.Rig.Machines;

/// <summary>Watches for progress: any sign of life while booting, answered pings and trace lines afterwards. No fixed limit on how long a healthy run takes.</summary>
internal sealed class Watchdog : IDisposable
{
    private const uint PingId = uint.MaxValue;
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(500);

    private readonly MachineOptions options;
    private readonly Requests requests;
    private readonly ConsoleTail console;
    private readonly PortLink link;
    private readonly Action<string> onHang;
    private readonly Timer timer;
    private long lastSign = Stopwatch.GetTimestamp();
    private long consoleSeen;
    private long pingSent;
    private bool ready;
    private bool barked;

    public Watchdog(MachineOptions options, Requests requests, ConsoleTail console, PortLink link, Action<string> onHang)
    {
        (this.options, this.requests, this.console, this.link, this.onHang) = (options, requests, console, link, onHang);
        timer = new Timer(_ => Look(), null, Period, Period);
    }

    /// <summary>The guest sent something.</summary>
    public void SignOfLife() => Volatile.Write(ref lastSign, Stopwatch.GetTimestamp());

    /// <summary>The guest is up.</summary>
    public void Ready() => Volatile.Write(ref ready, true);

    public void Dispose() => timer.Dispose();

    private void Look()
    {
        if (barked || requests.Ended is not null)
            return;
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
            pingSent = 0;
            return null;
        }
        if (Silence < Period * 2)
        {
            pingSent = 0;
        }
        else if (pingSent == 0)
        {
            pingSent = Stopwatch.GetTimestamp();
            link.Send(FrameKind.Ping, PingId, default);
        }
        else if (Stopwatch.GetElapsedTime(pingSent) > options.PingSilence)
        {
            return $"the guest did not answer for {options.PingSilence.TotalSeconds:0} s";
        }
        var stuck = waiting.FirstOrDefault(request => request.Kind is FrameKind.RunProgram or FrameKind.KernelCall && request.Silence > options.ProgramSilence);
        return stuck is null ? null : $"the {(stuck.Kind == FrameKind.RunProgram ? "program" : "kernel call")} made no progress for {options.ProgramSilence.TotalSeconds:0} s although the guest answers pings";
    }

    private TimeSpan Silence => Stopwatch.GetElapsedTime(Volatile.Read(ref lastSign));
}
