using DriverLab.Vfs;

namespace DriverLab.FileSystems.Aufs;

/// <summary>Inode numbers of the union: one table for each file system under the branches says which number an inode there has. Freed numbers come back first.</summary>
/// <remarks>aufs fs/aufs/xino.c: au_xino_read(), au_xino_write(), au_xino_new_ino(), au_xino_delete_inode().</remarks>
internal sealed class InodeNumbers
{
    public const ulong Root = 2, First = 11;

    private readonly Dictionary<(SuperBlock, ulong), ulong> _table = [];
    private readonly SortedSet<ulong> _free = [];
    private ulong _next = First;
    private ulong _counter = First;

    /// <summary>The number of an inode of a branch; 0 when it has none yet.</summary>
    public ulong Find(SuperBlock sb, ulong realIno) => _table.GetValueOrDefault((sb, realIno));

    /// <summary>Notes the number of an inode of a branch.</summary>
    public void Set(SuperBlock sb, ulong realIno, ulong ino) => _table[(sb, realIno)] = ino;

    /// <summary>The inode of a branch is gone, or is nothing of the union's any more.</summary>
    public void Forget(Inode real) => _ = _table.Remove((real.Sb, real.Ino));

    /// <summary>The lowest free number.</summary>
    public ulong New()
    {
        if (_free.Count == 0)
            return _next++;
        ulong ino = _free.Min;
        _ = _free.Remove(ino);
        return ino;
    }

    /// <summary>Gives a number back.</summary>
    public void Free(ulong ino)
    {
        if (ino >= First && ino < _next)
            _ = _free.Add(ino);
    }

    /// <summary>Without a table: numbers that are never given again.</summary>
    public ulong Count() => ++_counter;

    /// <summary>Throws the table away; numbers in use stay in use.</summary>
    public void Clear() => _table.Clear();
}
