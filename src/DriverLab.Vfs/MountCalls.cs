using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;

namespace DriverLab.Vfs;

/// <summary>mount(2) and umount2(2) with the kernel's order of checks.</summary>
/// <remarks>Linux fs/namespace.c: path_mount(), do_loopback(), do_remount(), do_move_mount(), do_new_mount(), path_umount().</remarks>
public static partial class MountCalls
{
    private const MountFlags SuperFlags = MountFlags.MS_RDONLY | MountFlags.MS_SYNCHRONOUS | MountFlags.MS_MANDLOCK | MountFlags.MS_DIRSYNC | MountFlags.MS_SILENT
        | MountFlags.MS_LAZYTIME | MountFlags.MS_I_VERSION;
    private const MountFlags PropagationFlags = MountFlags.MS_SHARED | MountFlags.MS_PRIVATE | MountFlags.MS_SLAVE | MountFlags.MS_UNBINDABLE;
    private const MountFlags MagicMask = (MountFlags)0xffff0000, Magic = (MountFlags)0xC0ED0000, NoUser = (MountFlags)0x80000000;
    private const MountFlags AtimeFlags = MountFlags.MS_NOATIME | MountFlags.MS_NODIRATIME | MountFlags.MS_RELATIME | MountFlags.MS_STRICTATIME;

    /// <summary>mount(2).</summary>
    public static Errno Mount(Caller caller, ReadOnlySpan<byte> source, ReadOnlySpan<byte> target, ReadOnlySpan<byte> fileSystem, MountFlags flags, ReadOnlySpan<byte> data)
    {
        if (fileSystem.Length >= Limits.PAGE_SIZE || source.Length >= Limits.PATH_MAX)
            return Errno.EINVAL;
        var error = PathWalk.Lookup(caller, target, LookupFlags.LOOKUP_FOLLOW, out var path);
        if (error != Errno.OK)
            return error;
        if ((flags & MagicMask) == Magic)
            flags &= ~MagicMask;
        if ((flags & NoUser) != 0)
            return Errno.EINVAL;
        if (!MayMount(caller))
            return Errno.EPERM;
        if (data.Length >= Limits.PAGE_SIZE)
            data = data[..(Limits.PAGE_SIZE - 1)];
        var own = OwnFlags(flags, path);
        if ((flags & MountFlags.MS_REMOUNT) != 0)
            return (flags & MountFlags.MS_BIND) != 0 ? RemountBind(caller, path, own) : Remount(caller, path, flags, own, data);
        if ((flags & MountFlags.MS_BIND) != 0)
            return Bind(caller, source, Topmost(path), (flags & MountFlags.MS_REC) != 0);
        if ((flags & PropagationFlags) != 0)
            return ChangeType(caller, path, flags);
        if ((flags & MountFlags.MS_MOVE) != 0)
            return Move(caller, source, Topmost(path));
        return NewMount(caller, source, Topmost(path), fileSystem, flags & SuperFlags, own, data);
    }

    private static MountFlags OwnFlags(MountFlags flags, in VfsPath path)
    {
        var own = flags & Vfs.Mount.OwnFlags & ~MountFlags.MS_RELATIME;
        if ((flags & MountFlags.MS_NOATIME) == 0)
            own |= MountFlags.MS_RELATIME;
        if ((flags & MountFlags.MS_STRICTATIME) != 0)
            own &= ~(MountFlags.MS_RELATIME | MountFlags.MS_NOATIME);
        if ((flags & MountFlags.MS_REMOUNT) == 0 || (flags & AtimeFlags) != 0)
            return own;
        const MountFlags kept = MountFlags.MS_NOATIME | MountFlags.MS_NODIRATIME | MountFlags.MS_RELATIME;
        return own & ~kept | path.Mount.Flags & kept;
    }

    // ---- a new mount -------------------------------------------------------------------------------------------------------------------------

    private static Errno NewMount(Caller caller, ReadOnlySpan<byte> source, in VfsPath path, ReadOnlySpan<byte> name, MountFlags flags, MountFlags own, ReadOnlySpan<byte> data)
    {
        if (name.IsEmpty)
            return Errno.EINVAL;
        var core = caller.Mounts.Core;
        var type = core.FindFileSystem(Encoding.UTF8.GetString(name));
        if (type is null)
            return Errno.ENODEV;
        if (!MayMakeInstance(caller, type, core))
            return Errno.EPERM;
        var context = new MountContext(core, caller, source.ToArray(), flags, data.ToArray());
        var mounted = type.Mount(context);
        if (!mounted.IsOk)
            return mounted.Error;
        var sb = mounted.Value.Sb;
        sb.BelongTo(caller);
        var mount = new Mount(sb, mounted.Value, own);
        if (type.KeepsSource(core))
            mount.Source = source.ToArray();
        var error = CheckPlace(caller, path);
        if (error == Errno.OK && ReferenceEquals(path.Mount.Sb, sb) && path.IsMountRoot)
            error = Errno.EBUSY;
        if (error == Errno.OK && !path.Dentry.IsDirectory)
            error = Errno.ENOTDIR;
        if (error == Errno.OK)
            error = MountTree.Attach(mount, path.Mount, path.Dentry);
        if (error != Errno.OK)
            mount.Kill();
        return error;
    }

