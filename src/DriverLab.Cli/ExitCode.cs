namespace DriverLab.Cli;

/// <summary>How the command ends; documented in its help and kept stable.</summary>
internal static class ExitCode
{
    public const int Same = 0;
    public const int Different = 1;
    public const int Usage = 2;
    public const int EnvironmentMissing = 3;
    public const int GapOnly = 4;
    public const int Internal = 70;
    public const int Cancelled = 130;

    public const string Help = "Exit codes: 0 same, 1 different, 2 usage, 3 the machine lacks something, 4 nothing differs but the emulator has gaps, 70 internal error, 130 cancelled.";
}

/// <summary>What the user asked for makes no sense: one sentence, exit code 2.</summary>
internal sealed class UsageException(string message) : Exception(message);
