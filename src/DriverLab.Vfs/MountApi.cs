using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>The mount calls by descriptors.</summary>
/// <remarks>Linux fs/fsopen.c; fs/namespace.c: SYSCALL fsmount, move_mount, open_tree, mount_setattr.</remarks>
public static partial class MountCalls
{
    private const MountAttributes ValidAttributes = MountAttributes.MOUNT_ATTR_RDONLY | MountAttributes.MOUNT_ATTR_NOSUID | MountAttributes.MOUNT_ATTR_NODEV | MountAttributes.MOUNT_ATTR_NOEXEC
        | MountAttributes.MOUNT_ATTR__ATIME | MountAttributes.MOUNT_ATTR_NODIRATIME | MountAttributes.MOUNT_ATTR_NOSYMFOLLOW;

    /// <summary>May the caller change the mounts that it sees?</summary>
    /// <remarks>Linux fs/namespace.c: may_mount().</remarks>
    public static bool MayMount(Caller caller) => caller.Credentials.CapableIn(caller.Mounts.UserSpace, Capabilities.CAP_SYS_ADMIN);

    /// <summary>Is a file open for writing anywhere, or an unlinked one in use?</summary>
    internal static bool HasWriters(SuperBlock sb) => sb.OrphanCount > 0 || sb.Writers > 0;

    // ---- contexts ------------------------------------------------------------------------------------------------------------------------------

    /// <summary>fsopen(2).</summary>
    public static SysResult<OpenFile> FsOpen(Caller caller, ReadOnlySpan<byte> fileSystem, FsOpenFlags flags)
    {
        if (!MayMount(caller))
            return Errno.EPERM;
        if ((flags & ~FsOpenFlags.FSOPEN_CLOEXEC) != 0 || fileSystem.Length >= Limits.PAGE_SIZE)
            return Errno.EINVAL;
        var core = caller.Mounts.Core;
        return core.FindFileSystem(Encoding.UTF8.GetString(fileSystem)) is { } type ? Hold(new FsContextFile(core, type, MountFlags.None, reconfigures: false)) : Errno.ENODEV;
    }

    /// <summary>fspick(2).</summary>
    public static SysResult<OpenFile> FsPick(Caller caller, in VfsPath start, ReadOnlySpan<byte> path, FsPickFlags flags)
    {
        var lookup = (flags & FsPickFlags.FSPICK_SYMLINK_NOFOLLOW) == 0 ? LookupFlags.LOOKUP_FOLLOW : LookupFlags.None;
        if ((flags & FsPickFlags.FSPICK_EMPTY_PATH) != 0)
            lookup |= LookupFlags.LOOKUP_EMPTY;
        var error = PathWalk.Lookup(caller, start, path, lookup, out var place);
        if (error != Errno.OK)
            return error;
        if (!place.IsMountRoot)
            return Errno.EINVAL;
        var sb = place.Mount.Sb;
        var file = new FsContextFile(sb.Core, sb.Type, sb.Flags, reconfigures: true);
        file.PickFrom(sb.Root);
        return Hold(file);
    }

    private static OpenFile Hold(OpenFile file)
    {
        file.Path.Hold();
        return file;
    }

    /// <summary>fsconfig(2), from the descriptor on.</summary>
    public static Errno FsConfig(Caller caller, OpenFile? file, FsConfigCommand command, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, int aux)
    {
        if (file is null)
            return Errno.EBADF;
        if (file is not FsContextFile context)
            return Errno.EINVAL;
        bool isFile = command is FsConfigCommand.FSCONFIG_SET_BINARY or FsConfigCommand.FSCONFIG_SET_PATH or FsConfigCommand.FSCONFIG_SET_PATH_EMPTY or FsConfigCommand.FSCONFIG_SET_FD;
        if (context.IsLegacy && isFile)
            return Errno.EOPNOTSUPP;
        if (key.Length >= 256 || command == FsConfigCommand.FSCONFIG_SET_STRING && value.Length >= 256)
            return Errno.EINVAL;
        // Linux fs/namei.c: getname_flags().
        if (command == FsConfigCommand.FSCONFIG_SET_PATH && value.IsEmpty)
            return Errno.ENOENT;
        OpenFile? given = null;
        if (command == FsConfigCommand.FSCONFIG_SET_FD)
        {
            given = caller.Files.Get(aux);
            if (given is null || given.IsPath && !file.Inode.Sb.Core.Quirks.FsConfigTakesPathDescriptors)
                return Errno.EBADF;
        }
        bool isFlag = command == FsConfigCommand.FSCONFIG_SET_FLAG;
        return context.Configure(caller, command, new(key.ToArray(), command, isFlag || given is not null ? null : value.ToArray(), given, caller));
    }

