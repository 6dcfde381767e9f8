using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.Emulator;

/// <summary>openat2, file handles, locks, mappings.</summary>
public partial class EmulatedTask
{
    private readonly List<Mapping?> _mappings = [];

    /// <inheritdoc/>
    public SysResult<Fd> OpenAt2(Fd directory, ReadOnlySpan<byte> path, in OpenHow how)
    {
        var error = PathOpen.CheckHow(Quirks, how, out var flags);
        if (error != Errno.OK)
            return error;
        error = PathWalk.CheckName(path, LookupFlags.None);
        if (error != Errno.OK)
            return error;
        var free = Caller.Files.LowestFree();
        if (!free.IsOk)
            return free.Error;
        bool isInRoot = (how.Resolve & ResolveFlags.RESOLVE_IN_ROOT) != 0;
        error = isInRoot && directory != Fd.Cwd ? StartAt(directory, out var start) : Start(directory, path, LookupFlags.None, out start);
        return error != Errno.OK ? error : Install(PathOpen.Open(Caller, start, path, flags, (Mode)how.Mode, how.Resolve));
    }

    // RESOLVE_IN_ROOT looks at the descriptor also when the path begins with a slash.
    private Errno StartAt(Fd directory, out VfsPath start)
    {
        start = default;
        if (Caller.Files.Get(directory.Value) is not { } file)
            return Errno.EBADF;
        start = file.Path;
        return file.Inode.IsDirectory ? Errno.OK : Errno.ENOTDIR;
    }

    /// <inheritdoc/>
    public Errno Quotactl(QuotaCommand command, QuotaType type, ReadOnlySpan<byte> device, uint id, ref DiskQuota quota) => NotModelledException.Throw("quotactl");

    // ---- file handles ----------------------------------------------------------------------------------------------------------------------------

    /// <inheritdoc/>
    public Errno NameToHandleAt(Fd directory, ReadOnlySpan<byte> path, ref FileHandle handle, out long mountId, AtFlags flags)
    {
        mountId = 0;
        bool isConnectable = (flags & AT_HANDLE_CONNECTABLE) != 0, isId = (flags & AT_HANDLE_FID) != 0;
        if (!AreHandleFlags(flags))
            return Errno.EINVAL;
        var lookup = ((flags & AtFlags.AT_SYMLINK_FOLLOW) != 0 ? LookupFlags.LOOKUP_FOLLOW : 0) | ((flags & AtFlags.AT_EMPTY_PATH) != 0 ? LookupFlags.LOOKUP_EMPTY : 0);
        var error = Lookup(directory, path, lookup, out var place);
        if (error != Errno.OK)
            return error;
        var sb = place.Inode.Sb;
        if (!(isConnectable ? sb.HasConnectableHandles : isId ? sb.HasHandleIds || Quirks.EverythingHasHandleIds : sb.HasFileHandles))
            return Errno.EOPNOTSUPP;
        if (handle.Bytes > FileHandle.MaxSize)
            return Errno.EINVAL;
        if (isConnectable && !place.Inode.IsDirectory)
            return Errno.EOVERFLOW; // none of the file systems here writes the parent into it
        mountId = (flags & AT_HANDLE_MNT_ID_UNIQUE) != 0 ? (long)place.Mount.Unique : place.Mount.Id;
        Span<byte> room = stackalloc byte[FileHandle.MaxSize];
        var made = isId && !sb.HasHandleIds ? EncodeNumber(place.Inode, room, out byte type) : sb.EncodeHandle(place.Inode, room, out type);
        if (!made.IsOk)
            return made.Error;
        bool fits = made.Value <= handle.Bytes;
        handle.Bytes = (uint)made.Value;
        handle.Type = fits ? type | (isConnectable ? ConnectableFlags : 0) : 255;
        if (!fits)
            return Errno.EOVERFLOW;
        room[..made.Value].CopyTo(handle.Value);
        return Errno.OK;
    }

    private const AtFlags AT_HANDLE_FID = (AtFlags)0x200, AT_HANDLE_MNT_ID_UNIQUE = (AtFlags)1, AT_HANDLE_CONNECTABLE = (AtFlags)2;

    /// <summary>Known flags, in a combination that makes sense.</summary>
    private bool AreHandleFlags(AtFlags flags)
    {
        var known = AtFlags.AT_SYMLINK_FOLLOW | AtFlags.AT_EMPTY_PATH | (Quirks.HasHandleFid ? AT_HANDLE_FID : 0) | (Quirks.HandlesTellUniqueMount ? AT_HANDLE_MNT_ID_UNIQUE : 0)
            | (Quirks.HandleTypesHaveFlags ? AT_HANDLE_CONNECTABLE : 0);
        bool isConnectable = (flags & AT_HANDLE_CONNECTABLE) != 0;
        return (flags & ~known) == 0 && !(isConnectable && (flags & (AT_HANDLE_FID | AtFlags.AT_EMPTY_PATH)) != 0);
    }

    /// <summary>What tells objects apart where the file system has no handles: number and generation, which nothing can open.</summary>
    /// <remarks>Linux fs/exportfs/expfs.c: exportfs_encode_ino64_fid().</remarks>
    private static SysResult<int> EncodeNumber(Inode inode, Span<byte> room, out byte type)
    {
        type = 0x81;
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64LittleEndian(room, inode.Ino);
        room[8..12].Clear();
        return 12;
    }

