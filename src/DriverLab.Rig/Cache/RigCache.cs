using System.Globalization;

namespace DriverLab.Rig.Cache;

/// <summary>The user's cache folder: kernels, apt's private state, guest programs, images, what was learnt about this machine. Everything in it can be deleted.</summary>
/// <remarks>
/// Invariants: an entry appears complete by a rename or not at all; an entry is checked against its hashes when it is used; two runs agree through lock files, which the
/// operating system frees when a run dies.
/// </remarks>
public sealed class RigCache
{
    /// <summary>Opens the cache at a folder and makes the folder.</summary>
    /// <exception cref="RigException">The folder cannot be made.</exception>
    public RigCache(string root)
    {
        Root = Path.GetFullPath(root);
        try
        {
            _ = Directory.CreateDirectory(Root);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RigException($"the cache folder {Root} cannot be made ({e.Message}); choose another with DRIVERLAB_CACHE=DIR", e);
        }
    }

    /// <summary>The folder itself, absolute.</summary>
    public string Root { get; }

    /// <summary>The user's cache: <c>$DRIVERLAB_CACHE</c>, else <c>$XDG_CACHE_HOME/driverlab</c>, else <c>~/.cache/driverlab</c>.</summary>
    public static RigCache OfUser()
    {
        if (Environment.GetEnvironmentVariable("DRIVERLAB_CACHE") is { Length: > 0 } chosen)
            return new(chosen);
        if (Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } xdg)
            return new(Path.Combine(xdg, "driverlab"));
        string home = Environment.GetEnvironmentVariable("HOME") is { Length: > 0 } set ? set : Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        return new(Path.Combine(home.Length > 0 ? home : "/", ".cache", "driverlab"));
    }

    /// <summary>A folder below the root, made when it is missing.</summary>
    public string Folder(params ReadOnlySpan<string> parts)
    {
        string path = Path.Combine([Root, .. parts]);
        try
        {
            return Directory.CreateDirectory(path).FullName;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw NotWritable(path, e);
        }
    }

    /// <summary>A path below the root; nothing is made.</summary>
    public string PathOf(params ReadOnlySpan<string> parts) => Path.Combine([Root, .. parts]);

    /// <summary>Takes the lock of that name, waiting for another run when there is one. Disposing frees it.</summary>
    public async Task<IDisposable> LockAsync(string name, IProgress<string>? progress, CancellationToken cancellation)
    {
        for (bool told = false; ; told = true)
        {
            if (TryLock(name) is { } held)
                return held;
            if (!told)
                progress?.Report(string.Create(CultureInfo.InvariantCulture, $"waiting for another run that holds {name}"));
            await Task.Delay(100, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>Takes the lock of that name; null when somebody holds it.</summary>
    public IDisposable? TryLock(string name)
    {
        string file = Path.Combine(Folder("locks"), name + ".lock");
        try
        {
            return new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.None);
        }
        catch (IOException e) when (IsSharingViolation(e))
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw NotWritable(file, e);
        }
    }

    /// <summary>True for a folder that is named after a process (<c>PID-…</c>) which is no more.</summary>
    internal static bool IsOfEndedRun(string folder) => !Directory.Exists("/proc/" + Path.GetFileName(folder).Split('-')[0]);

    /// <summary>True for the half-written file (<c>NAME.PID.tmp</c>) of a process that lives.</summary>
    internal static bool IsBeingWritten(string file) => file.EndsWith(".tmp", StringComparison.Ordinal) && Directory.Exists("/proc/" + file.Split('.')[^2]);

    /// <summary>Puts a file in place by writing beside it and renaming.</summary>
    public static void Commit(string path, Action<Stream> write)
    {
        string temporary = path + "." + Environment.ProcessId.ToString(CultureInfo.InvariantCulture) + ".tmp";
        try
        {
            _ = Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            RemoveLeftovers(path);
            using (var stream = new FileStream(temporary, FileMode.Create, FileAccess.ReadWrite))
                write(stream);
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Remove(temporary);
            throw NotWritable(path, e);
        }
        catch
        {
            Remove(temporary);
            throw;
        }
    }

    /// <summary>Removes a file or a folder with what is in it; one that is gone already is fine.</summary>
    public static void Remove(string path)
    {
        try
        {
            if (Directory.Exists(path))
                Directory.Delete(path, recursive: true);
            else
                File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What cannot be removed is found again, and judged by its hashes, by the next run.
        }
    }

    /// <summary>The sentence for a cache that cannot be written: full, read-only, not ours.</summary>
    internal static RigException NotWritable(string path, Exception cause) =>
        new($"the cache cannot be written at {path}: {cause.Message}; free space or permissions are needed there, or choose another folder with DRIVERLAB_CACHE=DIR", cause);

    /// <summary>Half-written files of runs that were killed: their name carries a process id that is no more.</summary>
    private static void RemoveLeftovers(string path)
    {
        foreach (string file in Directory.EnumerateFiles(Path.GetDirectoryName(path)!, Path.GetFileName(path) + ".*.tmp"))
        {
            string id = Path.GetFileName(file)[(Path.GetFileName(path).Length + 1)..^".tmp".Length];
            if (!Directory.Exists("/proc/" + id))
                Remove(file);
        }
    }

    // flock(2) said EWOULDBLOCK: .NET reports it as a sharing violation with errno 11 in HResult.
    private static bool IsSharingViolation(IOException e) => e is { HResult: 11 } or { HResult: unchecked((int)0x80070020) };
}