    /// <summary>Is the caller privileged where an instance of this file system would belong to?</summary>
    /// <remarks>Linux fs/super.c: mount_capable(). proc and sysfs belong to the name spaces of processes and networks, which are the initial ones here.</remarks>
    internal static bool MayMakeInstance(Caller caller, FileSystemType type, VfsCore core) =>
        caller.Credentials.CapableIn(type.IsForUserNamespaces(core) ? caller.Credentials.Space : UserNamespace.Initial, Capabilities.CAP_SYS_ADMIN);

    /// <summary>A removed directory cannot be mounted on; a place of another namespace neither.</summary>
    /// <returns>ENOENT, EINVAL.</returns>
    private static Errno CheckPlace(Caller caller, in VfsPath path)
    {
        if (IsMissing(path))
            return Errno.ENOENT;
        return IsHere(caller, path.Mount) ? Errno.OK : Errno.EINVAL;
    }

    private static bool IsMissing(in VfsPath path)
    {
        bool isDetached = path.Mount.Namespace is null && !path.Mount.IsAnonymous;
        return path.Dentry.CantMount || path.Dentry.IsUnlinked || isDetached && path.Dentry.Sb.Core.Quirks.DetachedPlacesAreMissing;
    }

    /// <summary>What covers a place: a working directory may lie below mounts.</summary>
    /// <remarks>Linux fs/namespace.c: lock_mount().</remarks>
    private static VfsPath Topmost(VfsPath path)
    {
        while (path.Dentry.IsMountpoint && path.Dentry.Sb.Core.MountHash.TryGetValue((path.Mount, path.Dentry), out var cover))
            path = new(cover, cover.Root);
        return path;
    }

    private static bool IsHere(Caller caller, Mount mount) => ReferenceEquals(mount.Namespace, caller.Mounts);

    // ---- bind, move, propagation ---------------------------------------------------------------------------------------------------------------

    private static Errno Bind(Caller caller, ReadOnlySpan<byte> source, in VfsPath path, bool recursive)
    {
        if (source.IsEmpty)
            return Errno.EINVAL;
        var error = PathWalk.Lookup(caller, source, LookupFlags.LOOKUP_FOLLOW, out var old);
        if (error == Errno.OK)
            error = CheckPlace(caller, path);
        if (error != Errno.OK)
            return error;
        if (old.Mount.IsUnbindable || !IsHere(caller, old.Mount) || !recursive && MountTree.HasLockedChildren(old.Mount, old.Dentry))
            return Errno.EINVAL;
        if (old.Dentry.IsDirectory != path.Dentry.IsDirectory)
            return Errno.ENOTDIR;
        if (old.Dentry.IsUnlinked)
            return Errno.ENOENT;
        var copy = MountTree.CopyUnlocked(old.Mount, old.Dentry, recursive);
        return MountTree.Attach(copy, path.Mount, path.Dentry);
    }

    private static Errno Move(Caller caller, ReadOnlySpan<byte> source, in VfsPath path)
    {
        if (source.IsEmpty)
            return Errno.EINVAL;
        var error = PathWalk.Lookup(caller, source, LookupFlags.LOOKUP_FOLLOW, out var old);
        return error != Errno.OK ? error : MoveTo(caller, old, path);
    }

    /// <summary>Moves a mount of this namespace, or hangs up one that hangs nowhere.</summary>
    /// <returns>ENOENT (removed place), EINVAL, ELOOP, ENOSPC.</returns>
    /// <remarks>Linux fs/namespace.c: do_move_mount().</remarks>
    private static Errno MoveTo(Caller caller, in VfsPath old, in VfsPath path)
    {
        if (caller.Mounts.Core.Quirks.MovesCheckSourceFirst && (!old.IsMountRoot || old.Dentry.IsDirectory != path.Dentry.IsDirectory))
            return Errno.EINVAL;
        var error = CheckPlace(caller, path);
        if (error != Errno.OK)
            return error;
        var mount = old.Mount;
        bool isAttached = mount.Parent is not null;
        if (!(isAttached ? IsHere(caller, mount) : mount.IsAnonymous) || !old.IsMountRoot || mount.IsLocked)
            return Errno.EINVAL;
        if (old.Dentry.IsDirectory != path.Dentry.IsDirectory || mount.Parent is { IsShared: true })
            return Errno.EINVAL;
        if (path.Mount.IsShared && MountTree.Walk(mount).Any(m => m.IsUnbindable))
            return Errno.EINVAL;
        for (var at = path.Mount; at is not null; at = at.Parent)
        {
            if (ReferenceEquals(at, mount))
                return Errno.ELOOP;
        }
        if (mount.Root.IsUnlinked)
            return Errno.ENOENT;
        return isAttached ? MountTree.Move(mount, path.Mount, path.Dentry) : MountTree.Attach(mount, path.Mount, path.Dentry);
    }