    /// <inheritdoc/>
    public SysResult<Fd> OpenByHandleAt(Fd mount, in FileHandle handle, OpenFlags flags)
    {
        var place = mount == Fd.Cwd ? Caller.Cwd : FileOf(mount)?.Path ?? default;
        var wrong = CheckHandle(handle);
        if (wrong != Errno.OK && Quirks.HandleIsReadFirst)
            return wrong;
        if (!place.IsValid && Quirks.HandleMountComesFirst)
            return Errno.EBADF;
        if (!Caller.Credentials.Capable(Capabilities.CAP_DAC_READ_SEARCH))
            return Errno.EPERM;
        if (wrong != Errno.OK)
            return wrong;
        if (!place.IsValid)
            return Errno.EBADF;
        var copy = handle;
        var found = place.Mount.Sb.DecodeHandle(copy.Value, Quirks.HandleTypesHaveFlags ? handle.Type & 0xffff : handle.Type);
        if (!found.IsOk)
            return found.Error;
        if (Quirks.HandleTypesHaveFlags && !FitsType(found.Value, place.Dentry, handle.Type))
            return Errno.ESTALE;
        var error = PathOpen.CheckFlags(Quirks, ref flags);
        return error != Errno.OK ? error : Install(PathOpen.OpenPlace(Caller, new(place.Mount, found.Value), flags));
    }

    /// <summary>FILEID_IS_CONNECTABLE and FILEID_IS_DIR, the flags that a handle's type may have.</summary>
    private const int ConnectableFlags = FileIdIsConnectable | FileIdIsDirectory;

    private const int FileIdIsConnectable = 0x10000, FileIdIsDirectory = 0x20000;

    /// <summary>What a connectable handle leads to lies below the directory whose descriptor was given; one of a directory leads to a directory.</summary>
    /// <remarks>Linux fs/fhandle.c: handle_to_path(), vfs_dentry_acceptable().</remarks>
    private static bool FitsType(Dentry found, Dentry below, int type) =>
        ((type & FileIdIsConnectable) == 0 || below.IsAncestorOf(found)) && ((type & FileIdIsDirectory) == 0 || found.IsDirectory);

    /// <summary>Length and flags of a handle.</summary>
    private Errno CheckHandle(in FileHandle handle)
    {
        bool isWrong = handle.Bytes is 0 or > FileHandle.MaxSize
            || Quirks.HandleTypesHaveFlags && (handle.Type < 0 || (handle.Type & ~0xffff & ~ConnectableFlags) != 0);
        return isWrong ? Errno.EINVAL : Errno.OK;
    }

    // ---- locks -----------------------------------------------------------------------------------------------------------------------------------

    /// <inheritdoc/>
    public Errno Flock(Fd fd, FlockOperation operation) => Quirks.FlockLooksUpFirst && FileOf(fd) is null ? Errno.EBADF : Locks.Flock(FileOf(fd), operation);

    /// <inheritdoc/>
    public Errno FcntlLock(Fd fd, LockCommand command, ref FileLock region) => FileOf(fd) is { } file ? Locks.Fcntl(Caller, file, command, ref region) : Errno.EBADF;

    // ---- mappings --------------------------------------------------------------------------------------------------------------------------------

    /// <inheritdoc/>
    public SysResult<int> Mmap(Fd fd, MapProtection protection, MapFlags flags, long offset, int length)
    {
        if ((offset & (Limits.PAGE_SIZE - 1)) != 0)
            return Errno.EINVAL;
        if (FileOf(fd) is not { } file)
            return Errno.EBADF;
        var made = Mapping.Create(Caller, file, protection, flags, offset, length);
        if (!made.IsOk)
            return made.Error;
        _mappings.Add(made.Value);
        return _mappings.Count - 1;
    }

    private Mapping? MappingOf(int mapping) => (uint)mapping < (uint)_mappings.Count ? _mappings[mapping] : null;

    /// <inheritdoc/>
    public Errno MapRead(int mapping, long offset, Span<byte> buffer) => MappingOf(mapping)?.Read(offset, buffer) ?? Errno.EINVAL;

    /// <inheritdoc/>
    public Errno MapWrite(int mapping, long offset, ReadOnlySpan<byte> data) => MappingOf(mapping)?.Write(offset, data) ?? Errno.EINVAL;

    /// <inheritdoc/>
    public Errno Msync(int mapping, MsyncFlags flags)
    {
        const MsyncFlags both = MsyncFlags.MS_ASYNC | MsyncFlags.MS_SYNC;
        if (MappingOf(mapping) is not { } area || (flags & ~(both | MsyncFlags.MS_INVALIDATE)) != 0 || (flags & both) == both)
            return Errno.EINVAL;
        return (flags & MsyncFlags.MS_SYNC) != 0 ? area.Sync(Caller) : Errno.OK;
    }

    /// <inheritdoc/>
    public Errno Munmap(int mapping)
    {
        if (MappingOf(mapping) is not { } area)
            return Errno.EINVAL;
        _mappings[mapping] = null;
        area.Release();
        return Errno.OK;
    }

    private void UnmapAll()
    {
        for (int i = 0; i < _mappings.Count; i++)
            _ = Munmap(i); // what is not mapped any more is no matter
    }
}
