using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Fuzzing;

/// <content>What lets one see or stop what another does: mappings, locks, watches.</content>
internal abstract partial class FileProgram
{
    private const string Watcher = "i";

    private static readonly string[] s_regions = ["0 0", "0 5", "3 4", "5 10", "8 0", "100 100", "4096 1"];

    private readonly List<string> _maps = [];
    private readonly List<string> _watches = [];
    private bool _hasWatcher;

    protected static IReadOnlyList<Operation<FileProgram>> SharingOperations { get; } =
    [
        new("mmap", 3, static p => p.Map()),
        new("load", 3, static p => p.Load()),
        new("store", 4, static p => p.Store()),
        new("unmap", 1, static p => p.Unmap()),
        new("flock", 2, static p => p.LockFile()),
        new("lock", 3, static p => p.LockRegion()),
        new("watch", 2, static p => p.Watch()),
        new("events", 3, static p => p.Events()),
    ];

    // ---- mappings: of the one task that makes them ------------------------------------------------------------------------------------------------

    private void Map()
    {
        if (HasActors || _maps.Count >= 4 || AnyOpen(static o => o is { Reads: true, IsDirectory: false, IsPath: false }) is not { } file)
            return;
        string name = "m" + (char)('1' + _maps.Count);
        string protection = Draw.Of("PROT_READ", "PROT_READ|PROT_WRITE", "PROT_READ|PROT_WRITE", Invalid() ? "PROT_NONE" : "PROT_READ|PROT_WRITE");
        var offset = Writer.Word(Invalid() ? Draw.Of("1", "-4096") : Draw.Of("0", "0", "0", "4096", "8192"));
        Writer.Add(name, "mmap", null, Writer.Word(file.Name), Writer.Word(protection), Writer.Word(Draw.Of("MAP_SHARED", "MAP_SHARED", "MAP_SHARED", "MAP_PRIVATE")), offset, Writer.Word(Draw.Of("4096", "8192", "12288")));
        _maps.Add(name);
    }

    private void Load()
    {
        if (_maps.Count > 0 && !HasActors)
            Writer.Add("load", Writer.Word("$" + Draw.Of(_maps)), Writer.Word(Draw.Of("0", "0", "100", "4000", "4096", "8190")), Writer.Word(Draw.Of("1", "10", "96", "200")));
    }

    private void Store()
    {
        if (_maps.Count > 0 && !HasActors)
            Writer.Add("store", Writer.Word("$" + Draw.Of(_maps)), Writer.Word(Draw.Of("0", "0", "50", "4000", "4095", "4096", "8191")), Writer.Word(Draw.Of("x", "stored", "{S*100}")));
    }

    private void Unmap()
    {
        if (_maps.Count == 0 || HasActors)
            return;
        string last = _maps[^1];
        if (Draw.Chance(50))
        {
            Writer.Add("msync", Writer.Word("$" + last), Writer.Word(Draw.Of("MS_SYNC", "MS_ASYNC", "MS_INVALIDATE", Invalid() ? "MS_SYNC|MS_ASYNC" : "0")));
            return;
        }
        Writer.Add("munmap", Writer.Word("$" + last));
        _maps.RemoveAt(_maps.Count - 1);
    }

    // ---- locks: nothing waits for one -------------------------------------------------------------------------------------------------------------

    private void LockFile()
    {
        if (Descriptor() is { } fd)
            Writer.Add("flock", fd, Writer.Word(Draw.Of("LOCK_SH|LOCK_NB", "LOCK_EX|LOCK_NB", "LOCK_EX|LOCK_NB", "LOCK_UN", Invalid() ? "LOCK_NB" : "LOCK_SH|LOCK_NB")));
    }

    private void LockRegion()
    {
        if (Descriptor(static o => !o.IsPath) is not { } fd)
            return;
        string[] region = (Invalid() ? Draw.Of("-1 1", "5 -3", "5 -10") : Draw.Of(s_regions)).Split(' ');
        Writer.Add("lock", fd, Writer.Word(Draw.Of("F_SETLK", "F_SETLK", "F_OFD_SETLK", "F_OFD_SETLK", "F_GETLK", "F_OFD_GETLK")), Writer.Word(Draw.Of("F_RDLCK", "F_WRLCK", "F_WRLCK", "F_UNLCK")), Writer.Word(region[0]), Writer.Word(region[1]));
    }

    /// <summary>The descriptor comes before all others, and only where one task has them all: its number is never another's.</summary>
    private void MakeWatcher()
    {
        _hasWatcher = !HasActors && Draw.Chance(40);
        if (_hasWatcher)
            Writer.Add(Watcher, "inotify", null);
    }

    // ---- watches ------------------------------------------------------------------------------------------------------------------------------------

    private void Watch()
    {
        if (!_hasWatcher)
            return;
        if (_watches.Count > 0 && Draw.Chance(15))
        {
            Writer.Add("unwatch", Writer.Word(Watcher), Writer.Word("$" + Draw.Of(_watches)));
            return;
        }
        string name = "w" + (char)('1' + Draw.Next(5));
        string mask = Draw.Of("IN_ALL_EVENTS", "IN_ALL_EVENTS", "IN_CREATE|IN_DELETE|IN_MOVED_FROM|IN_MOVED_TO", "IN_MODIFY|IN_ATTRIB", "IN_ALL_EVENTS|IN_DONT_FOLLOW", "IN_DELETE_SELF|IN_MOVE_SELF", "IN_ALL_EVENTS|IN_ONESHOT",
            "IN_OPEN|IN_CLOSE_WRITE|IN_CLOSE_NOWRITE|IN_ACCESS|IN_MASK_ADD", "IN_ALL_EVENTS|IN_EXCL_UNLINK", Invalid() ? "0" : "IN_ALL_EVENTS|IN_ONLYDIR");
        Writer.Add(name, "watch", null, Writer.Word(Watcher), Some(Draw.Chance(60) ? NodeKind.Directory : null).Path, Writer.Word(mask));
        if (!_watches.Contains(name))
            _watches.Add(name);
    }

    private void Events()
    {
        if (_hasWatcher)
            Writer.Add("events", Writer.Word(Watcher));
    }

    private void UnmapAll()
    {
        foreach (string map in _maps)
            Writer.Add("munmap", Writer.Word("$" + map));
        _maps.Clear();
    }
}