    /// <summary>Are the arguments those that a command takes? Asked before the descriptor is looked at.</summary>
    /// <returns>EINVAL, EOPNOTSUPP.</returns>
    public static Errno CheckFsConfig(VfsQuirks quirks, FsConfigCommand command, bool hasKey, bool hasValue, int aux)
    {
        bool isRight = command switch
        {
            FsConfigCommand.FSCONFIG_SET_FLAG => hasKey && !hasValue && aux == 0,
            FsConfigCommand.FSCONFIG_SET_STRING => hasKey && aux == 0,
            FsConfigCommand.FSCONFIG_SET_BINARY => hasKey && aux is > 0 and <= 1 << 20,
            FsConfigCommand.FSCONFIG_SET_PATH or FsConfigCommand.FSCONFIG_SET_PATH_EMPTY => hasKey && (aux >= 0 || aux == Fd.Cwd.Value),
            FsConfigCommand.FSCONFIG_SET_FD => hasKey && !hasValue && aux >= 0,
            _ => !hasKey && !hasValue && aux == 0,
        };
        if (command > FsConfigCommand.FSCONFIG_CMD_CREATE_EXCL || command == FsConfigCommand.FSCONFIG_CMD_CREATE_EXCL && !quirks.HasCreateExclusive)
            return Errno.EOPNOTSUPP;
        return isRight ? Errno.OK : Errno.EINVAL;
    }

    // ---- detached mounts -----------------------------------------------------------------------------------------------------------------------

    /// <summary>fsmount(2), from the descriptor on.</summary>
    public static SysResult<OpenFile> FsMount(Caller caller, OpenFile? file, FsMountFlags flags, MountAttributes attributes)
    {
        if (!MayMount(caller))
            return Errno.EPERM;
        if ((flags & ~FsMountFlags.FSMOUNT_CLOEXEC) != 0 || (attributes & ~ValidAttributes) != 0 || OwnFlags(attributes) is not { } own)
            return Errno.EINVAL;
        if (file is null)
            return Errno.EBADF;
        if (file is not FsContextFile { Root: { } root } context)
            return Errno.EINVAL;
        if (context.Phase != FsContextPhase.AwaitingMount)
            return Errno.EBUSY;
        var mount = new Mount(root.Sb, root, own) { Source = context.Source };
        context.Clean();
        return Detached(mount);
    }

    private static SysResult<OpenFile> Detached(Mount tree)
    {
        _ = MountNamespace.Anonymous(tree);
        return Hold(new DetachedMountFile(new(tree, tree.Root)));
    }

    // Null when the atime field holds no mode.
    private static MountFlags? OwnFlags(MountAttributes attributes)
    {
        var own = MountFlags.None;
        foreach (var (attribute, flag) in s_attributes)
            own |= (attributes & attribute) != 0 ? flag : 0;
        return (attributes & MountAttributes.MOUNT_ATTR__ATIME) switch
        {
            MountAttributes.MOUNT_ATTR_RELATIME => own | MountFlags.MS_RELATIME,
            MountAttributes.MOUNT_ATTR_NOATIME => own | MountFlags.MS_NOATIME,
            MountAttributes.MOUNT_ATTR_STRICTATIME => own,
            _ => null,
        };
    }

    private static readonly (MountAttributes Attribute, MountFlags Flag)[] s_attributes =
    [
        (MountAttributes.MOUNT_ATTR_RDONLY, MountFlags.MS_RDONLY),
        (MountAttributes.MOUNT_ATTR_NOSUID, MountFlags.MS_NOSUID),
        (MountAttributes.MOUNT_ATTR_NODEV, MountFlags.MS_NODEV),
        (MountAttributes.MOUNT_ATTR_NOEXEC, MountFlags.MS_NOEXEC),
        (MountAttributes.MOUNT_ATTR_NODIRATIME, MountFlags.MS_NODIRATIME),
        (MountAttributes.MOUNT_ATTR_NOSYMFOLLOW, MountFlags.MS_NOSYMFOLLOW),
    ];

