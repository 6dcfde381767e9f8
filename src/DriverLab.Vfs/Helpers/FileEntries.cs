namespace DriverLab.Vfs.Helpers;

/// <summary>
/// The entries of one file that are in memory: those that can be looked up, and removed ones that somebody holds. A file handle leads to one of them.
/// A file system notes each entry that gets the file; the others leave by themselves.
/// </summary>
/// <remarks>Linux include/linux/fs.h: struct inode's i_dentry.</remarks>
public struct FileEntries
{
    private Dentry? _entry;
    private List<Dentry>? _laterEntries;

    /// <summary>Remembers an entry.</summary>
    public void Note(Dentry dentry)
    {
        _ = _laterEntries?.RemoveAll(static e => !IsThere(e));
        if (_laterEntries is not { Count: > 0 } && (_entry is null || !IsThere(_entry)))
            _entry = dentry;
        else
            (_laterEntries ??= []).Add(dentry);
    }

    /// <summary>The newest entry that is still there.</summary>
    /// <remarks>Linux fs/dcache.c: d_find_any_alias().</remarks>
    public readonly Dentry? Newest => Find(static e => IsThere(e));

    /// <summary>The newest entry that can be looked up.</summary>
    /// <remarks>Linux fs/dcache.c: d_find_alias(), for what is no directory.</remarks>
    public readonly Dentry? NewestHashed => Find(static e => e.IsHashed);

    /// <summary>True when the file can be looked up by another name that is known.</summary>
    public readonly bool HasOther(Dentry than) => Find(e => e.IsHashed && !ReferenceEquals(e, than)) is not null;

    private readonly Dentry? Find(Predicate<Dentry> accepts)
    {
        for (int i = (_laterEntries?.Count ?? 0) - 1; i >= 0; i--)
        {
            if (accepts(_laterEntries![i]))
                return _laterEntries[i];
        }
        return _entry is not null && accepts(_entry) ? _entry : null;
    }

    private static bool IsThere(Dentry entry) => entry.IsHashed || entry.IsInUse;
}
