namespace DriverLab.DeviceMapper.Targets;

/// <summary>Lets work wait until all I/O that began before it has ended.</summary>
/// <remarks>Linux drivers/md/dm-bio-prison-v1.c: struct dm_deferred_set.</remarks>
internal sealed class DeferredSet
{
    private const int Entries = 64;
    private readonly int[] _counts = new int[Entries];
    /// <summary>What waits for each entry; null until something has.</summary>
    private readonly List<ThinJob>?[] _work = new List<ThinJob>?[Entries];
    private int _current, _sweeper;

    /// <summary>I/O begins.</summary>
    /// <returns>What to give to <see cref="Dec"/>.</returns>
    public int Inc()
    {
        _counts[_current]++;
        return _current;
    }

    /// <summary>I/O ends; work that waited for nothing else is ready.</summary>
    public void Dec(int entry, List<ThinJob> ready)
    {
        _counts[entry]--;
        while (_sweeper != _current && _counts[_sweeper] == 0)
        {
            Take(ready);
            _sweeper = (_sweeper + 1) % Entries;
        }
        if (_sweeper == _current && _counts[_sweeper] == 0)
            Take(ready);
    }

    private void Take(List<ThinJob> ready)
    {
        if (_work[_sweeper] is not { Count: > 0 } work)
            return;
        ready.AddRange(work);
        work.Clear();
    }

    /// <summary>Makes work wait; false when there is nothing to wait for.</summary>
    public bool TryAdd(ThinJob work)
    {
        if (_sweeper == _current && _counts[_current] == 0)
            return false;
        (_work[_current] ??= []).Add(work);
        int next = (_current + 1) % Entries;
        if (_counts[next] == 0 && next != _sweeper)
            _current = next;
        return true;
    }
}
