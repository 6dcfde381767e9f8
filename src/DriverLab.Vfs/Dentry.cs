using DriverLab.Linux;
using System.Runtime.CompilerServices;

namespace DriverLab.Vfs;

/// <summary>State bits of an entry.</summary>
[Flags]
public enum DentryFlags : byte
{
    None = 0,
    /// <summary>Found by name lookups.</summary>
    Hashed = 1,
    /// <summary>Something is mounted here, in some namespace.</summary>
    Mounted = 2,
    /// <summary>Nothing may be mounted here any more: the entry was removed.</summary>
    CantMount = 4,
    /// <summary>A place in a directory listing, not an entry.</summary>
    Cursor = 8,
    /// <summary><see cref="Dentry.Revalidate"/> is asked before the entry is used.</summary>
    Revalidates = 16,
    /// <summary>Stays in its directory's list as a negative entry when what it names is removed and nobody uses it.</summary>
    StaysNegative = 32,
    /// <summary>Removed and in use: it holds its directory's entry.</summary>
    PinsParent = 64,
}

/// <summary>A name in a directory and what it leads to: an inode, or nothing (a negative entry).</summary>
/// <remarks>
/// A file system may keep state of its own in a subclass (<see cref="SuperBlock.NewDentry"/>). The children of a directory form a list, newest first, and are
/// found through the super block's hash table. Linux include/linux/dcache.h: struct dentry.
/// </remarks>
public class Dentry
{
    /// <summary>A new unhashed, negative entry. Names are owned by the entry and never changed in place.</summary>
    protected internal Dentry(SuperBlock sb, Dentry? parent, byte[] name)
    {
        Sb = sb;
        Parent = parent ?? this;
        NameArray = name;
        NameHash = DentryHash.HashOf(name);
        Salt = sb.Children.NextSalt();
    }

    internal byte[] NameArray;
    internal Dentry? HashNext;
    internal Dentry? FirstChild;
    internal Dentry? NextSibling;
    internal Dentry? PreviousSibling;

    public readonly SuperBlock Sb;
    internal uint NameHash;

    /// <summary>Spreads the children of different directories over the hash table; follows the entry through renames.</summary>
    internal readonly uint Salt;
    private DentryFlags _flags;
    private int _users;

    /// <summary>Position in the directory's listing, for file systems with stable offsets.</summary>
    public uint DirOffset;

    /// <summary>The directory; the entry itself at the root of a file system or without a place.</summary>
    public Dentry Parent { get; internal set; }

    /// <summary>The inode, or null for a negative entry. A removed entry keeps its inode for those who hold it.</summary>
    public Inode? Inode { get; private set; }

    public ReadOnlySpan<byte> Name => NameArray;
    public bool IsNegative => Inode is null;
    public bool IsPositive => Inode is not null;
    public bool IsDirectory => Inode is { IsDirectory: true };
    public bool IsRoot => ReferenceEquals(Parent, this);
    public bool IsHashed => (_flags & DentryFlags.Hashed) != 0;

    /// <summary>Neither hashed nor a root: removed, or without a name.</summary>
    public bool IsUnlinked => !IsHashed && !IsRoot;
    public bool IsMountpoint => (_flags & DentryFlags.Mounted) != 0;
    public bool CantMount => (_flags & DentryFlags.CantMount) != 0;
    public bool IsCursor => (_flags & DentryFlags.Cursor) != 0;

    /// <summary><see cref="Revalidate"/> is asked before the entry is used.</summary>
    public bool NeedsRevalidation => (_flags & DentryFlags.Revalidates) != 0;

    /// <summary>Sets or clears state bits; not <see cref="DentryFlags.Hashed"/>, which follows the hash table.</summary>
    public void SetFlag(DentryFlags flag, bool on) => _flags = on ? _flags | flag : _flags & ~flag;

    /// <summary>Asked before a cached entry is used, when <see cref="DentryFlags.Revalidates"/> is set; false drops it and looks up again.</summary>
    public virtual SysResult<bool> Revalidate(Caller caller) => true;

    // ---- making entries positive ------------------------------------------------------------------------------------------------------

