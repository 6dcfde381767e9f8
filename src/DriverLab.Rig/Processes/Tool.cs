using System.ComponentModel;
using System.Diagnostics;

namespace DriverLab.Rig.Processes;

/// <summary>Runs one command to its end, with nothing left running when the caller gives up.</summary>
internal static class Tool
{
    /// <summary>What a command said.</summary>
    /// <param name="ExitCode">Its exit status.</param>
    /// <param name="Output">Its standard output.</param>
    /// <param name="Error">Its standard error.</param>
    public readonly record struct Result(int ExitCode, string Output, string Error);

    /// <summary>Where on the PATH (and in the sbin folders) a command is; null when it is not installed.</summary>
    public static string? Find(string name)
    {
        string path = (Environment.GetEnvironmentVariable("PATH") ?? "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin";
        return path.Split(':', StringSplitOptions.RemoveEmptyEntries).Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
    }

    /// <summary>Where a command is.</summary>
    /// <exception cref="RigException">It is not installed; the sentence names the package.</exception>
    public static string Require(string name, string package, string why) =>
        Find(name) ?? throw new RigException($"{name} is not installed, and it is needed {why}; install it with: apt-get install {package}");

    /// <summary>Runs a command and collects what it says. Each line, of standard output and error, also goes to <paramref name="onLine"/>.</summary>
    public static async Task<Result> RunAsync(string file, IReadOnlyList<string> arguments, string? folder, CancellationToken cancellation, Action<string>? onLine = null)
    {
        var start = new ProcessStartInfo(file, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, UseShellExecute = false };
        if (folder is not null)
            start.WorkingDirectory = folder;
        start.Environment["LC_ALL"] = "C.UTF-8";
        using var process = new Process { StartInfo = start };
        try
        {
            _ = process.Start();
        }
        catch (Win32Exception e)
        {
            throw new RigException($"{file} cannot be started: {e.Message}", e);
        }
        process.StandardInput.Close();
        try
        {
            var output = ReadLinesAsync(process.StandardOutput, onLine, cancellation);
            var error = ReadLinesAsync(process.StandardError, onLine, cancellation);
            await process.WaitForExitAsync(cancellation).ConfigureAwait(false);
            return new(process.ExitCode, await output.ConfigureAwait(false), await error.ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }

    /// <summary>Runs a command that must succeed.</summary>
    /// <exception cref="RigException">It did not; the sentence ends with what it said last.</exception>
    public static async Task<string> OutputAsync(string file, IReadOnlyList<string> arguments, string? folder, CancellationToken cancellation)
    {
        var result = await RunAsync(file, arguments, folder, cancellation).ConfigureAwait(false);
        return result.ExitCode == 0 ? result.Output : throw Failed(file, arguments, result);
    }

    /// <summary>Runs a command that must succeed and whose output is bytes.</summary>
    /// <exception cref="RigException">It failed.</exception>
    public static async Task<byte[]> BytesAsync(string file, IReadOnlyList<string> arguments, CancellationToken cancellation)
    {
        using var process = new Process { StartInfo = new(file, arguments) { RedirectStandardOutput = true, UseShellExecute = false } };
        _ = process.Start();
        using var bytes = new MemoryStream();
        try
        {
            await process.StandardOutput.BaseStream.CopyToAsync(bytes, cancellation).ConfigureAwait(false);
            await process.WaitForExitAsync(cancellation).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw;
        }
        return process.ExitCode == 0 ? bytes.ToArray() : throw new RigException($"`{Path.GetFileName(file)} {string.Join(' ', arguments)}` failed with status {process.ExitCode}");
    }

    /// <summary>The sentence for a command that failed.</summary>
    public static RigException Failed(string file, IReadOnlyList<string> arguments, Result result)
    {
        string said = (result.Error.Length > 0 ? result.Error : result.Output).Trim();
        string tail = string.Join("; ", said.Split('\n').TakeLast(3).Select(line => line.Trim()));
        return new($"`{Path.GetFileName(file)} {string.Join(' ', arguments.Where(argument => !argument.StartsWith("-o", StringComparison.Ordinal)).Take(6))}` failed with status {result.ExitCode}: {tail}");
    }

    private static async Task<string> ReadLinesAsync(StreamReader reader, Action<string>? onLine, CancellationToken cancellation)
    {
        var all = new System.Text.StringBuilder();
        while (await reader.ReadLineAsync(cancellation).ConfigureAwait(false) is { } line)
        {
            _ = all.Append(line).Append('\n');
            onLine?.Invoke(line);
        }
        return all.ToString();
    }
}
