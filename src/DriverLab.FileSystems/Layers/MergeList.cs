using DriverLab.Linux.Abi;

namespace DriverLab.FileSystems.Layers;

/// <summary>One name of a merged directory.</summary>
public struct MergeEntry
{
    internal int NameStart;
    internal int NameLength;
    internal uint Hash;
    internal int HashNext;
    internal bool IsInLowest;
    /// <summary>Inode number that the topmost layer with this name reported.</summary>
    public ulong RealIno;
    /// <summary>Inode number to emit; 0 when it has yet to be found out.</summary>
    public ulong Ino;
    public DirentType Type;
    /// <summary>Number of the layer that the entry was first seen in, 0 at the top.</summary>
    public int Layer;
    /// <summary>Counts in offsets, but is not shown.</summary>
    public bool IsHidden;
    /// <summary>May turn out to be hidden when it is looked up.</summary>
    public bool IsDoubtful;
}

/// <summary>
/// The names of a directory that several layers make up. Layers are added top first; the first layer that has a name decides about it.
/// The order is that of the lowest layer, then what only higher layers have, in the order of discovery: offsets stay as they are when something is copied up.
/// </summary>
/// <remarks>Linux fs/overlayfs/readdir.c: ovl_dir_read_merged(). Names share one buffer; nothing is allocated per entry.</remarks>
public sealed class MergeList
{
    private MergeEntry[] _entries = new MergeEntry[16];
    private int[] _buckets = new int[32];
    private int[] _lowest = [];
    private int[] _order = [];
    private byte[] _names = new byte[256];
    private int _nameBytes;
    private int _lowestCount;
    private bool _isSealed;

    /// <summary>Entries, hidden ones included.</summary>
    public int Count { get; private set; }

    /// <summary>The entry at a position of the final order; valid after <see cref="Seal"/>.</summary>
    public ref MergeEntry this[int position] => ref _entries[_order[position]];

    /// <summary>An entry in the order of discovery.</summary>
    public ref MergeEntry Discovered(int index) => ref _entries[index];

    /// <summary>The name of an entry.</summary>
    public ReadOnlySpan<byte> NameOf(in MergeEntry entry) => _names.AsSpan(entry.NameStart, entry.NameLength);

    /// <summary>The index, in the order of discovery, of a name; -1 when it is not in the list.</summary>
    public int Find(ReadOnlySpan<byte> name)
    {
        uint hash = HashOf(name);
        int at = _buckets[hash & (uint)(_buckets.Length - 1)] - 1;
        while (at >= 0)
        {
            ref var entry = ref _entries[at];
            if (entry.Hash == hash && NameOf(entry).SequenceEqual(name))
                return at;
            at = entry.HashNext - 1;
        }
        return -1;
    }

    /// <summary>Adds a name that a layer has; the result is its index when it is new, or -1.</summary>
    /// <param name="name">The name.</param>
    /// <param name="ino">Inode number as the layer reports it.</param>
    /// <param name="type">Type as the layer reports it.</param>
    /// <param name="layer">Number of the layer.</param>
    /// <param name="isLowest">The layer is the last one.</param>
    public int Add(ReadOnlySpan<byte> name, ulong ino, DirentType type, int layer, bool isLowest)
    {
        int index = Find(name);
        bool isNew = index < 0;
        if (isNew)
            index = Append(name, ino, type, layer);
        ref var entry = ref _entries[index];
        if (isLowest && !entry.IsInLowest)
        {
            entry.IsInLowest = true;
            if (_lowestCount == _lowest.Length)
                Array.Resize(ref _lowest, Math.Max(16, _lowest.Length * 2));
            _lowest[_lowestCount++] = index;
        }
        return isNew ? index : -1;
    }

    /// <summary>Fixes the order after the last layer.</summary>
    public void Seal()
    {
        System.Diagnostics.Debug.Assert(!_isSealed, "sealed twice");
        _isSealed = true;
        _order = new int[Count];
        _lowest.AsSpan(0, _lowestCount).CopyTo(_order);
        int at = _lowestCount;
        for (int i = 0; i < Count; i++)
        {
            if (!_entries[i].IsInLowest)
                _order[at++] = i;
        }
        _lowest = [];
    }

    private int Append(ReadOnlySpan<byte> name, ulong ino, DirentType type, int layer)
    {
        if (Count == _entries.Length)
            Grow();
        if (_nameBytes + name.Length > _names.Length)
            Array.Resize(ref _names, Math.Max(_names.Length * 2, _nameBytes + name.Length));
        name.CopyTo(_names.AsSpan(_nameBytes));
        uint hash = HashOf(name);
        ref int bucket = ref _buckets[hash & (uint)(_buckets.Length - 1)];
        _entries[Count] = new MergeEntry
        {
            NameStart = _nameBytes,
            NameLength = name.Length,
            Hash = hash,
            HashNext = bucket,
            RealIno = ino,
            Ino = ino,
            Type = type,
            Layer = layer,
        };
        _nameBytes += name.Length;
        bucket = ++Count;
        return Count - 1;
    }

    private void Grow()
    {
        Array.Resize(ref _entries, _entries.Length * 2);
        _buckets = new int[_entries.Length * 2];
        for (int i = 0; i < Count; i++)
        {
            ref int bucket = ref _buckets[_entries[i].Hash & (uint)(_buckets.Length - 1)];
            _entries[i].HashNext = bucket;
            bucket = i + 1;
        }
    }

    private static uint HashOf(ReadOnlySpan<byte> name)
    {
        uint hash = 2166136261;
        foreach (byte b in name)
            hash = (hash ^ b) * 16777619;
        return hash ^ (hash >> 15);
    }
}
