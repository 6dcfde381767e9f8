using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs.Helpers;

namespace DriverLab.Vfs;

/// <summary>A part of a file in a task's memory.</summary>
/// <remarks>Linux mm/mmap.c: do_mmap(). What the file's pages hold is seen as it is at each access; stores into a private mapping stay in copies of pages.</remarks>
public sealed class Mapping
{
    private const int PageSize = Limits.PAGE_SIZE;

    private readonly OpenFile _file;
    private readonly VfsPath _path;
    private readonly MapProtection _protection;
    private readonly bool _isPrivate;
    private readonly bool _keepsWriter;
    private readonly long _offset;
    private readonly HashSet<long> _touched = [];
    private readonly Dictionary<long, byte[]> _copies = [];

    private Mapping(in VfsPath path, bool keepsWriter, OpenFile file, MapProtection protection, bool isPrivate, long offset, int length)
    {
        // The file of a stacked file system has others' pages; its own place stays in use all the same, and open for writing if it was opened so.
        _path = path;
        _path.Hold();
        if (keepsWriter)
            _path.Mount.GetWriteAccess();
        _keepsWriter = keepsWriter;
        (_file, _protection, _isPrivate, _offset, Length) = (file, protection, isPrivate, offset, length);
    }

    /// <summary>Length as asked for, in bytes; memory is mapped to the end of the last page.</summary>
    public int Length { get; }

    /// <summary>mmap(2) of an open file.</summary>
    /// <returns>EINVAL (length, kind), ENOMEM (a length below zero: no task has that much), EOVERFLOW (beyond the largest file), EACCES, EPERM, ENODEV.</returns>
    /// <remarks>Linux mm/mmap.c: file_mmap_ok().</remarks>
    public static SysResult<Mapping> Create(Caller caller, OpenFile file, MapProtection protection, MapFlags flags, long offset, int length)
    {
        if (length == 0)
            return Errno.EINVAL;
        if (length < 0)
            return Errno.ENOMEM;
        ulong most = file.Inode.Type is Mode.S_IFREG or Mode.S_IFBLK ? long.MaxValue : ulong.MaxValue;
        if ((ulong)offset / PageSize > (most - (ulong)(length + (PageSize - 1L)) / PageSize * PageSize) / PageSize)
            return Errno.EOVERFLOW;
        const MapFlags kinds = (MapFlags)0xf;
        bool isPrivate = (flags & kinds) == MapFlags.MAP_PRIVATE;
        if (!isPrivate && (flags & kinds) is not (MapFlags.MAP_SHARED or MapFlags.MAP_SHARED_VALIDATE))
            return Errno.EINVAL;
        if (!isPrivate && ((protection & MapProtection.PROT_WRITE) != 0 && !file.CanWrite || file.Inode.IsAppend && file.CanWrite))
            return Errno.EACCES;
        if (!file.CanRead)
            return Errno.EACCES;
        if ((file.Path.Mount.Flags & MountFlags.MS_NOEXEC) != 0 && (protection & MapProtection.PROT_EXEC) != 0)
            return Errno.EPERM;
        var target = file.MapTarget(caller, !isPrivate);
        if (!target.IsOk)
            return target.Error;
        Files.TouchAtime(file);
        var mapping = new Mapping(file.Path, file.IsWriter && !ReferenceEquals(file, target.Value), target.Value, protection, isPrivate, offset, length);
        if (isPrivate && target.Value.Inode is MemoryFile memory)
            (memory.PrivateMappings ??= []).Add(mapping);
        return mapping;
    }

    /// <summary>Loads.</summary>
    /// <returns>EINVAL (outside), EFAULT (not readable, beyond the last page of the file).</returns>
    public Errno Read(long offset, Span<byte> buffer)
    {
        if (offset < 0 || offset + buffer.Length > Length)
            return Errno.EINVAL;
        return (_protection & MapProtection.PROT_READ) == 0 && buffer.Length > 0 ? Errno.EFAULT : ByPages(offset, buffer, default, writes: false);
    }

    /// <summary>Stores.</summary>
    /// <returns>EINVAL (outside), EFAULT (not writable, beyond the last page of the file, no space).</returns>
    public Errno Write(long offset, ReadOnlySpan<byte> data)
    {
        if (offset < 0 || offset + data.Length > Length)
            return Errno.EINVAL;
        return (_protection & MapProtection.PROT_WRITE) == 0 && data.Length > 0 ? Errno.EFAULT : ByPages(offset, default, data, writes: true);
    }

    private Errno ByPages(long offset, Span<byte> buffer, ReadOnlySpan<byte> data, bool writes)
    {
        int total = writes ? data.Length : buffer.Length;
        for (int done = 0; done < total;)
        {
            long at = _offset + offset + done;
            int count = (int)Math.Min(PageSize - at % PageSize, total - done);
            var error = writes ? StorePart(at, data.Slice(done, count)) : LoadPart(at, buffer.Slice(done, count));
            if (error != Errno.OK)
                return error;
            done += count;
        }
        return Errno.OK;
    }

    private bool IsBeyond(long at) => at / PageSize * PageSize >= _file.Inode.Size;

    private Errno LoadPart(long at, Span<byte> buffer)
    {
        if (_copies.TryGetValue(at / PageSize, out byte[]? copy))
        {
            if (IsBeyond(at))
                return Errno.EFAULT;
            copy.AsSpan((int)(at % PageSize), buffer.Length).CopyTo(buffer);
            return Errno.OK;
        }
        if (IsBeyond(at))
            return Errno.EFAULT;
        _ = _touched.Add(at / PageSize);
        return _file.MapRead(at, buffer);
    }

    private Errno StorePart(long at, ReadOnlySpan<byte> data)
    {
        if (IsBeyond(at))
            return Errno.EFAULT;
        if (!_isPrivate)
        {
            // A page that was only read is mapped writable all the same, and then no fault tells the file that it changes.
            if (_touched.Add(at / PageSize))
                Files.FileUpdateTime(_file);
            return _file.MapWrite(at, data);
        }
        long page = at / PageSize;
        if (!_copies.TryGetValue(page, out byte[]? copy))
        {
            copy = new byte[PageSize];
            var error = _file.MapRead(page * PageSize, copy);
            if (error != Errno.OK)
                return error;
            _copies.Add(page, copy);
        }
        data.CopyTo(copy.AsSpan((int)(at % PageSize)));
        return Errno.OK;
    }

    /// <summary>msync(2).</summary>
    public Errno Sync(Caller caller) => _isPrivate ? Errno.OK : _file.Fsync(caller, dataOnly: false);

    /// <summary>munmap(2).</summary>
    public void Release()
    {
        _ = (_file.Inode as MemoryFile)?.PrivateMappings?.Remove(this);
        _file.Put();
        if (_keepsWriter)
            _path.Mount.PutWriteAccess();
        _path.Release();
    }

    /// <summary>The file was cut off: copies of pages behind its end are gone.</summary>
    internal void Truncate(long size)
    {
        foreach (long page in _copies.Keys.Where(p => p * PageSize >= size).ToArray())
            _ = _copies.Remove(page);
    }
}