    /// <summary>move_mount(2), both ends found.</summary>
    public static Errno MoveMount(Caller caller, in VfsPath from, in VfsPath to, MoveMountFlags flags)
    {
        if ((flags & (MoveMountFlags.MOVE_MOUNT_SET_GROUP | MoveMountFlags.MOVE_MOUNT_BENEATH)) != 0)
            return NotModelledException.Throw("move_mount " + (flags & (MoveMountFlags.MOVE_MOUNT_SET_GROUP | MoveMountFlags.MOVE_MOUNT_BENEATH)));
        return MoveTo(caller, from, Topmost(to));
    }

    /// <summary>open_tree(2), the place found.</summary>
    /// <returns>ENOTDIR (a namespace begins with a directory), EINVAL (unbindable, not mounted here).</returns>
    public static SysResult<OpenFile> OpenTree(Caller caller, in VfsPath place, OpenTreeFlags flags)
    {
        bool makesNamespace = (flags & OpenTreeFlags.OPEN_TREE_NAMESPACE) != 0;
        if (!makesNamespace && (flags & OpenTreeFlags.OPEN_TREE_CLONE) == 0)
            return Files.DentryOpen(caller, place, OpenFlags.O_PATH);
        if (makesNamespace && !place.Inode.IsDirectory)
            return Errno.ENOTDIR;
        bool isHere = IsHere(caller, place.Mount) || place.Mount.IsAnonymous && place.Mount.Sb.Core.Quirks.ClonesDetachedTrees;
        bool isRecursive = (flags & OpenTreeFlags.AT_RECURSIVE) != 0;
        if (place.Mount.IsUnbindable || !isHere || !isRecursive && MountTree.HasLockedChildren(place.Mount, place.Dentry))
            return Errno.EINVAL;
        var copy = MountTree.CopyUnlocked(place.Mount, place.Dentry, isRecursive);
        return makesNamespace ? NamespaceOf(copy) : Detached(copy);
    }

    /// <summary>A mount namespace with a tree that was copied for it, by its descriptor.</summary>
    /// <remarks>Linux fs/namespace.c: open_new_namespace(). The root file system below the tree is left out: nobody can look.</remarks>
    private static OpenFile NamespaceOf(Mount tree)
    {
        var core = tree.Sb.Core;
        var space = new MountNamespace(core, tree);
        foreach (var mount in MountTree.Walk(tree).Skip(1))
            space.Adopt(mount);
        return Hold(MountNamespaceFile.Open(core, space));
    }

    // ---- mount_setattr -------------------------------------------------------------------------------------------------------------------------

    /// <summary>The checks of mount_setattr's structure.</summary>
    /// <returns>EINVAL.</returns>
    public static Errno CheckSetattr(in MountAttr attributes)
    {
        if (((attributes.Set | attributes.Clear) & ~(ValidAttributes | MountAttributes.MOUNT_ATTR_IDMAP)) != 0)
            return Errno.EINVAL;
        if ((attributes.Propagation & ~(ulong)PropagationFlags) != 0 || ulong.PopCount(attributes.Propagation) > 1)
            return Errno.EINVAL;
        var cleared = attributes.Clear & MountAttributes.MOUNT_ATTR__ATIME;
        bool isRight = cleared == MountAttributes.MOUNT_ATTR__ATIME ? OwnFlags(attributes.Set & MountAttributes.MOUNT_ATTR__ATIME) is not null
            : cleared == 0 && (attributes.Set & MountAttributes.MOUNT_ATTR__ATIME) == 0;
        return isRight ? Errno.OK : Errno.EINVAL;
    }

