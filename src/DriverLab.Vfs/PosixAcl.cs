using System.Buffers.Binary;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>A POSIX access control list: who may do what, beyond owner, group and others. Immutable.</summary>
/// <remarks>Linux fs/posix_acl.c; include/uapi/linux/posix_acl_xattr.h for the bytes of <c>system.posix_acl_access</c> and <c>system.posix_acl_default</c>.</remarks>
public sealed class PosixAcl
{
    private const ushort ACL_USER_OBJ = 1, ACL_USER = 2, ACL_GROUP_OBJ = 4, ACL_GROUP = 8, ACL_MASK = 0x10, ACL_OTHER = 0x20;
    private const uint Version = 2, UndefinedId = uint.MaxValue;
    private const int HeaderSize = 4, EntrySize = 8, Rwx = 7;

    private readonly record struct Entry(ushort Tag, ushort Perm, uint Id);

    private readonly Entry[] _entries;

    private PosixAcl(Entry[] entries) => _entries = entries;

    /// <summary>The attribute that holds the list that counts.</summary>
    public static ReadOnlySpan<byte> AccessName => "system.posix_acl_access"u8;

    /// <summary>The attribute of a directory that holds the list which new names begin with.</summary>
    public static ReadOnlySpan<byte> DefaultName => "system.posix_acl_default"u8;

    /// <summary>Is this one of the two names?</summary>
    public static bool IsName(ReadOnlySpan<byte> name) => name.SequenceEqual(AccessName) || name.SequenceEqual(DefaultName);

    // ---- bytes -----------------------------------------------------------------------------------------------------------------------------------

    /// <summary>Reads a list from its attribute. A list without entries is none.</summary>
    /// <returns>EINVAL (size, tag), EOPNOTSUPP (version).</returns>
    /// <remarks>Linux fs/posix_acl.c: posix_acl_from_xattr().</remarks>
    public static Errno Parse(ReadOnlySpan<byte> value, out PosixAcl? acl)
    {
        acl = null;
        if (value.IsEmpty)
            return Errno.OK;
        if (value.Length < HeaderSize)
            return Errno.EINVAL;
        if (BinaryPrimitives.ReadUInt32LittleEndian(value) != Version)
            return Errno.EOPNOTSUPP;
        value = value[HeaderSize..];
        if (value.Length % EntrySize != 0)
            return Errno.EINVAL;
        var entries = new Entry[value.Length / EntrySize];
        for (int i = 0; i < entries.Length; i++)
        {
            var at = value[(i * EntrySize)..];
            ushort tag = BinaryPrimitives.ReadUInt16LittleEndian(at);
            uint id = BinaryPrimitives.ReadUInt32LittleEndian(at[4..]);
            if (tag is not (ACL_USER_OBJ or ACL_USER or ACL_GROUP_OBJ or ACL_GROUP or ACL_MASK or ACL_OTHER))
                return Errno.EINVAL;
            bool isNamed = tag is ACL_USER or ACL_GROUP;
            if (isNamed && id == UndefinedId)
                return Errno.EINVAL;
            entries[i] = new(tag, BinaryPrimitives.ReadUInt16LittleEndian(at[2..]), isNamed ? id : UndefinedId);
        }
        if (entries.Length > 0)
            acl = new PosixAcl(entries);
        return Errno.OK;
    }

    /// <summary>Writes the list as its attribute; an empty buffer asks for the size.</summary>
    /// <returns>ERANGE.</returns>
    public SysResult<int> Write(Span<byte> value)
    {
        int size = HeaderSize + EntrySize * _entries.Length;
        if (value.IsEmpty)
            return size;
        if (value.Length < size)
            return Errno.ERANGE;
        BinaryPrimitives.WriteUInt32LittleEndian(value, Version);
        for (int i = 0; i < _entries.Length; i++)
        {
            var at = value[(HeaderSize + i * EntrySize)..];
            BinaryPrimitives.WriteUInt16LittleEndian(at, _entries[i].Tag);
            BinaryPrimitives.WriteUInt16LittleEndian(at[2..], _entries[i].Perm);
            BinaryPrimitives.WriteUInt32LittleEndian(at[4..], _entries[i].Id);
        }
        return size;
    }

