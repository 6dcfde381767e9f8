namespace DriverLab.StorageDrivers;

/// <summary>Counts the users of mount points, by path, in memory.</summary>
/// <param name="isMounted">Asks the kernel. A path seen for the first time and already mounted starts at one: its user outlived the process that counted before.</param>
internal sealed class MountCounter(Func<string, bool> isMounted)
{
    private readonly Dictionary<string, int> _counts = [];
    private readonly HashSet<string> _asked = [];

    /// <summary>One user more.</summary>
    /// <returns>The count now; 1 means that the caller has to mount.</returns>
    public int Increment(string path) => Change(path, +1);

    /// <summary>One user less, never below none.</summary>
    /// <returns>The count now; 0 means that the caller has to unmount.</returns>
    public int Decrement(string path) => Change(path, -1);

    /// <summary>The count, for a look.</summary>
    public int Of(string path) => _counts.GetValueOrDefault(path);

    /// <summary>The paths in use.</summary>
    public IReadOnlyList<string> InUse => [.. _counts.Where(static pair => pair.Value > 0).Select(static pair => pair.Key).Order(StringComparer.Ordinal)];

    /// <summary>Forgets a path that is gone.</summary>
    public void Forget(string path)
    {
        _ = _counts.Remove(path);
        _ = _asked.Remove(path);
    }

    private int Change(string path, int by)
    {
        int count = _counts.GetValueOrDefault(path);
        if (_asked.Add(path) && isMounted(path))
            count++;
        return _counts[path] = Math.Max(0, count + by);
    }
}