    private static Errno ChangeType(Caller caller, in VfsPath path, MountFlags flags)
    {
        if (!path.IsMountRoot)
            return Errno.EINVAL;
        var type = flags & ~(MountFlags.MS_REC | MountFlags.MS_SILENT);
        if ((type & ~PropagationFlags) != 0 || !uint.IsPow2((uint)type) || !IsHere(caller, path.Mount))
            return Errno.EINVAL;
        foreach (var mount in (flags & MountFlags.MS_REC) != 0 ? MountTree.Walk(path.Mount).ToArray() : [path.Mount])
            Propagation.SetType(mount, type);
        return Errno.OK;
    }

    // ---- remount -------------------------------------------------------------------------------------------------------------------------------

    private static Errno RemountBind(Caller caller, in VfsPath path, MountFlags own)
    {
        if (!IsHere(caller, path.Mount) || !path.IsMountRoot)
            return Errno.EINVAL;
        if (path.Mount.Unlocks(own))
            return Errno.EPERM;
        if ((own & ~path.Mount.Flags & MountFlags.MS_RDONLY) != 0 && path.Mount.Writers > 0)
            return Errno.EBUSY;
        path.Mount.Flags = own;
        return Errno.OK;
    }

    private static Errno Remount(Caller caller, in VfsPath path, MountFlags flags, MountFlags own, ReadOnlySpan<byte> data)
    {
        if (!IsHere(caller, path.Mount) || !path.IsMountRoot)
            return Errno.EINVAL;
        var sb = path.Mount.Sb;
        if (path.Mount.Unlocks(own))
            return Errno.EPERM;
        var context = new MountContext(sb.Core, caller, path.Mount.Source, flags & SuperFlags, data.ToArray()) { IsRemount = true };
        bool toReadOnly = (flags & MountFlags.MS_RDONLY) != 0 && !sb.IsReadOnly;
        var error = sb.CheckRemount(context);
        if (error != Errno.OK)
            return error;
        if (!caller.Credentials.CapableIn(sb.UserSpace, Capabilities.CAP_SYS_ADMIN))
            return Errno.EPERM;
        sb.ShrinkCache();
        if (toReadOnly && HasWriters(sb))
            return Errno.EBUSY;
        error = sb.Remount(context);
        if (error != Errno.OK)
            return error;
        const MountFlags changeable = MountFlags.MS_RDONLY | MountFlags.MS_SYNCHRONOUS | MountFlags.MS_MANDLOCK | MountFlags.MS_I_VERSION | MountFlags.MS_LAZYTIME;
        sb.Flags = sb.Flags & ~changeable | context.Flags & changeable;
        path.Mount.Flags = own;
        return Errno.OK;
    }

    // ---- umount ----------------------------------------------------------------------------------------------------------------------------------

    /// <summary>umount2(2).</summary>
    public static Errno Umount(Caller caller, ReadOnlySpan<byte> target, UmountFlags flags)
    {
        if ((flags & ~(UmountFlags.MNT_FORCE | UmountFlags.MNT_DETACH | UmountFlags.MNT_EXPIRE | UmountFlags.UMOUNT_NOFOLLOW)) != 0)
            return Errno.EINVAL;
        var lookup = LookupFlags.LOOKUP_MOUNTPOINT | ((flags & UmountFlags.UMOUNT_NOFOLLOW) == 0 ? LookupFlags.LOOKUP_FOLLOW : LookupFlags.None);
        var error = PathWalk.Lookup(caller, caller.Cwd, target, lookup, keepsExpiry: true, out var path);
        if (error != Errno.OK)
            return error;
        if (!MayMount(caller))
            return Errno.EPERM;
        var mount = path.Mount;
        if (!path.IsMountRoot || !IsHere(caller, mount) || mount.IsLocked)
            return Errno.EINVAL;
        if ((flags & UmountFlags.MNT_FORCE) != 0 && !caller.Credentials.Capable(Capabilities.CAP_SYS_ADMIN))
            return Errno.EPERM;
        bool isTaskRoot = ReferenceEquals(mount, caller.Root.Mount);
        if ((flags & UmountFlags.MNT_EXPIRE) != 0)
        {
            if (isTaskRoot || (flags & (UmountFlags.MNT_FORCE | UmountFlags.MNT_DETACH)) != 0)
                return Errno.EINVAL;
            if (mount.Users > 0 || mount.Children.Count > 0)
                return Errno.EBUSY;
            if (!mount.ExpiryMark)
            {
                mount.ExpiryMark = true;
                return Errno.EAGAIN;
            }
        }
        bool isLazy = (flags & UmountFlags.MNT_DETACH) != 0;
        if (isTaskRoot && !isLazy)
            return mount.Sb.IsReadOnly ? Errno.OK : Remount(caller, path, MountFlags.MS_RDONLY, mount.Flags, default);
        if (mount.Parent is null)
            return Errno.EINVAL;
        bool isBusy = mount.Sb.Core.IsMutated(Mutation.UmountIgnoresOpenFiles) ? mount.Children.Count > 0 : Propagation.IsBusy(mount);
        if (!isLazy && isBusy)
            return Errno.EBUSY;
        MountTree.Umount(mount, propagate: true);
        return Errno.OK;
    }
}
