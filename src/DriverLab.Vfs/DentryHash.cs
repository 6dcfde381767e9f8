using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DriverLab.Vfs;

/// <summary>Finds a child by directory and name: one chained hash table for a whole super block, so that a directory costs nothing.</summary>
internal sealed class DentryHash
{
    private Dentry?[] _buckets = new Dentry?[64];
    private int _count;
    private uint _salts;

    /// <summary>Entries in the table.</summary>
    public int Count => _count;

    /// <summary>A number for a new entry, by which its children are spread.</summary>
    public uint NextSalt() => _salts += 0x9E3779B1;

    /// <summary>A hash of the bytes that is the same in every process.</summary>
    public static uint HashOf(ReadOnlySpan<byte> name)
    {
        ulong hash = (uint)name.Length * 0x9E3779B97F4A7C15UL;
        while (name.Length >= 8)
        {
            hash = (hash ^ MemoryMarshal.Read<ulong>(name)) * 0xff51afd7ed558ccdUL;
            hash ^= hash >> 32;
            name = name[8..];
        }
        ulong rest = 0;
        for (int i = 0; i < name.Length; i++)
            rest |= (ulong)name[i] << (8 * i);
        hash = (hash ^ rest) * 0xc4ceb9fe1a85ec53UL;
        return (uint)(hash >> 32);
    }

    public Dentry? Find(Dentry parent, ReadOnlySpan<byte> name)
    {
        uint hash = HashOf(name);
        var dentry = _buckets[Slot(parent, hash)];
        while (dentry is not null)
        {
            if (dentry.NameHash == hash && ReferenceEquals(dentry.Parent, parent) && name.SequenceEqual(dentry.NameArray))
                return dentry;
            dentry = dentry.HashNext;
        }
        return null;
    }

    public void Add(Dentry dentry)
    {
        if (_count >= _buckets.Length)
            Grow();
        ref var bucket = ref _buckets[Slot(dentry.Parent, dentry.NameHash)];
        dentry.HashNext = bucket;
        bucket = dentry;
        _count++;
    }

    public void Remove(Dentry dentry)
    {
        ref var at = ref _buckets[Slot(dentry.Parent, dentry.NameHash)];
        while (!ReferenceEquals(at, dentry))
            at = ref at!.HashNext;
        at = dentry.HashNext;
        dentry.HashNext = null;
        _count--;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Slot(Dentry parent, uint hash) => (int)((hash ^ parent.Salt) & (uint)(_buckets.Length - 1));

    private void Grow()
    {
        var old = _buckets;
        _buckets = new Dentry?[old.Length * 2];
        foreach (var first in old)
        {
            for (var dentry = first; dentry is not null;)
            {
                var next = dentry.HashNext;
                ref var bucket = ref _buckets[Slot(dentry.Parent, dentry.NameHash)];
                dentry.HashNext = bucket;
                bucket = dentry;
                dentry = next;
            }
        }
    }
}
