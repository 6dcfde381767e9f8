using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.Emulator;

/// <summary>Ids, umask, namespaces, working directory, root, time.</summary>
public partial class EmulatedTask
{
    /// <inheritdoc/>
    public Errno SetIds(in UserIds ids)
    {
        var error = Caller.Credentials.After(ids, out var taken);
        Caller.Credentials = taken;
        return error;
    }

    /// <inheritdoc/>
    public Mode Umask(Mode mask)
    {
        var before = Caller.Umask;
        Caller.Umask = mask & Mode.S_IRWXUGO;
        return before;
    }

    /// <inheritdoc/>
    public Errno Unshare(CloneFlags flags)
    {
        if ((flags & ~(CloneFlags.CLONE_NEWNS | CloneFlags.CLONE_FS | CloneFlags.CLONE_FILES)) != 0)
        {
            if ((flags & CloneFlags.CLONE_NEWUSER) != 0 && !Caller.Credentials.Space.IsInitial)
                throw new NotModelledException("a user name space within another");
            return Errno.EINVAL; // a thread among others gets no user name space either
        }
        if ((flags & CloneFlags.CLONE_NEWNS) == 0)
            return Errno.OK; // nothing else is shared between tasks
        if (!Caller.Credentials.CapableIn(Caller.Credentials.Space, Capabilities.CAP_SYS_ADMIN))
            return Errno.EPERM;
        CopyMounts(_mounts.UserSpace);
        return Errno.OK;
    }

    private void CopyMounts(UserNamespace space)
    {
        var copy = _mounts.Copy(Caller, space);
        copy.Hold();
        _mounts.Release();
        _mounts = Caller.Mounts = copy;
    }

    /// <inheritdoc/>
    public Errno Chdir(ReadOnlySpan<byte> path)
    {
        var error = Lookup(Fd.Cwd, path, LookupFlags.LOOKUP_FOLLOW | LookupFlags.LOOKUP_DIRECTORY, out var place);
        if (error == Errno.OK)
            error = Permissions.Check(place.Inode, Caller.Through(place.Mount), AccessMode.X_OK);
        if (error == Errno.OK)
            Caller.SetCwd(place);
        return error;
    }

    /// <inheritdoc/>
    public Errno Fchdir(Fd fd)
    {
        if (Caller.Files.Get(fd.Value) is not { } file)
            return Errno.EBADF;
        if (!file.Inode.IsDirectory)
            return Errno.ENOTDIR;
        var error = Permissions.Check(file.Inode, Caller.Through(file.Path.Mount), AccessMode.X_OK);
        if (error == Errno.OK)
            Caller.SetCwd(file.Path);
        return error;
    }

    /// <inheritdoc/>
    public Errno Chroot(ReadOnlySpan<byte> path)
    {
        var error = Lookup(Fd.Cwd, path, LookupFlags.LOOKUP_FOLLOW | LookupFlags.LOOKUP_DIRECTORY, out var place);
        if (error == Errno.OK)
            error = Permissions.Check(place.Inode, Caller.Through(place.Mount), AccessMode.X_OK);
        if (error == Errno.OK && !Caller.Credentials.CapableIn(Caller.Credentials.Space, Capabilities.CAP_SYS_CHROOT))
            error = Errno.EPERM;
        if (error == Errno.OK)
            Caller.SetRoot(place);
        return error;
    }

    /// <inheritdoc/>
    public SysResult<int> GetCwd(Span<byte> buffer)
    {
        if (Caller.Cwd.Dentry.IsUnlinked)
            return Errno.ENOENT;
        Span<byte> room = stackalloc byte[Limits.PATH_MAX];
        var printed = PathWalk.Print(Caller.Cwd, Caller.Root, room[13..], out bool reachable);
        if (!printed.IsOk)
            return printed.Error == Errno.ERANGE ? Errno.ENAMETOOLONG : printed.Error;
        var path = room[(room.Length - printed.Value)..];
        if (!reachable)
        {
            path = room[(room.Length - printed.Value - 13)..];
            "(unreachable)"u8.CopyTo(path);
        }
        if (path.Length + 1 > buffer.Length)
            return Errno.ERANGE;
        path.CopyTo(buffer);
        return path.Length;
    }

    /// <inheritdoc/>
    public long ClockGetTimeNs(ClockId clock) => clock == ClockId.CLOCK_MONOTONIC ? State.World.Clock.MonotonicNs : State.World.Clock.NowNs;

    /// <inheritdoc/>
    public IBackgroundCall Begin(Action program) => State.World.Scheduler.Begin(program);

    /// <inheritdoc/>
    public void Sleep(long nanoseconds) => State.World.Scheduler.Sleep(nanoseconds);
}
