using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.Emulator;

/// <summary>mount, umount2, pivot_root, and the mount calls by descriptors.</summary>
public partial class EmulatedTask
{
    /// <inheritdoc/>
    public Errno Mount(ReadOnlySpan<byte> source, ReadOnlySpan<byte> target, ReadOnlySpan<byte> fileSystem, MountFlags flags, ReadOnlySpan<byte> data)
    {
        State.Core.EndCall();
        return MountCalls.Mount(Caller, source, target, fileSystem, flags, data);
    }

    /// <inheritdoc/>
    public Errno Umount(ReadOnlySpan<byte> target, UmountFlags flags)
    {
        State.Core.EndCall();
        return MountCalls.Umount(Caller, target, flags);
    }

    /// <inheritdoc/>
    public Errno PivotRoot(ReadOnlySpan<byte> newRoot, ReadOnlySpan<byte> putOld)
    {
        State.Core.EndCall();
        return MountCalls.PivotRoot(Caller, newRoot, putOld, State.Tasks);
    }

    /// <summary>Gives an open file the lowest free descriptor.</summary>
    private SysResult<Fd> Install(SysResult<OpenFile> opened)
    {
        if (!opened.IsOk)
            return opened.Error;
        var fd = Caller.Files.LowestFree();
        if (!fd.IsOk)
        {
            opened.Value.Put();
            return fd.Error;
        }
        Caller.Files.Install(fd.Value, opened.Value);
        Files.NotifyOpen(opened.Value);
        return new Fd(fd.Value);
    }

    private bool MayMount => MountCalls.MayMount(Caller);

    /// <inheritdoc/>
    public SysResult<Fd> FsOpen(ReadOnlySpan<byte> fileSystem, FsOpenFlags flags) => Install(MountCalls.FsOpen(Caller, fileSystem, flags));

    /// <inheritdoc/>
    public SysResult<Fd> FsPick(Fd directory, ReadOnlySpan<byte> path, FsPickFlags flags)
    {
        if (!MayMount)
            return Errno.EPERM;
        if (flags > (FsPickFlags)15)
            return Errno.EINVAL;
        var lookup = (flags & FsPickFlags.FSPICK_EMPTY_PATH) != 0 ? LookupFlags.LOOKUP_EMPTY : LookupFlags.None;
        var error = Start(directory, path, lookup, out var start);
        return error != Errno.OK ? error : Install(MountCalls.FsPick(Caller, start, path, flags));
    }

    /// <inheritdoc/>
    public Errno FsConfig(Fd fd, FsConfigCommand command, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, int aux)
    {
        if (fd.Value < 0)
            return Errno.EINVAL;
        var error = MountCalls.CheckFsConfig(Quirks, command, !key.IsEmpty, !value.IsEmpty, aux);
        return error != Errno.OK ? error : MountCalls.FsConfig(Caller, FileOf(fd), command, key, value, aux);
    }

    /// <inheritdoc/>
    public SysResult<Fd> FsMount(Fd fd, FsMountFlags flags, MountAttributes attributes) => Install(MountCalls.FsMount(Caller, FileOf(fd), flags, attributes));

    /// <inheritdoc/>
    public Errno MoveMount(Fd fromDirectory, ReadOnlySpan<byte> fromPath, Fd toDirectory, ReadOnlySpan<byte> toPath, MoveMountFlags flags)
    {
        if (!MayMount)
            return Errno.EPERM;
        if ((flags & ~Quirks.MoveMountFlags) != 0)
            return Errno.EINVAL;
        bool isTargetFirst = Quirks.MoveMountFindsTargetFirst;
        VfsPath from = default;
        var error = isTargetFirst ? Errno.OK : Lookup(fromDirectory, fromPath, LookupOf((int)flags), out from);
        if (error != Errno.OK)
            return error;
        error = Lookup(toDirectory, toPath, LookupOf((int)flags >> 4), out var to);
        if (error == Errno.OK && isTargetFirst)
            error = Lookup(fromDirectory, fromPath, LookupOf((int)flags), out from);
        return error != Errno.OK ? error : MountCalls.MoveMount(Caller, from, to, flags);
    }

    // The three bits of each end: symlinks, automounts, empty path.
    private static LookupFlags LookupOf(int bits) =>
        ((bits & 1) != 0 ? LookupFlags.LOOKUP_FOLLOW : 0) | ((bits & 4) != 0 ? LookupFlags.LOOKUP_EMPTY : 0);

    /// <inheritdoc/>
    public SysResult<Fd> OpenTree(Fd directory, ReadOnlySpan<byte> path, OpenTreeFlags flags)
    {
        const OpenTreeFlags known = OpenTreeFlags.OPEN_TREE_CLONE | OpenTreeFlags.OPEN_TREE_CLOEXEC | OpenTreeFlags.AT_EMPTY_PATH | OpenTreeFlags.AT_NO_AUTOMOUNT
            | OpenTreeFlags.AT_RECURSIVE | OpenTreeFlags.AT_SYMLINK_NOFOLLOW;
        const OpenTreeFlags copying = OpenTreeFlags.OPEN_TREE_CLONE | OpenTreeFlags.OPEN_TREE_NAMESPACE;
        bool clones = (flags & copying) != 0;
        var wrong = flags & ~(Quirks.HasOpenTreeNamespace ? known | OpenTreeFlags.OPEN_TREE_NAMESPACE : known);
        if (wrong != 0 || (flags & copying) == copying || (flags & OpenTreeFlags.AT_RECURSIVE) != 0 && !clones)
            return Errno.EINVAL;
        if (clones && !MayMount)
            return Errno.EPERM;
        var free = Caller.Files.LowestFree();
        if (!free.IsOk)
            return free.Error;
        var error = Lookup(directory, path, FollowUnless((AtFlags)flags & (AtFlags.AT_SYMLINK_NOFOLLOW | AtFlags.AT_EMPTY_PATH)), out var place);
        return error != Errno.OK ? error : Install(MountCalls.OpenTree(Caller, place, flags));
    }

    /// <inheritdoc/>
    public Errno MountSetattr(Fd directory, ReadOnlySpan<byte> path, AtFlags flags, in MountAttr attributes)
    {
        if (!Quirks.HasMountSetattr)
            return Errno.ENOSYS;
        const AtFlags AT_RECURSIVE = (AtFlags)0x8000;
        if ((flags & ~(AtFlags.AT_EMPTY_PATH | AT_RECURSIVE | AtFlags.AT_SYMLINK_NOFOLLOW | AtFlags.AT_NO_AUTOMOUNT)) != 0)
            return Errno.EINVAL;
        if (!MayMount)
            return Errno.EPERM;
        if (attributes is { Set: 0, Clear: 0, Propagation: 0 })
            return Errno.OK;
        var error = MountCalls.CheckSetattr(attributes);
        UserNamespace? map = null;
        if (error == Errno.OK)
            error = MountCalls.FindMap(Caller, attributes, out map);
        if (error != Errno.OK)
            return error;
        error = Lookup(directory, path, FollowUnless(flags & (AtFlags.AT_SYMLINK_NOFOLLOW | AtFlags.AT_EMPTY_PATH)), out var place);
        return error != Errno.OK ? error : MountCalls.SetAttr(Caller, place, (flags & AT_RECURSIVE) != 0, attributes, map);
    }
}