    /// <summary>Calls the named users and groups of an attribute's value otherwise. What is no list stays as it is.</summary>
    /// <remarks>Linux fs/posix_acl.c: vfs_posix_acl_to_xattr(), vfs_set_acl_prepare().</remarks>
    public static void Rename(Span<byte> value, Func<uint, uint> user, Func<uint, uint> group)
    {
        for (int at = HeaderSize; at + EntrySize <= value.Length; at += EntrySize)
        {
            var id = value.Slice(at + 4, 4);
            ushort tag = BinaryPrimitives.ReadUInt16LittleEndian(value[at..]);
            if (tag is ACL_USER or ACL_GROUP)
                BinaryPrimitives.WriteUInt32LittleEndian(id, (tag == ACL_USER ? user : group)(BinaryPrimitives.ReadUInt32LittleEndian(id)));
        }
    }

    /// <summary>The list with its named users and groups called otherwise.</summary>
    public PosixAcl Renamed(Func<uint, uint> user, Func<uint, uint> group) => new(Array.ConvertAll(_entries, e => e.Tag switch
    {
        ACL_USER => e with { Id = user(e.Id) },
        ACL_GROUP => e with { Id = group(e.Id) },
        _ => e,
    }));

    /// <summary>One owner, one group, one others, in order; named entries between, which the file system has ids for; a mask when there are any.</summary>
    /// <returns>EINVAL.</returns>
    /// <remarks>Linux fs/posix_acl.c: posix_acl_valid().</remarks>
    public Errno Validate(UserNamespace space)
    {
        ushort expected = ACL_USER_OBJ;
        bool needsMask = false;
        foreach (var entry in _entries)
        {
            bool isUnknown = entry.Tag == ACL_USER && !space.Uids.Knows(entry.Id) || entry.Tag == ACL_GROUP && !space.Gids.Knows(entry.Id);
            if ((entry.Perm & ~Rwx) != 0 || isUnknown)
                return Errno.EINVAL;
            bool fits = entry.Tag switch
            {
                ACL_USER_OBJ => expected == ACL_USER_OBJ,
                ACL_USER => expected == ACL_USER,
                ACL_GROUP_OBJ => expected == ACL_USER,
                ACL_GROUP => expected == ACL_GROUP,
                ACL_MASK => expected == ACL_GROUP,
                _ => expected == ACL_OTHER || expected == ACL_GROUP && !needsMask,
            };
            if (!fits)
                return Errno.EINVAL;
            needsMask |= entry.Tag is ACL_USER or ACL_GROUP;
            expected = entry.Tag switch
            {
                ACL_USER_OBJ => ACL_USER,
                ACL_GROUP_OBJ => ACL_GROUP,
                ACL_MASK => ACL_OTHER,
                ACL_OTHER => 0,
                _ => expected,
            };
        }
        return expected == 0 ? Errno.OK : Errno.EINVAL;
    }

    // ---- permission ------------------------------------------------------------------------------------------------------------------------------

    /// <summary>Does the list allow this?</summary>
    /// <returns>EACCES.</returns>
    /// <remarks>Linux fs/posix_acl.c: posix_acl_permission().</remarks>
    public Errno Permits(Inode inode, Credentials by, AccessMode want)
    {
        int wanted = (int)want & Rwx;
        bool isInGroup = false;
        foreach (var entry in _entries)
        {
            switch (entry.Tag)
            {
                case ACL_USER_OBJ when by.Is(inode.Uid):
                    return Allows(entry.Perm, wanted);
                case ACL_USER when by.Is(entry.Id):
                    return Allows(entry.Perm & Mask, wanted);
                case ACL_GROUP_OBJ when by.InGroup(inode.Gid):
                case ACL_GROUP when by.InGroup(entry.Id):
                    isInGroup = true;
                    if ((entry.Perm & wanted) == wanted)
                        return Allows(entry.Perm & Mask, wanted);
                    break;
                case ACL_OTHER:
                    return isInGroup ? Errno.EACCES : Allows(entry.Perm, wanted);
            }
        }
        return Errno.EIO;
    }

