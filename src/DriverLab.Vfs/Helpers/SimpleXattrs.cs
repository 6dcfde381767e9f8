using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs.Helpers;

/// <summary>Extended attributes in memory: a chain of names and values, empty for most inodes.</summary>
/// <remarks>Linux fs/xattr.c: simple_xattr_get(), simple_xattr_set(), simple_xattr_list().</remarks>
public struct SimpleXattrs
{
    private sealed class Node(byte[] name)
    {
        public readonly byte[] Name = name;
        public byte[] Value = [];
        public Node? Next;
    }

    private Node? _first;

    /// <summary>True when there is no attribute.</summary>
    public readonly bool IsEmpty => _first is null;

    /// <summary>The first name; there must be one.</summary>
    public readonly byte[] FirstName => _first!.Name;

    /// <summary>The value, or its size for an empty buffer.</summary>
    /// <returns>ENODATA, ERANGE.</returns>
    public readonly SysResult<int> Get(ReadOnlySpan<byte> name, Span<byte> value)
    {
        for (var node = _first; node is not null; node = node.Next)
        {
            if (!name.SequenceEqual(node.Name))
                continue;
            if (value.IsEmpty)
                return node.Value.Length;
            if (node.Value.Length > value.Length)
                return Errno.ERANGE;
            node.Value.CopyTo(value);
            return node.Value.Length;
        }
        return Errno.ENODATA;
    }

    /// <summary>Sets a value.</summary>
    /// <param name="name">Whole name.</param>
    /// <param name="value">The value, which may be empty.</param>
    /// <param name="flags">XATTR_CREATE, XATTR_REPLACE.</param>
    /// <param name="sorted">Keep the chain in the order of names (since 6.2); otherwise the newest stands first.</param>
    /// <returns>EEXIST, ENODATA.</returns>
    public Errno Set(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, XattrFlags flags, bool sorted)
    {
        ref var at = ref Find(name, out bool found, sorted);
        if (found && (flags & XattrFlags.XATTR_CREATE) != 0)
            return Errno.EEXIST;
        if (!found && (flags & XattrFlags.XATTR_REPLACE) != 0)
            return Errno.ENODATA;
        if (!found)
            at = new Node(name.ToArray()) { Next = at };
        at!.Value = value.ToArray();
        return Errno.OK;
    }

    /// <summary>Removes an attribute.</summary>
    /// <returns>ENODATA.</returns>
    public Errno Remove(ReadOnlySpan<byte> name, out int size)
    {
        ref var at = ref Find(name, out bool found, sorted: false);
        size = found ? at!.Value.Length : 0;
        if (found)
            at = at!.Next;
        return found ? Errno.OK : Errno.ENODATA;
    }

    /// <summary>All names, each with a NUL; those of <c>trusted.</c> only for the capable.</summary>
    /// <returns>ERANGE.</returns>
    public readonly SysResult<int> List(Caller caller, Span<byte> names)
    {
        bool seesTrusted = caller.Credentials.Capable(Capabilities.CAP_SYS_ADMIN);
        int total = 0;
        for (var node = _first; node is not null; node = node.Next)
        {
            if (!seesTrusted && node.Name.AsSpan().StartsWith("trusted."u8))
                continue;
            int size = node.Name.Length + 1;
            if (!names.IsEmpty)
            {
                if (size > names.Length - total)
                    return Errno.ERANGE;
                node.Name.CopyTo(names[total..]);
                names[total + size - 1] = 0;
            }
            total += size;
        }
        return total;
    }

    [System.Diagnostics.CodeAnalysis.UnscopedRef]
    private ref Node? Find(ReadOnlySpan<byte> name, out bool found, bool sorted)
    {
        ref var at = ref _first;
        ref var place = ref at;
        bool isPlaced = !sorted;
        while (at is not null)
        {
            int order = name.SequenceCompareTo(at.Name);
            if (order == 0)
            {
                found = true;
                return ref at;
            }
            if (!isPlaced && order < 0)
            {
                place = ref at;
                isPlaced = true;
            }
            at = ref at.Next;
        }
        found = false;
        if (!isPlaced)
            place = ref at;
        return ref place;
    }
}
