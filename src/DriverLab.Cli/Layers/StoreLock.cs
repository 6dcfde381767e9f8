using System.Diagnostics;
using DriverLab.Cli.Output;

namespace DriverLab.Cli.Layers;

/// <summary>One process at a time has a store open: a lock on a file in its folder, which the kernel takes back when the process ends, however it does.</summary>
internal sealed class StoreLock : IDisposable
{
    private const string Name = ".lock";
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(50), s_silence = TimeSpan.FromSeconds(1);
    private readonly FileStream? _file;

    private StoreLock(FileStream? file) => _file = file;

    /// <summary>Takes the lock, waiting for whoever has it.</summary>
    /// <param name="root">The store's folder.</param>
    /// <param name="create">True makes the folder; otherwise there is nothing to lock where there is none.</param>
    /// <param name="patience">How long to wait.</param>
    /// <param name="progress">Told when the wait is long enough to be noticed.</param>
    /// <exception cref="UsageException">Somebody else has it, or the folder cannot be written.</exception>
    public static StoreLock Take(string root, bool create, TimeSpan patience, Progress progress)
    {
        string folder = Path.GetFullPath(root);
        if (create)
            _ = Try(folder, () => Directory.CreateDirectory(folder));
        if (!Directory.Exists(folder))
            return new(null);
        var watch = Stopwatch.StartNew();
        for (bool isTold = false; ; Thread.Sleep(s_pause))
        {
            // The runtime's exclusive sharing is flock(2).
            if (Try(folder, () => Open(folder)) is { } file)
                return new(file);
            if (watch.Elapsed > patience)
                throw new UsageException($"another driverlab has the store {folder} open; try again when it has ended, or wait longer with --wait SECONDS");
            if (!isTold && watch.Elapsed > s_silence)
            {
                isTold = true;
                progress.Report($"waiting for another driverlab that has the store {folder} open");
            }
        }
    }

    private static FileStream? Open(string folder)
    {
        const int wouldBlock = 11;
        try
        {
            return new FileStream(Path.Combine(folder, Name), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1);
        }
        catch (IOException e) when (e.HResult == wouldBlock)
        {
            return null;
        }
    }

    private static T Try<T>(string folder, Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"the store {folder} cannot be written: {e.Message}");
        }
    }

    /// <summary>Lets the next one in.</summary>
    public void Dispose() => _file?.Dispose();
}
