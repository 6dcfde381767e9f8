namespace DriverLab.Linux.Tracing;

/// <summary>Takes the lines of <see cref="TracingKernel"/>. A line is UTF-8 without a line feed and lives until the method returns.</summary>
public interface ITraceSink
{
    /// <summary>A call is about to be made: <c>openat(AT_FDCWD, "/a", O_RDONLY)</c>. If the kernel dies in it, this was the last line.</summary>
    /// <param name="task">Number of the task: 1 for the first, then in the order of the forks.</param>
    /// <param name="call">The call.</param>
    void Before(int task, ReadOnlySpan<byte> call);

    /// <summary>The call has returned: the same text, then <c> = 3</c>, or <c> = -1 ENOENT</c>, or <c> = 5 "hello"</c> where it gave data.</summary>
    void After(int task, ReadOnlySpan<byte> callAndResult);
}

/// <summary>Collects lines as text: <c>task TAB call = result</c>.</summary>
public sealed class TraceLog : ITraceSink
{
    private readonly List<string> _lines = [];

    /// <summary>The finished calls, in order.</summary>
    public IReadOnlyList<string> Lines => _lines;

    /// <summary>The call that has begun and not returned; null when none has.</summary>
    public string? Pending { get; private set; }

    /// <inheritdoc/>
    public void Before(int task, ReadOnlySpan<byte> call) => Pending = Line(task, call);

    /// <inheritdoc/>
    public void After(int task, ReadOnlySpan<byte> callAndResult)
    {
        Pending = null;
        _lines.Add(Line(task, callAndResult));
    }

    private static string Line(int task, ReadOnlySpan<byte> text) => $"{task}\t{System.Text.Encoding.UTF8.GetString(text)}";
}
