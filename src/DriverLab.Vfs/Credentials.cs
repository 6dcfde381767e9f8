using System.Runtime.CompilerServices;
using DriverLab.Linux;

namespace DriverLab.Vfs;

/// <summary>Capabilities that file systems ask about, as bits.</summary>
/// <remarks>Linux include/uapi/linux/capability.h; bit n is capability n.</remarks>
[Flags]
public enum Capabilities : ulong
{
    None = 0,
    CAP_CHOWN = 1UL << 0,
    CAP_DAC_OVERRIDE = 1UL << 1,
    CAP_DAC_READ_SEARCH = 1UL << 2,
    CAP_FOWNER = 1UL << 3,
    CAP_FSETID = 1UL << 4,
    CAP_SETGID = 1UL << 6,
    CAP_SETUID = 1UL << 7,
    CAP_LINUX_IMMUTABLE = 1UL << 9,
    CAP_SYS_RAWIO = 1UL << 17,
    CAP_SYS_CHROOT = 1UL << 18,
    CAP_SYS_ADMIN = 1UL << 21,
    CAP_SYS_RESOURCE = 1UL << 24,
    CAP_MKNOD = 1UL << 27,
    CAP_SETFCAP = 1UL << 31,
    CAP_SYSLOG = 1UL << 34,
    /// <summary>Everything the superuser has.</summary>
    All = (1UL << 41) - 1,
    /// <summary>What a file system operation may use: dropped and restored with the fsuid.</summary>
    Fs = CAP_CHOWN | CAP_DAC_OVERRIDE | CAP_DAC_READ_SEARCH | CAP_FOWNER | CAP_FSETID | CAP_LINUX_IMMUTABLE | CAP_MKNOD,
}

/// <summary>Who asks: file-system user and group, supplementary groups, effective capabilities and the user name space in which these count. Immutable.</summary>
/// <remarks>Linux include/linux/cred.h: struct cred. Ids are the kernel's; as seen through a mount with a map (<see cref="Through"/>) they are the file system's.</remarks>
public sealed class Credentials
{
    private readonly uint[] _groups;
    private readonly MountMapping? _mapping;
    private readonly Credentials? _unmapped;

    /// <summary>Somebody with these ids and rights.</summary>
    public Credentials(uint fsuid, uint fsgid, uint[] groups, Capabilities capabilities, UserNamespace? space = null)
    {
        (Fsuid, Fsgid, _groups, Effective) = (fsuid, fsgid, groups, capabilities);
        Space = space ?? UserNamespace.Initial;
    }

    private Credentials(Credentials of, MountMapping mapping)
        : this(mapping.StoredUid(of.Fsuid), mapping.StoredGid(of.Fsgid), Array.ConvertAll(of._groups, mapping.StoredGid), of.Effective, of.Space) => (_unmapped, _mapping) = (of, mapping);

    /// <summary>The superuser with every capability; also what kernel threads run as.</summary>
    public static readonly Credentials Root = new(0, 0, [], Capabilities.All);

    /// <summary>User id that owns what is created and that owner permissions are compared with.</summary>
    public uint Fsuid { get; }

    /// <summary>Group id likewise.</summary>
    public uint Fsgid { get; }

    /// <summary>Effective capabilities.</summary>
    public Capabilities Effective { get; }

    /// <summary>Where the capabilities count.</summary>
    public UserNamespace Space { get; }

    /// <summary>These, through no mount.</summary>
    public Credentials Unmapped => _unmapped ?? this;

    /// <summary>How the file system of a mount sees whoever comes through it: an owner that the mount's map shows as the caller is the caller.</summary>
    public Credentials Through(MountMapping? mapping) => ReferenceEquals(mapping, _mapping) ? this : mapping is null ? Unmapped : new(Unmapped, mapping);

    /// <summary>An owner that the mount shows, as the file system stores it.</summary>
    public uint StoredUid(uint shown) => _mapping?.StoredUid(shown) ?? shown;

    /// <summary>A group likewise.</summary>
    public uint StoredGid(uint shown) => _mapping?.StoredGid(shown) ?? shown;

    /// <summary>An owner that the file system stores, as the mount shows it.</summary>
    public uint ShownUid(uint stored) => _mapping?.ShownUid(stored) ?? stored;

    /// <summary>A group likewise.</summary>
    public uint ShownGid(uint stored) => _mapping?.ShownGid(stored) ?? stored;

    /// <summary>Supplementary groups.</summary>
    public ReadOnlySpan<uint> Groups => _groups;

    /// <summary>True when all the given capabilities are held in the user name space that the kernel starts with.</summary>
    /// <remarks>Linux kernel/capability.c: capable().</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Capable(Capabilities capability) => (Effective & capability) == capability && Space.IsInitial;