    /// <summary>mount_setattr(2), the place found: all mounts change or none.</summary>
    /// <returns>EINVAL (a map without ids, no mount point, not mounted here), EPERM (locked flags), (<see cref="MayMap"/>), EBUSY (open for writing).</returns>
    public static Errno SetAttr(Caller caller, in VfsPath place, bool recursive, in MountAttr attributes, UserNamespace? map)
    {
        var top = place.Mount;
        bool isOurs = top.Parent is not null ? IsHere(caller, top) : top.IsAnonymous;
        if (map is { HasNoIds: true } && top.Sb.Core.Quirks.EmptyMapsAreRefused || !place.IsMountRoot || !isOurs)
            return Errno.EINVAL;
        Mount[] mounts = recursive ? [.. MountTree.Walk(top)] : [top];
        bool toReadOnly = (attributes.Set & MountAttributes.MOUNT_ATTR_RDONLY) != 0;
        foreach (var mount in mounts)
        {
            if (mount.Unlocks(Changed(mount.Flags, attributes)))
                return Errno.EPERM;
            var error = map is null ? Errno.OK : MayMap(caller, mount, map);
            if (error != Errno.OK)
                return error;
            if ((map is not null || toReadOnly && (mount.Flags & MountFlags.MS_RDONLY) == 0) && mount.Writers > 0)
                return Errno.EBUSY;
        }
        foreach (var mount in mounts)
        {
            mount.Flags = Changed(mount.Flags, attributes);
            if (map is not null)
                mount.Mapping = new MountMapping(map, mount.Sb.UserSpace);
            if (attributes.Propagation != 0)
                Propagation.SetType(mount, (MountFlags)attributes.Propagation);
        }
        return Errno.OK;
    }

    /// <summary>The user name space of MOUNT_ATTR_IDMAP, asked for before the mount is.</summary>
    /// <returns>EINVAL (a map is to be taken away, no user name space), EBADF, EPERM (the initial one, or not the caller's to give).</returns>
    /// <remarks>Linux fs/namespace.c: build_mount_idmapped().</remarks>
    public static Errno FindMap(Caller caller, in MountAttr attributes, out UserNamespace? map)
    {
        map = null;
        if ((attributes.Clear & MountAttributes.MOUNT_ATTR_IDMAP) != 0)
            return Errno.EINVAL;
        if ((attributes.Set & MountAttributes.MOUNT_ATTR_IDMAP) == 0)
            return Errno.OK;
        if (attributes.UserNamespace > int.MaxValue)
            return Errno.EINVAL;
        if (caller.Files.Get((int)attributes.UserNamespace) is not { IsPath: false } file)
            return Errno.EBADF;
        map = (file as UserNamespaceFile)?.Space;
        if (map is null)
            return Errno.EINVAL;
        return !map.IsInitial && caller.Credentials.CapableIn(map, Capabilities.CAP_SYS_ADMIN) ? Errno.OK : Errno.EPERM;
    }

    /// <summary>Can this mount be given a map?</summary>
    /// <returns>EPERM (it has one), EINVAL (the file system has none, or the mount hangs somewhere), EPERM (a file system of others).</returns>
    /// <remarks>Linux fs/namespace.c: can_idmap_mount().</remarks>
    private static Errno MayMap(Caller caller, Mount mount, UserNamespace map)
    {
        if (ReferenceEquals(map, mount.Sb.UserSpace))
            return Errno.EINVAL;
        if (mount.Mapping is not null)
            return Errno.EPERM;
        if (!mount.Sb.Type.AllowsMappings(mount.Sb.Core))
            return Errno.EINVAL;
        if (!caller.Credentials.CapableIn(mount.Sb.UserSpace, Capabilities.CAP_SYS_ADMIN))
            return Errno.EPERM;
        return mount.IsAnonymous ? Errno.OK : Errno.EINVAL;
    }

    private static MountFlags Changed(MountFlags flags, in MountAttr attributes)
    {
        var clear = MountFlags.None;
        foreach (var (attribute, flag) in s_attributes)
            clear |= (attributes.Clear & attribute) != 0 ? flag : 0;
        var set = OwnFlags(attributes.Set)!.Value;
        if ((attributes.Clear & MountAttributes.MOUNT_ATTR__ATIME) != 0)
            clear |= MountFlags.MS_RELATIME | MountFlags.MS_NOATIME;
        else
            set &= ~(MountFlags.MS_RELATIME | MountFlags.MS_NOATIME);
        return flags & ~clear | set;
    }
}

/// <summary>The descriptor of a tree that hangs nowhere; when it is closed before the tree was hung up, the tree goes.</summary>
/// <remarks>Linux fs/namespace.c: dissolve_on_fput().</remarks>
internal sealed class DetachedMountFile(VfsPath path) : OpenFile(path, OpenFlags.O_PATH)
{
    protected override void Release()
    {
        if (Path.Mount is { IsAnonymous: true, Parent: null })
            MountTree.Umount(Path.Mount, propagate: false);
    }
}