    private int Mask
    {
        get
        {
            foreach (var entry in _entries)
            {
                if (entry.Tag == ACL_MASK)
                    return entry.Perm;
            }
            return Rwx;
        }
    }

    private static Errno Allows(int perm, int wanted) => (perm & wanted) == wanted ? Errno.OK : Errno.EACCES;

    // ---- modes -----------------------------------------------------------------------------------------------------------------------------------

    /// <summary>The permission bits that say the same, or nearly: the mask stands for the group's. True when the list says no more than they do.</summary>
    /// <remarks>Linux fs/posix_acl.c: posix_acl_equiv_mode().</remarks>
    public bool IsEquivalent(ref Mode mode)
    {
        int bits = 0;
        bool isEquivalent = true;
        foreach (var entry in _entries)
        {
            switch (entry.Tag)
            {
                case ACL_USER_OBJ:
                    bits |= (entry.Perm & Rwx) << 6;
                    break;
                case ACL_GROUP_OBJ:
                    bits |= (entry.Perm & Rwx) << 3;
                    break;
                case ACL_OTHER:
                    bits |= entry.Perm & Rwx;
                    break;
                case ACL_MASK:
                    bits = bits & ~(Rwx << 3) | (entry.Perm & Rwx) << 3;
                    isEquivalent = false;
                    break;
                default:
                    isEquivalent = false;
                    break;
            }
        }
        mode = mode & ~Mode.S_IRWXUGO | (Mode)bits;
        return isEquivalent;
    }

    /// <summary>The list after chmod: owner, others, and the mask or else the group take the new bits.</summary>
    /// <remarks>Linux fs/posix_acl.c: __posix_acl_chmod_masq().</remarks>
    public PosixAcl WithMode(Mode mode)
    {
        bool hasMask = Array.Exists(_entries, static e => e.Tag == ACL_MASK);
        return new PosixAcl(Array.ConvertAll(_entries, e => e.Tag switch
        {
            ACL_USER_OBJ => e with { Perm = Part(mode, 6) },
            ACL_GROUP_OBJ when !hasMask => e with { Perm = Part(mode, 3) },
            ACL_MASK => e with { Perm = Part(mode, 3) },
            ACL_OTHER => e with { Perm = Part(mode, 0) },
            _ => e,
        }));
    }

    /// <summary>The list of a new inode made from its directory's default list: each class keeps what both it and the mode of the call allow. The mode becomes what the list then says.</summary>
    /// <returns>The list, or null when the mode says it all.</returns>
    /// <remarks>Linux fs/posix_acl.c: posix_acl_create_masq().</remarks>
    public PosixAcl? ForNew(ref Mode mode)
    {
        var asked = mode;
        bool hasMask = Array.Exists(_entries, static e => e.Tag == ACL_MASK);
        var made = new PosixAcl(Array.ConvertAll(_entries, e => e.Tag switch
        {
            ACL_USER_OBJ => e with { Perm = (ushort)(e.Perm & Part(asked, 6)) },
            ACL_GROUP_OBJ when !hasMask => e with { Perm = (ushort)(e.Perm & Part(asked, 3)) },
            ACL_MASK => e with { Perm = (ushort)(e.Perm & Part(asked, 3)) },
            ACL_OTHER => e with { Perm = (ushort)(e.Perm & Part(asked, 0)) },
            _ => e,
        }));
        return made.IsEquivalent(ref mode) ? null : made;
    }

    private static ushort Part(Mode mode, int shift) => (ushort)((int)mode >> shift & Rwx);
}

/// <summary>The two lists of an inode.</summary>
public sealed class PosixAcls
{
    /// <summary>The list that counts; null when the mode says it all.</summary>
    public PosixAcl? Access { get; set; }

    /// <summary>Of a directory: what new names begin with; null when there is none.</summary>
    public PosixAcl? Default { get; set; }