    /// <summary>True when the capabilities are held in a user name space.</summary>
    /// <remarks>Linux kernel/capability.c: ns_capable().</remarks>
    public bool CapableIn(UserNamespace space, Capabilities capability) => space.Grants(this, capability);

    /// <summary>True when the capabilities are held over an inode: its owner and its group have names in the caller's own user name space.</summary>
    /// <remarks>Linux kernel/capability.c: capable_wrt_inode_uidgid().</remarks>
    public bool CapableOver(Inode inode, Capabilities capability) => (Effective & capability) == capability && KnowsUid(inode.Uid) && KnowsGid(inode.Gid);

    /// <summary>The owner has a name in the caller's own user name space.</summary>
    public bool KnowsUid(uint stored) => Space.Uids.Knows(ShownUid(stored));

    private bool KnowsGid(uint stored) => Space.Gids.Knows(ShownGid(stored));

    /// <summary>Owner or group mean nothing on the mount: the inode cannot be changed there.</summary>
    /// <remarks>Linux include/linux/fs.h: HAS_UNMAPPED_ID().</remarks>
    public bool IsStranger(Inode inode) => ShownUid(inode.Uid) == IdMap.Invalid || ShownGid(inode.Gid) == IdMap.Invalid;

    /// <summary>What the caller makes can be owned by it: its ids mean something to the mount and to the file system.</summary>
    /// <remarks>Linux include/linux/fs.h: fsuidgid_has_mapping().</remarks>
    public bool CanOwn(SuperBlock sb) => sb.UserSpace.Uids.Knows(Fsuid) && sb.UserSpace.Gids.Knows(Fsgid);

    /// <summary>True when the user is the fsuid. An id without meaning is nobody's.</summary>
    /// <remarks>Linux include/linux/mnt_idmapping.h: vfsuid_eq_kuid().</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Is(uint uid) => uid == Fsuid && uid != IdMap.Invalid;

    /// <summary>True when both belong to the same user, and the mount knows which.</summary>
    /// <remarks>Linux include/linux/mnt_idmapping.h: vfsuid_eq().</remarks>
    public bool AreOfOneOwner(Inode a, Inode b) => a.Uid == b.Uid && ShownUid(a.Uid) != IdMap.Invalid;

    /// <summary>True when the group is the fsgid or a supplementary one.</summary>
    public bool InGroup(uint gid) => (gid == Fsgid || Array.IndexOf(_groups, gid) >= 0) && gid != IdMap.Invalid;

    /// <summary>The same groups and capabilities with another fsuid and fsgid, as overlayfs does while creating.</summary>
    public Credentials WithFsIds(uint fsuid, uint fsgid) => new(fsuid, fsgid, _groups, Effective, Space);

    /// <summary>The same ids without some capabilities.</summary>
    public Credentials Without(Capabilities dropped) => new(Fsuid, Fsgid, _groups, Effective & ~dropped, Space);

    /// <summary>The same ids with every capability in a user name space that was made for them.</summary>
    /// <remarks>Linux kernel/user_namespace.c: set_cred_user_ns().</remarks>
    public Credentials In(UserNamespace space) => new(Fsuid, Fsgid, _groups, Capabilities.All, space);

    /// <summary>The credentials of a task after setgroups, setresgid and setresuid; what comes before the one that fails stays. Who leaves user 0 of its user name space leaves the capabilities behind.</summary>
    /// <returns>EPERM (capabilities, a user name space without groups), EINVAL (an id without meaning).</returns>
    /// <remarks>Linux kernel/groups.c, kernel/sys.c; security/commoncap.c: cap_emulate_setxid().</remarks>
    public Errno After(in UserIds ids, out Credentials taken)
    {
        taken = this;
        if (!CapableIn(Space, Capabilities.CAP_SETGID) || Space.Gids.IsEmpty)
            return Errno.EPERM;
        var groups = Array.ConvertAll(ids.Groups.ToArray(), Space.Gids.Down);
        if (groups.Contains(IdMap.Invalid))
            return Errno.EINVAL;
        uint gid = Space.Gids.Down(ids.Gid), uid = Space.Uids.Down(ids.Uid), root = Space.Uids.Down(0);
        taken = new(Fsuid, gid == IdMap.Invalid ? Fsgid : gid, groups, Effective, Space);
        if (gid == IdMap.Invalid || uid == IdMap.Invalid)
            return Errno.EINVAL;
        if (!CapableIn(Space, Capabilities.CAP_SETUID))
            return Errno.EPERM;
        taken = new(uid, gid, groups, Fsuid == root && uid != root ? Capabilities.None : Effective, Space);
        return Errno.OK;
    }
}