    /// <summary>Attaches an inode to a negative entry.</summary>
    /// <remarks>Linux fs/dcache.c: d_instantiate().</remarks>
    public void Instantiate(Inode inode)
    {
        System.Diagnostics.Debug.Assert(Inode is null, "entry is positive");
        Inode = inode;
        if (inode.IsDirectory)
            inode.Alias = this;
    }

    /// <summary>Gives the entry of a file without a name the one that watches and /proc show: # and the inode's number.</summary>
    /// <remarks>Linux fs/dcache.c: d_mark_tmpfile().</remarks>
    internal void MarkTmpfile()
    {
        NameArray = System.Text.Encoding.ASCII.GetBytes(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"#{Inode!.Ino}"));
        NameHash = DentryHash.HashOf(NameArray);
    }

    /// <summary>Ends a lookup: attaches the inode, or null for "no such name", and hashes the entry.</summary>
    /// <remarks>Linux fs/dcache.c: d_add(). Negative entries of a file system whose cache is complete are not kept.</remarks>
    public void Add(Inode? inode)
    {
        Inode = inode;
        if (inode is { IsDirectory: true })
            inode.Alias = this;
        if (inode is not null || !Sb.CacheIsComplete)
            Rehash();
    }

    /// <summary>Makes an unhashed entry findable and puts it at the head of its directory's list.</summary>
    public void Rehash()
    {
        if (IsHashed)
            return;
        _flags |= DentryFlags.Hashed;
        Sb.Children.Add(this);
        LinkBefore(Parent, Parent.FirstChild);
    }

    /// <summary>Takes the entry out of the tree: it keeps parent, name and inode, and is not found any more.</summary>
    /// <remarks>Linux fs/dcache.c: d_drop().</remarks>
    public void Drop()
    {
        if (!IsHashed)
            return;
        _flags &= ~DentryFlags.Hashed;
        Sb.Children.Remove(this);
        UnlinkSibling();
    }

    /// <summary>
    /// Ends the entry of a removed name. Complete caches keep none, but for one marked <see cref="DentryFlags.StaysNegative"/> that nobody uses: a negative entry takes its place in the list.
    /// </summary>
    /// <remarks>Linux fs/dcache.c: d_delete() and retain_dentry(). The removed entry keeps its inode here, for watches that are told afterwards.</remarks>
    public void Delete()
    {
        var previous = PreviousSibling;
        bool stays = (_flags & DentryFlags.StaysNegative) != 0 && _users == 0;
        Drop();
        PinParent();
        if (!stays)
            return;
        var negative = Sb.NewDentry(Parent, NameArray);
        negative._flags |= DentryFlags.Hashed | DentryFlags.StaysNegative;
        Sb.KeepsNegatives = true;
        Sb.Children.Add(negative);
        if (previous is not null)
            negative.LinkAfter(previous);
        else
            negative.LinkBefore(Parent, Parent.FirstChild);
    }

    // ---- use -----------------------------------------------------------------------------------------------------------------------------

    /// <summary>Open files, working directories and mounts keep the entry, and with it its inode, alive.</summary>
    public void Hold()
    {
        _users++;
        Inode?.Hold();
        if (_users == 1 && IsUnlinked)
            PinParent(); // a file that never had a name
    }

    /// <summary>Some open file, working directory or mount keeps it.</summary>
    public bool IsInUse => _users > 0;

    /// <summary>Undoes one <see cref="Hold"/>; the last one lets go of the directory that a removed entry was in.</summary>
    public void Release()
    {
        Inode?.Release();
        if (--_users > 0)
            return;
        if (IsUnlinked)
            Notify.EntryGone(this);
        if ((_flags & DentryFlags.PinsParent) == 0)
            return;
        _flags &= ~DentryFlags.PinsParent;
        Parent.Release();
    }

    /// <summary>An entry without a place that is in use keeps its directory's entry: the inode of that stays too, though it be removed itself.</summary>
    private void PinParent()
    {
        if (_users == 0 || (_flags & DentryFlags.PinsParent) != 0)
            return;
        _flags |= DentryFlags.PinsParent;
        Parent.Hold();
    }

    /// <summary>Drops the entry and everything cached below it; the next lookup asks the file system again.</summary>
    /// <remarks>Linux fs/dcache.c: d_invalidate().</remarks>
    public void Invalidate()
    {
        DropChildren();
        Drop();
        PinParent();
    }

    /// <summary>Drops everything cached below.</summary>
    public void DropChildren()
    {
        while (FirstChild is { } child)
        {
            if (child.IsCursor)
                child.UnlinkSibling();
            else
                child.Invalidate();
        }
    }

    /// <summary>Drops what nobody uses below, from the leaves up; where the cache is complete that is removed names alone that have stayed as negative entries.</summary>
    /// <remarks>Linux fs/dcache.c: shrink_dcache_sb().</remarks>
    internal void Shrink()
    {
        for (var child = NewestChild; child is not null;)
        {
            var next = child.NextChild;
            child.Shrink();
            bool mayGo = !Sb.CacheIsComplete || (child.IsNegative && (child._flags & DentryFlags.StaysNegative) != 0);
            if (mayGo && !child.IsInUse && !child.IsMountpoint && child.FirstChild is null)
                child.Drop();
            child = next;
        }
    }

    // ---- renaming ------------------------------------------------------------------------------------------------------------------------

    /// <summary>Moves this entry to the place and name of <paramref name="target"/>, which drops out.</summary>
    /// <remarks>Linux fs/dcache.c: d_move().</remarks>
    public void Move(Dentry target)
    {
        var (parent, name, hash) = (target.Parent, target.NameArray, target.NameHash);
        target.Drop();
        target.PinParent();
        Drop();
        (Parent, NameArray, NameHash) = (parent, name, hash);
        Rehash();
    }

    /// <summary>Swaps the places and names of two entries.</summary>
    /// <remarks>Linux fs/dcache.c: d_exchange().</remarks>
    public void Exchange(Dentry other)
    {
        Drop();
        other.Drop();
        (Parent, other.Parent) = (other.Parent, Parent);
        (NameArray, other.NameArray) = (other.NameArray, NameArray);
        (NameHash, other.NameHash) = (other.NameHash, NameHash);
        other.Rehash();
        Rehash();
    }

    // ---- the tree -----------------------------------------------------------------------------------------------------------------------

    /// <summary>The cached child of that name, or null; allocates nothing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Dentry? FindChild(ReadOnlySpan<byte> name) => Sb.Children.Find(this, name);

    /// <summary>The newest child in the list, cursors left out; continue with <see cref="NextChild"/>.</summary>
    public Dentry? NewestChild => SkipCursors(FirstChild);

    /// <summary>The next older sibling, cursors left out.</summary>
    public Dentry? NextChild => SkipCursors(NextSibling);

    /// <summary>True when a hashed, positive child exists.</summary>
    /// <remarks>Linux fs/libfs.c: simple_empty(), negated.</remarks>
    public bool HasPositiveChild
    {
        get
        {
            for (var child = NewestChild; child is not null; child = child.NextChild)
            {
                if (child.IsPositive)
                    return true;
            }
            return false;
        }
    }

    /// <summary>True when this is <paramref name="descendant"/> or an ancestor of it.</summary>
    public bool IsAncestorOf(Dentry descendant)
    {
        for (var at = descendant; ; at = at.Parent)
        {
            if (ReferenceEquals(at, this))
                return true;
            if (at.IsRoot)
                return false;
        }
    }

    internal void LinkBefore(Dentry parent, Dentry? next)
    {
        NextSibling = next;
        PreviousSibling = next?.PreviousSibling;
        if (next is not null)
            next.PreviousSibling = this;
        if (PreviousSibling is not null)
            PreviousSibling.NextSibling = this;
        else
            parent.FirstChild = this;
    }

    internal void LinkAfter(Dentry previous)
    {
        PreviousSibling = previous;
        NextSibling = previous.NextSibling;
        if (NextSibling is not null)
            NextSibling.PreviousSibling = this;
        previous.NextSibling = this;
    }

    internal void UnlinkSibling()
    {
        if (PreviousSibling is not null)
            PreviousSibling.NextSibling = NextSibling;
        else if (ReferenceEquals(Parent.FirstChild, this))
            Parent.FirstChild = NextSibling;
        if (NextSibling is not null)
            NextSibling.PreviousSibling = PreviousSibling;
        NextSibling = PreviousSibling = null;
    }

    private static Dentry? SkipCursors(Dentry? dentry)
    {
        while (dentry is { IsCursor: true })
            dentry = dentry.NextSibling;
        return dentry;
    }
}
