using System.ComponentModel;
using System.Runtime.InteropServices;

namespace DriverLab.Testing;

/// <summary>Signals to processes that a test started. Compiled into each test project that sends some: a minimal Debian has no program kill.</summary>
internal static partial class Signals
{
    public const int Interrupt = 2, Kill = 9, Term = 15, Stop = 19;

    /// <summary>kill(2). A process that is gone is what the caller wants.</summary>
    /// <exception cref="Win32Exception">The signal was refused.</exception>
    public static void Send(int process, int signal)
    {
        const int noSuchProcess = 3;
        if (SysKill(process, signal) != 0 && Marshal.GetLastPInvokeError() is var error and not noSuchProcess)
            throw new Win32Exception(error, $"kill {process} {signal}");
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SysKill(int process, int signal);
}
