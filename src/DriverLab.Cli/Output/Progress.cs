using System.Diagnostics;
using System.Globalization;

namespace DriverLab.Cli.Output;

/// <summary>Tells on the error stream what is being done, with the time since the start. On a terminal, counts overwrite their line.</summary>
internal sealed class Progress(TextWriter error) : IProgress<string>
{
    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private readonly Lock _lock = new();
    private readonly bool _terminal = !Console.IsErrorRedirected && ReferenceEquals(error, Console.Error);
    private bool _isOpen;
    private long _lastCountMs = -10_000;

    public double Seconds => _watch.Elapsed.TotalSeconds;

    /// <summary>One line.</summary>
    public void Report(string value)
    {
        lock (_lock)
        {
            Close();
            error.WriteLine(Stamp() + value);
        }
    }

    /// <summary>A count that changes often: shown a few times a second on a terminal, every five seconds elsewhere.</summary>
    public void Count(string value)
    {
        lock (_lock)
        {
            long now = _watch.ElapsedMilliseconds;
            if (now - _lastCountMs < (_terminal ? 100 : 5_000))
                return;
            _lastCountMs = now;
            if (_terminal)
            {
                error.Write("\r\u001b[K" + Stamp() + value);
                _isOpen = true;
            }
            else
                error.WriteLine(Stamp() + value);
        }
    }

    /// <summary>Ends the line of a count.</summary>
    public void Close()
    {
        if (_isOpen)
            error.Write("\r\u001b[K");
        _isOpen = false;
    }

    private string Stamp() => string.Create(CultureInfo.InvariantCulture, $"[{Seconds,6:0.0} s] ");
}
