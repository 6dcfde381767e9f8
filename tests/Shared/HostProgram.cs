using System.Diagnostics;

namespace DriverLab.Testing;

/// <summary>Programs of this machine that a test runs to their end.</summary>
internal static class HostProgram
{
    /// <summary>Runs one.</summary>
    /// <returns>Its exit code, and what it wrote: first to standard output, then to standard error.</returns>
    public static (int Code, string Output) Try(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        var error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.Result);
    }

    /// <summary>Runs one; another exit code than 0 fails the test.</summary>
    public static string Run(string program, params string[] arguments)
    {
        var (code, output) = Try(program, arguments);
        Assert.That(code, Is.Zero, $"{program}: {output}");
        return output;
    }
}
