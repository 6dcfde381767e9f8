using DriverLab.Linux;

namespace DriverLab.Vfs;

/// <summary>Which ids of a user name space are which of the kernel's. Immutable.</summary>
/// <remarks>Linux kernel/user_namespace.c: struct uid_gid_map, map_id_range_down(), map_id_up().</remarks>
public sealed class IdMap
{
    /// <summary>No id at all.</summary>
    public const uint Invalid = uint.MaxValue;

    private const int MaxExtents = 340;

    private readonly IdMapExtent[] _extents;

    private IdMap(IdMapExtent[] extents) => _extents = extents;

    /// <summary>Every id is itself.</summary>
    public static readonly IdMap Identity = new([new(0, 0, Invalid)]);

    /// <summary>No id has a meaning.</summary>
    public bool IsEmpty => _extents.Length == 0;

    /// <summary>A map whose outer ids are those of another map's inside.</summary>
    /// <returns>EINVAL (too many extents, none or too many ids in one, overlaps), EPERM (an outer id that means nothing).</returns>
    /// <remarks>Linux kernel/user_namespace.c: map_write().</remarks>
    public static Errno Make(ReadOnlySpan<IdMapExtent> lines, IdMap parent, out IdMap map)
    {
        map = new IdMap(lines.ToArray());
        if (lines.Length > MaxExtents)
            return Errno.EINVAL;
        for (int i = 0; i < lines.Length; i++)
        {
            var (inside, outside, count) = lines[i];
            if (count == 0 || !IsRange(inside, count) || !IsRange(outside, count))
                return Errno.EINVAL;
            for (int j = 0; j < i; j++)
            {
                if (Meet(inside, count, lines[j].Inside, lines[j].Count) || Meet(outside, count, lines[j].Outside, lines[j].Count))
                    return Errno.EINVAL;
            }
        }
        for (int i = 0; i < lines.Length; i++)
        {
            uint kernel = parent.Down(lines[i].Outside, lines[i].Count);
            if (kernel == Invalid)
                return Errno.EPERM;
            map._extents[i] = lines[i] with { Outside = kernel };
        }
        return Errno.OK;
    }

    private static bool IsRange(uint first, uint count) => first != Invalid && first + (ulong)count <= Invalid;

    private static bool Meet(uint a, uint aCount, uint b, uint bCount) => a < b + (ulong)bCount && b < a + (ulong)aCount;

    /// <summary>The kernel's id of one of the name space, or <see cref="Invalid"/>.</summary>
    public uint Down(uint id) => Down(id, 1);

    private uint Down(uint id, uint count)
    {
        foreach (var extent in _extents)
        {
            if (id >= extent.Inside && id + (ulong)count <= extent.Inside + (ulong)extent.Count)
                return id - extent.Inside + extent.Outside;
        }
        return Invalid;
    }

    /// <summary>The name space's id of one of the kernel's, or <see cref="Invalid"/>.</summary>
    public uint Up(uint id)
    {
        foreach (var extent in _extents)
        {
            if (id >= extent.Outside && id < extent.Outside + (ulong)extent.Count)
                return id - extent.Outside + extent.Inside;
        }
        return Invalid;
    }

    /// <summary>The kernel's id has a name in this name space.</summary>
    public bool Knows(uint id) => Up(id) != Invalid;
}

/// <summary>What ids mean to the tasks, file systems and mount name spaces that belong to it, and where capabilities count.</summary>
/// <remarks>Linux include/linux/user_namespace.h: struct user_namespace.</remarks>
public sealed class UserNamespace
{
    private const uint OverflowId = 65534;

    private readonly UserNamespace? _parent;
    private readonly uint _owner;
    private readonly int _level;

    private UserNamespace(UserNamespace? parent, uint owner, IdMap uids, IdMap gids)
    {
        (_parent, _owner, Uids, Gids) = (parent, owner, uids, gids);
        _level = parent is null ? 0 : parent._level + 1;
    }

    /// <summary>The one that the kernel starts with.</summary>
    public static readonly UserNamespace Initial = new(null, 0, IdMap.Identity, IdMap.Identity);

    /// <summary>Users.</summary>
    public IdMap Uids { get; }

    /// <summary>Groups.</summary>
    public IdMap Gids { get; }

    /// <summary>Neither users nor groups have names.</summary>
    public bool HasNoIds => Uids.IsEmpty || Gids.IsEmpty;

    /// <summary>The name space that the kernel starts with.</summary>
    public bool IsInitial => _parent is null;

    /// <summary>A name space of the caller's own.</summary>
    /// <returns>As <see cref="IdMap.Make"/>.</returns>
    public static Errno Make(Credentials owner, in UserMaps maps, out UserNamespace made)
    {
        var error = IdMap.Make(maps.Uids.Span, owner.Space.Uids, out var uids);
        var gidError = IdMap.Make(maps.Gids.Span, owner.Space.Gids, out var gids);
        made = new UserNamespace(owner.Space, owner.Unmapped.Fsuid, uids, gids);
        return error != Errno.OK ? error : gidError;
    }

    /// <summary>A user as this name space calls it; one without a name is 65534.</summary>
    /// <remarks>Linux kernel/user_namespace.c: from_kuid_munged().</remarks>
    public uint ShownUid(uint kuid) => Uids.Up(kuid) is var id and not IdMap.Invalid ? id : OverflowId;

    /// <summary>A group likewise.</summary>
    public uint ShownGid(uint kgid) => Gids.Up(kgid) is var id and not IdMap.Invalid ? id : OverflowId;

    /// <summary>The user is root here, or in a name space around this one.</summary>
    /// <remarks>Linux security/commoncap.c: rootid_owns_currentns().</remarks>
    internal bool IsBelowRoot(uint kuid)
    {
        for (var at = this; at is not null; at = at._parent)
        {
            if (at.Uids.Up(kuid) == 0)
                return true;
        }
        return false;
    }

    /// <summary>Does somebody of another name space have a capability here? Who made it has all of them.</summary>
    /// <remarks>Linux security/commoncap.c: cap_capable().</remarks>
    internal bool Grants(Credentials by, Capabilities capability)
    {
        for (var at = this; ; at = at._parent!)
        {
            if (ReferenceEquals(at, by.Space))
                return (by.Effective & capability) == capability;
            if (at._level <= by.Space._level)
                return false;
            if (ReferenceEquals(at._parent, by.Space) && at._owner == by.Unmapped.Fsuid)
                return true;
        }
    }
}

/// <summary>How a mount shows owners: an id of the file system is the id that the map leads down to.</summary>
/// <remarks>Linux fs/mnt_idmapping.c: make_vfsuid(), from_vfsuid().</remarks>
public sealed class MountMapping(UserNamespace map, UserNamespace ofFileSystem)
{
    /// <summary>Whom the mount shows as owner.</summary>
    public uint ShownUid(uint stored) => Through(ofFileSystem.Uids.Up(stored), map.Uids);

    /// <summary>Which group the mount shows.</summary>
    public uint ShownGid(uint stored) => Through(ofFileSystem.Gids.Up(stored), map.Gids);

    /// <summary>Who owns in the file system what the mount shows as owned by this user.</summary>
    public uint StoredUid(uint shown) => Through(map.Uids.Up(shown), ofFileSystem.Uids);

    /// <summary>Which group likewise.</summary>
    public uint StoredGid(uint shown) => Through(map.Gids.Up(shown), ofFileSystem.Gids);

    private static uint Through(uint id, IdMap map) => id == IdMap.Invalid ? id : map.Down(id);
}