    /// <summary>The lists as a mount shows them.</summary>
    public PosixAcls Through(MountMapping mapping) =>
        new() { Access = Access?.Renamed(mapping.ShownUid, mapping.ShownGid), Default = Default?.Renamed(mapping.ShownUid, mapping.ShownGid) };
}

/// <summary>What file systems that keep access control lists in memory share.</summary>
/// <remarks>Linux fs/posix_acl.c: vfs_get_acl(), set_posix_acl(), simple_set_acl(), posix_acl_create(), posix_acl_chmod().</remarks>
public static class SimpleAcl
{
    /// <summary>The value of one of the two attributes.</summary>
    /// <returns>EOPNOTSUPP (symbolic link), ENODATA, ERANGE.</returns>
    public static SysResult<int> Get(Inode inode, ReadOnlySpan<byte> name, Span<byte> value)
    {
        if (inode.IsSymlink)
            return Errno.EOPNOTSUPP;
        var acl = name.SequenceEqual(PosixAcl.AccessName) ? inode.Acls?.Access : inode.Acls?.Default;
        return acl is null ? Errno.ENODATA : acl.Write(value);
    }

    /// <summary>Sets or removes one of the two lists; an access list that says no more than the mode becomes the mode. The VFS has done its checks.</summary>
    /// <remarks>Linux fs/posix_acl.c: simple_set_acl(), posix_acl_update_mode().</remarks>
    public static Errno Set(Caller caller, Inode inode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        var error = PosixAcl.Parse(value, out var acl);
        if (error != Errno.OK)
            return error;
        bool isDefault = name.SequenceEqual(PosixAcl.DefaultName);
        if (isDefault && !inode.IsDirectory)
            return Errno.OK; // only a removal comes here
        if (!isDefault)
        {
            var mode = inode.Mode;
            if (acl is not null && acl.IsEquivalent(ref mode))
                acl = null;
            if (!caller.Credentials.InGroup(inode.Gid) && !caller.Credentials.CapableOver(inode, Capabilities.CAP_FSETID))
                mode &= ~Mode.S_ISGID;
            inode.Mode = mode;
        }
        Store(inode, isDefault, acl);
        inode.CtimeNs = inode.Sb.Core.NowNs;
        return Errno.OK;
    }

    /// <summary>The names of the lists that there are, each with a NUL, for listxattr.</summary>
    /// <returns>The bytes written, or needed for an empty buffer; ERANGE.</returns>
    public static SysResult<int> List(Inode inode, Span<byte> names)
    {
        int total = 0;
        if (inode.Acls?.Access is not null && !Append(PosixAcl.AccessName, names, ref total) || inode.Acls?.Default is not null && !Append(PosixAcl.DefaultName, names, ref total))
            return Errno.ERANGE;
        return total;
    }

    private static bool Append(ReadOnlySpan<byte> name, Span<byte> names, ref int total)
    {
        if (!names.IsEmpty)
        {
            if (names.Length - total < name.Length + 1)
                return false;
            name.CopyTo(names[total..]);
            names[total + name.Length] = 0;
        }
        total += name.Length + 1;
        return true;
    }

    private static void Store(Inode inode, bool isDefault, PosixAcl? acl)
    {
        if (acl is null && inode.Acls is null)
            return;
        inode.Acls ??= new PosixAcls();
        if (isDefault)
            inode.Acls.Default = acl;
        else
            inode.Acls.Access = acl;
        if (inode.Acls is { Access: null, Default: null })
            inode.Acls = null;
    }

    /// <summary>Gives a new inode the lists of its directory; the default list takes the place of the umask.</summary>
    public static void Init(Inode directory, Inode inode)
    {
        if (inode.IsSymlink || directory.Acls?.Default is not { } inherited)
            return;
        var mode = inode.Mode;
        Store(inode, isDefault: false, inherited.ForNew(ref mode));
        inode.Mode = mode;
        if (inode.IsDirectory)
            Store(inode, isDefault: true, inherited);
    }

    /// <summary>The access list follows a change of the mode.</summary>
    public static void Chmod(Inode inode)
    {
        if (inode.Acls?.Access is { } acl)
            inode.Acls.Access = acl.WithMode(inode.Mode);
    }
}
