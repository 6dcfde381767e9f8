using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;

namespace DriverLab.Vfs.Helpers;

/// <summary>A regular file whose pages live in memory and nowhere else.</summary>
/// <remarks>Linux mm/filemap.c: generic_file_read_iter(), generic_perform_write(); mm/truncate.c: truncate_setsize().</remarks>
public abstract class MemoryFile(SuperBlock sb, Mode mode) : Inode(sb, mode)
{
    private const int PageSize = Limits.PAGE_SIZE, PageShift = 12;

    /// <summary>The content.</summary>
    protected PageStore Pages;

    /// <summary>Private mappings: truncation takes their copies of pages away too. Null when there are none.</summary>
    internal List<Mapping>? PrivateMappings { get; set; }

    private static PagePool Pool => PagePool.Mine;

    private bool _isKnown;

    /// <summary>Asks for space for pages.</summary>
    /// <returns>ENOSPC.</returns>
    protected virtual Errno Charge(long pages) => Errno.OK;

    /// <summary>True when a read of a hole leaves a page of zeros behind.</summary>
    protected virtual bool ReadsFillHoles => false;

    /// <summary>Gives space back.</summary>
    protected virtual void Uncharge(long pages) { }

    /// <inheritdoc/>
    public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags) => new MemoryOpenFile(path, flags);

    /// <inheritdoc/>
    public override Errno SetAttr(Caller caller, Dentry dentry, ref Iattr attr)
    {
        var error = Attributes.SetAttrPrepare(caller, dentry, ref attr);
        if (error != Errno.OK)
            return error;
        if (attr.Has(AttrValid.ATTR_SIZE))
            Resize(attr.Size);
        Attributes.SetAttrCopy(caller, this, attr);
        return Errno.OK;
    }

    /// <summary>Sets the length; frees what is behind it.</summary>
    protected virtual void Resize(long size)
    {
        // Pages behind the end, which fallocate left there, go also when the length stays; those that reads left there always.
        if (size < Size || ReadsFillHoles || (size == Size && !Sb.Core.IsMutated(Mutation.TruncateKeepsPreallocated)))
            Punch(size, long.MaxValue);
        Size = size;
        foreach (var mapping in PrivateMappings ?? [])
            mapping.Truncate(size);
    }

    /// <inheritdoc/>
    protected override void Evict()
    {
        Punch(0, long.MaxValue);
        if (_isKnown)
            _ = Sb.FilesWithPages.Remove(this);
    }

    /// <summary>Frees whole pages and clears the parts of pages in a range of bytes.</summary>
    protected void Punch(long offset, long end)
    {
        long first = (offset >> PageShift) + ((offset & (PageSize - 1)) != 0 ? 1 : 0); // the largest offset must not overflow
        long last = end == long.MaxValue ? (long.MaxValue >> PageShift) + 1 : end >> PageShift;
        if (first > last)
        {
            ClearPart(last, (int)(offset & (PageSize - 1)), (int)(end & (PageSize - 1)));
            return;
        }
        if ((offset & (PageSize - 1)) != 0)
            ClearPart(first - 1, (int)(offset & (PageSize - 1)), PageSize);
        if (end != long.MaxValue && (end & (PageSize - 1)) != 0)
            ClearPart(last, 0, (int)(end & (PageSize - 1)));
        if (Pages.Count == 0)
            return;
        int freed = Pages.Clear(first, last, Pool);
        if (freed > 0)
            Uncharge(freed);
    }

    private void ClearPart(long index, int from, int to)
    {
        byte[]? page = Pages.Get(index);
        if (page is not null && from < page.Length)
            page.AsSpan(from, Math.Min(to, page.Length) - from).Clear();
    }

    /// <summary>Copies bytes out, up to the end of the file.</summary>
    public int ReadAt(Span<byte> buffer, long offset)
    {
        int total = (int)Math.Clamp(Size - offset, 0, buffer.Length);
        ReadPages(buffer[..total], offset);
        if (total < buffer.Length && ReadsFillHoles && Sb.Core.Quirks.ReadsFillPageBehindEnd && Pages.Get((offset + total) >> PageShift) is null)
            Pages.Set((offset + total) >> PageShift, Pool.Rent());
        return total;
    }

    /// <summary>Copies bytes out of the pages, whatever the length of the file is.</summary>
    internal void ReadPages(Span<byte> buffer, long offset)
    {
        while (buffer.Length > 0)
        {
            int inPage = (int)(offset & (PageSize - 1));
            int count = Math.Min(PageSize - inPage, buffer.Length);
            byte[]? page = Pages.Get(offset >> PageShift);
            if (page is null && ReadsFillHoles)
                Pages.Set(offset >> PageShift, page = Pool.Rent());
            int stored = page is null ? 0 : Math.Clamp(page.Length - inPage, 0, count);
            if (stored > 0)
                page.AsSpan(inPage, stored).CopyTo(buffer);
            if (stored < count)
                buffer[stored..count].Clear();
            buffer = buffer[count..];
            offset += count;
        }
    }

    /// <summary>Copies bytes in, page by page; the file grows.</summary>
    /// <returns>The bytes written; ENOSPC when not even one was.</returns>
    public SysResult<int> WriteAt(ReadOnlySpan<byte> data, long offset)
    {
        int total = 0;
        while (data.Length > 0)
        {
            int inPage = (int)(offset & (PageSize - 1));
            int count = Math.Min(PageSize - inPage, data.Length);
            var page = PageForWrite(offset >> PageShift, inPage + count, isWhole: count == PageSize);
            if (!page.IsOk)
                return total > 0 ? total : page.Error;
            data[..count].CopyTo(page.Value.AsSpan(inPage));
            data = data[count..];
            offset += count;
            total += count;
            if (offset > Size)
                Size = offset;
        }
        return total;
    }

    private SysResult<byte[]> PageForWrite(long index, int length, bool isWhole)
    {
        byte[]? page = Pages.Get(index);
        if (page is not null && page.Length >= length)
            return page;
        if (page is null)
        {
            var error = Charge(1);
            if (error != Errno.OK)
                return error;
        }
        // The first page of a small file is only as large as it has to be; it doubles when it grows.
        bool isSmall = index == 0 && length <= PageSize / 2;
        byte[] larger = isSmall ? new byte[Math.Max(64, (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)length))] : Pool.Rent(clear: !isWhole);
        page?.CopyTo(larger, 0);
        Pages.Set(index, larger);
        if (!isSmall && !_isKnown)
        {
            _isKnown = true;
            _ = Sb.FilesWithPages.Add(this);
        }
        return larger;
    }

    /// <summary>The file system is gone: gives the pages to the files of others.</summary>
    internal void ReleasePages() => _ = Pages.Clear(0, long.MaxValue, Pool);

    /// <summary>Occupies pages that are not written yet.</summary>
    /// <returns>ENOSPC, with nothing occupied.</returns>
    protected Errno Preallocate(long first, long end)
    {
        for (long index = first; index < end; index++)
        {
            if (Pages.Get(index) is { } there)
            {
                // A page that was made room for twice has been cleared meanwhile, and is data. mm/shmem.c: shmem_get_folio_gfp(), SGP_FALLOC.
                if (there.Length == 0)
                    Pages.Set(index, new byte[64]);
                continue;
            }
            var error = Charge(1);
            if (error != Errno.OK)
            {
                ReleaseUnwritten(first, index);
                return error;
            }
            Pages.Set(index, PageStore.Unwritten);
        }
        return Errno.OK;
    }

    /// <summary>Makes pages of zeros of the holes in a range within the file.</summary>
    /// <returns>ENOSPC.</returns>
    public Errno FillHoles(long offset, long length) => FillHoles(offset, length, out _);

    /// <inheritdoc cref="FillHoles(long, long)"/>
    /// <param name="offset">Where.</param>
    /// <param name="length">How far.</param>
    /// <param name="filled">Where the first page begins that could not be had.</param>
    public Errno FillHoles(long offset, long length, out long filled)
    {
        long end = filled = Math.Min(offset + length, Size);
        for (long index = offset >> PageShift; index << PageShift < end; index++)
        {
            if (Pages.Get(index) is { Length: > 0 })
                continue;
            if (Pages.Get(index) is null && Charge(1) is var error and not Errno.OK)
            {
                filled = index << PageShift;
                return error;
            }
            Pages.Set(index, new byte[64]);
        }
        return Errno.OK;
    }

    private void ReleaseUnwritten(long first, long end)
    {
        for (long index = first; index < end; index++)
        {
            if (Pages.Get(index) is { Length: 0 })
                Uncharge(Pages.Clear(index, index + 1, Pool));
        }
    }

    /// <summary>SEEK_DATA and SEEK_HOLE by pages.</summary>
    /// <returns>ENXIO.</returns>
    /// <remarks>Linux mm/filemap.c: mapping_seek_hole_data().</remarks>
    public SysResult<long> SeekHoleData(long offset, bool data)
    {
        if (offset < 0 || offset >= Size)
            return Errno.ENXIO;
        long found = Pages.Find(offset >> PageShift, ((Size - 1) >> PageShift) + 1, data);
        if (data && found == long.MaxValue >> PageShift && !Sb.Core.Quirks.SeekFindsLastPage)
            found = -1; // the kernel does not find the last of all pages, the end of which is no offset
        if (found < 0)
            return data ? Errno.ENXIO : Size;
        return Math.Min(Math.Max(offset, found << PageShift), Size);
    }
}

