namespace DriverLab.Rig.Machines;

/// <summary>A machine ended in a way that nobody asked for. The message ends with the tail of its console.</summary>
public abstract class MachineException : RigException
{
    private protected MachineException(string what, string console, string? lastLine)
        : base(Sentence(what, console, lastLine)) => (ConsoleTail, LastTraceLine) = (console, lastLine);

    /// <summary>What the console showed last.</summary>
    public string ConsoleTail { get; }

    /// <summary>The last trace line of the program that was running: the call before, or in, which it happened. Null when none was sent.</summary>
    public string? LastTraceLine { get; }

    private static string Sentence(string what, string console, string? lastLine)
    {
        string last = lastLine is null ? "" : $"\nlast trace line: {lastLine}";
        return console.Length == 0 ? $"{what}{last}\n(the console showed nothing)" : $"{what}{last}\nconsole:\n{console}";
    }
}

/// <summary>The guest's kernel panicked or oopsed.</summary>
/// <param name="reason">The kernel's own sentence.</param>
/// <param name="console">Tail of the console.</param>
/// <param name="lastLine">Last trace line.</param>
public sealed class MachinePanicException(string reason, string console, string? lastLine) : MachineException($"the guest kernel panicked: {reason}", console, lastLine)
{
    /// <summary>The kernel's own sentence, for example <c>sysrq triggered crash</c>.</summary>
    public string Reason { get; } = reason;
}

/// <summary>The guest makes no progress: it does not answer, or a program sends nothing for too long.</summary>
public sealed class MachineHangException(string what, string console, string? lastLine) : MachineException(what, console, lastLine);

/// <summary>The machine's process ended, or its connection broke, without a word from the guest's kernel: QEMU was killed or crashed.</summary>
/// <param name="what">What was seen.</param>
/// <param name="exitCode">Exit status of the process; 128 + signal when a signal ended it.</param>
/// <param name="console">Tail of the console.</param>
/// <param name="lastLine">Last trace line.</param>
public sealed class MachineLostException(string what, int exitCode, string console, string? lastLine) : MachineException(what, console, lastLine)
{
    /// <summary>Exit status of the process.</summary>
    public int ExitCode { get; } = exitCode;
}

/// <summary>The guest refused a request; the machine goes on.</summary>
public sealed class GuestRequestException(string message) : RigException(message);
