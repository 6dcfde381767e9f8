using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.Emulator;

/// <summary>One task of an emulated kernel. The system calls are in Syscalls/, a file for each family.</summary>
public partial class EmulatedTask : IKernel
{
    private readonly DirentBuffer _dirents = new();
    private MountNamespace _mounts;
    private bool _isDisposed;

    internal EmulatedTask(KernelState state, Caller caller)
    {
        State = state;
        Caller = caller;
        _mounts = caller.Mounts;
        _mounts.Hold();
        caller.HoldPaths();
        state.Tasks.Add(caller);
    }

    /// <summary>What all tasks of the kernel share.</summary>
    internal KernelState State { get; }

    /// <summary>This task, as the VFS sees it.</summary>
    internal Caller Caller { get; }

    /// <inheritdoc/>
    public KernelProfile Profile => State.Profile;

    private VfsQuirks Quirks => State.Core.Quirks;

    /// <inheritdoc/>
    public IKernel Fork()
    {
        var copy = new Caller(Caller.Credentials, Caller.Root, Caller.Cwd, Caller.Mounts, Caller.Files.Clone()) { Umask = Caller.Umask, Pid = State.NextPid() };
        return new EmulatedTask(State, copy);
    }

    /// <summary>Ends the task: closes its descriptors and gives its places back.</summary>
    public void Dispose()
    {
        if (_isDisposed)
            return;
        _isDisposed = true;
        State.Core.EndCall();
        for (int fd = 0; fd < Caller.Files.Capacity; fd++)
            _ = Close(new(fd)); // like exit, which reports to nobody
        UnmapAll();
        _ = State.Tasks.Remove(Caller);
        Caller.ReleasePaths();
        _mounts.Release();
        GC.SuppressFinalize(this);
    }

    // ---- shared by the calls -----------------------------------------------------------------------------------------------------------------

    /// <summary>Where a path starts: the name is checked first, then the descriptor, which an absolute path ignores.</summary>
    /// <returns>ENAMETOOLONG, ENOENT, EBADF, ENOTDIR.</returns>
    private Errno Start(Fd directory, ReadOnlySpan<byte> path, LookupFlags flags, out VfsPath start)
    {
        State.Core.EndCall();
        start = Caller.Cwd;
        var error = PathWalk.CheckName(path, flags);
        if (error != Errno.OK || directory == Fd.Cwd || path.Length > 0 && path[0] == '/')
            return error;
        if (Caller.Files.Get(directory.Value) is not { } file)
            return Errno.EBADF;
        start = file.Path;
        return path.Length > 0 && !file.Inode.IsDirectory ? Errno.ENOTDIR : Errno.OK;
    }

    /// <summary>Walks a path from a descriptor.</summary>
    private Errno Lookup(Fd directory, ReadOnlySpan<byte> path, LookupFlags flags, out VfsPath result)
    {
        result = default;
        var error = Start(directory, path, flags, out var start);
        return error != Errno.OK ? error : PathWalk.Lookup(Caller, start, path, flags, out result);
    }

    private static LookupFlags FollowUnless(AtFlags flags)
    {
        var lookup = (flags & AtFlags.AT_SYMLINK_NOFOLLOW) == 0 ? LookupFlags.LOOKUP_FOLLOW : LookupFlags.None;
        return (flags & AtFlags.AT_EMPTY_PATH) != 0 ? lookup | LookupFlags.LOOKUP_EMPTY : lookup;
    }

    /// <summary>The open file of a descriptor, unless it is O_PATH; null is EBADF.</summary>
    private OpenFile? FileOf(Fd fd)
    {
        State.Core.EndCall();
        return Caller.Files.Get(fd.Value) is { IsPath: false } file ? file : null;
    }
}