/// <summary>An open <see cref="MemoryFile"/>.</summary>
public class MemoryOpenFile(VfsPath path, OpenFlags flags) : OpenFile(path, flags)
{
    /// <summary>The inode.</summary>
    protected MemoryFile File => (MemoryFile)Inode;

    /// <summary>A read of no bytes is an access too.</summary>
    protected virtual bool EmptyReadsCount => false;

    /// <inheritdoc/>
    public override SysResult<int> Read(Caller caller, Span<byte> buffer, ref long position)
    {
        if (buffer.IsEmpty && !EmptyReadsCount)
            return 0;
        int count = File.ReadAt(buffer, position);
        position += count;
        Files.TouchAtime(this);
        return count;
    }

    /// <inheritdoc/>
    public override SysResult<int> Write(Caller caller, ReadOnlySpan<byte> data, ref long position)
    {
        if (data.IsEmpty)
            return 0;
        if ((Flags & OpenFlags.O_APPEND) != 0 && !Inode.Sb.Core.IsMutated(Mutation.AppendWritesInPlace))
            position = Inode.Size;
        var error = Files.WriteChecks(this, position, ref data);
        if (error == Errno.OK)
            error = Attributes.FileRemovePrivs(caller, this);
        if (error != Errno.OK)
            return error;
        Files.FileUpdateTime(this);
        var written = File.WriteAt(data, position);
        if (written.IsOk)
            position += written.Value;
        return written;
    }

    /// <inheritdoc/>
    public override SysResult<long> LSeek(Caller caller, long offset, SeekWhence whence) => Simple.LSeek(this, offset, whence, Inode.Sb.MaxBytes, Inode.Size);

    /// <inheritdoc/>
    public override Errno Fsync(Caller caller, bool dataOnly) => Errno.OK;

    /// <inheritdoc/>
    public override SysResult<OpenFile> MapTarget(Caller caller, bool isShared)
    {
        Hold();
        return this;
    }

    /// <inheritdoc/>
    public override Errno MapRead(long offset, Span<byte> buffer)
    {
        File.ReadPages(buffer, offset);
        return Errno.OK;
    }

    /// <inheritdoc/>
    public override Errno MapWrite(long offset, ReadOnlySpan<byte> data)
    {
        // Bytes behind the end of the file share its last page, and are part of the file when it grows over them.
        long size = Inode.Size;
        var written = File.WriteAt(data, offset);
        Inode.Size = size;
        return written.IsOk && written.Value == data.Length ? Errno.OK : Errno.EFAULT;
    }
}
