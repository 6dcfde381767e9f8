using System.Numerics;
using DriverLab.Linux;

namespace DriverLab.Block;

/// <summary>The cached pages of one block device, in blocks of the logical size or more. A block that is larger than a page (6.15) is cached as one.</summary>
/// <remarks>
/// Reads fill whole pages, a window of read-ahead with one bio; writes stay in memory until somebody syncs or the last user closes, and one bio carries one block then, as buffer heads do.
/// Linux block/fops.c, fs/buffer.c: block_read_full_folio(), __block_write_begin_int(), __block_write_full_folio().
/// </remarks>
public sealed partial class PageCache
{
    /// <summary>Size of a page, in bytes.</summary>
    public const int PageBytes = 4096;

    private readonly BlockDevice _device;
    private readonly PageTree _pages = new();
    private readonly List<CachedPage> _dirty = [];
    private readonly WriteCompletion _writeCompletion;
    private readonly ReadCompletion _readCompletion, _readForWriteCompletion;
    private readonly FolioMap _folios;
    private CachedPage? _last;
    private int _unit = PageBytes;
    private int _writesInFlight;
    private BlkStatus _writeStatus;

    /// <summary>A cache for a device.</summary>
    internal PageCache(BlockDevice device)
    {
        _device = device;
        _writeCompletion = new(this);
        (_readCompletion, _readForWriteCompletion) = (new(this, isTold: true), new(this, isTold: false));
        _folios = new(_pages, device.Layer.Quirks.FirstFolioOrder, device.Layer.Quirks.WindowsFollow);
    }

    /// <summary>Size of a block, in bytes.</summary>
    public int BlockBytes { get; private set; } = 512;

    /// <summary>Counts write errors; an open file compares it with what it has seen.</summary>
    public WriteErrors Errors;

    /// <summary>Number of pages held.</summary>
    public int PageCount => _pages.Count;

    /// <summary>The kernel's choice at the first open: as large as the device's size allows, a page at the most.</summary>
    /// <remarks>Linux block/bdev.c: set_init_blocksize().</remarks>
    internal void SetInitialBlockSize()
    {
        int size = (int)_device.Limits.LogicalBlockSize;
        while (size < PageBytes && (_device.CapacityBytes & size) == 0)
            size <<= 1;
        Take(size);
    }

    /// <summary>What is cached as one: a page, or a block that is larger.</summary>
    public int UnitBytes => _unit;

    private void Take(int blockBytes)
    {
        BlockBytes = blockBytes;
        int unit = Math.Max(PageBytes, blockBytes);
        if (unit == _unit)
            return;
        Drop();
        _unit = unit;
    }

    /// <summary>Changes the size of a block; everything is written back and dropped.</summary>
    /// <returns>EINVAL (no power of two from 512 to the kernel's largest block, or below the logical block size).</returns>
    public Errno SetBlockSize(int bytes)
    {
        if (bytes < 512 || bytes > _device.Layer.Quirks.LargestBlockSize || !BitOperations.IsPow2(bytes) || bytes < _device.Limits.LogicalBlockSize)
            return Errno.EINVAL;
        if (bytes == BlockBytes)
            return Errno.OK;
        _ = WriteBack();
        Drop();
        Take(bytes);
        return Errno.OK;
    }

    /// <summary>Writes into the cache. Blocks that are covered in part are read first.</summary>
    /// <returns>EIO with nothing written; else a count of bytes, short when a later page cannot be read.</returns>
    public SysResult<int> Write(long position, ReadOnlySpan<byte> data)
    {
        int done = 0;
        while (done < data.Length)
        {
            long at = position + done;
            int offset = (int)(at & (_unit - 1));
            int count = Math.Min(_unit - offset, data.Length - done);
            var page = GetPage(at / _unit);
            byte touched = BlockMask(offset, count);
            WaitForReads(page); // of other tasks, who have the page locked
            if (!Validate(page, PartialBlocks(offset, count), wholePage: false))
                return done > 0 ? done : Errno.EIO;
            data.Slice(done, count).CopyTo(page.Own().AsSpan(offset));
            page.Valid |= touched;
            MarkDirty(page, touched);
            done += count;
        }
        return done;
    }

    private void MarkDirty(CachedPage page, byte sectors)
    {
        if ((sectors & ~page.Dirty) == 0)
            return; // a block that is dirty already makes no page dirty
        page.Dirty |= sectors;
        if (!page.IsListed)
            _dirty.Add(page);
        page.IsListed = true;
    }

    private CachedPage GetPage(long index) => _last is { } last && last.Index == index ? last : _last = _pages.Get(index, _unit);

    /// <summary>Bits of the eighths, which are sectors of a page, that a byte range touches.</summary>
    private byte SectorMask(int offset, int count)
    {
        int eighth = _unit >> 3, first = offset / eighth, last = (offset + count - 1) / eighth;
        return (byte)(((2 << last) - 1) & ~((1 << first) - 1));
    }

    /// <summary>Bits of the blocks that a byte range touches.</summary>
    private byte BlockMask(int offset, int count)
    {
        int start = offset & ~(BlockBytes - 1);
        int end = (offset + count + BlockBytes - 1) & ~(BlockBytes - 1);
        return SectorMask(start, end - start);
    }

    /// <summary>Bits of the blocks that a byte range covers in part.</summary>
    private byte PartialBlocks(int offset, int count)
    {
        byte partial = 0;
        if ((offset & (BlockBytes - 1)) != 0)
            partial |= BlockMask(offset, 1);
        if (((offset + count) & (BlockBytes - 1)) != 0)
            partial |= BlockMask(offset + count - 1, 1);
        return partial;
    }

    /// <summary>Makes sure that sectors are valid; reads them, or the page's every block.</summary>
    private bool Validate(CachedPage page, byte needed, bool wholePage)
    {
        if ((page.Valid & needed) == needed)
            return true;
        WaitForReads(page); // another task's may bring what is needed
        if ((page.Valid & needed) == needed)
            return true;
        long end = _device.CapacityBytes;
        int step = BlockBytes;
        for (int offset = 0; offset < _unit; offset += step)
        {
            byte mask = SectorMask(offset, step);
            if ((page.Valid & mask) == mask || (!wholePage && (needed & mask) == 0))
                continue;
            long position = page.Index * _unit + offset;
            if (position >= end)
            {
                page.Own().AsSpan(offset, step).Clear();
                page.Valid |= mask;
                continue;
            }
            _ = page.Own();
            var bio = MakeBio(page, BioOp.Read, BioFlags.None, offset, (int)Math.Min(step, end - position) >> 9);
            bio.Data.AsSpan(offset + (bio.Sectors << 9), step - (bio.Sectors << 9)).Clear();
            page.ReadsInFlight++;
            bio.Completion = wholePage ? _readCompletion : _readForWriteCompletion;
            _device.Layer.Submit(bio);
        }
        WaitForReads(page);
        return (page.Valid & needed) == needed;
    }

    private void WaitForReads(CachedPage page)
    {
        if (page.ReadsInFlight > 0)
            _device.Layer.World.Scheduler.Wait(page, static p => p.ReadsInFlight == 0, "a page to be read");
    }

    private Bio MakeBio(CachedPage page, BioOp op, BioFlags flags, int offset, int sectors)
    {
        var bio = _device.Layer.AllocBio();
        bio.Device = _device;
        bio.Op = op;
        bio.Flags = flags;
        bio.Sector = (page.Index * _unit + offset) >> 9;
        bio.Sectors = sectors;
        bio.Data = page.Data;
        bio.DataOffset = offset;
        bio.Private = page;
        bio.PrivateValue = bio.Sector;
        return bio;
    }

    /// <remarks>Linux fs/buffer.c: end_buffer_async_read(), and end_buffer_read_sync() where a write needs the rest of a block, which the log does not tell.</remarks>
    private sealed class ReadCompletion(PageCache cache, bool isTold) : BioCompletion
    {
        public override void EndIo(Bio bio)
        {
            var page = (CachedPage)bio.Private!;
            page.ReadsInFlight--;
            int offset = (int)((bio.PrivateValue << 9) & (cache._unit - 1));
            if (bio.Status == BlkStatus.OK)
                page.Valid |= cache.SectorMask(offset, cache.BlockBytes);
            else if (isTold)
                cache.LogError(bio.PrivateValue, "async page read");
            cache._device.Layer.Free(bio);
        }
    }

    private void LogError(long sector, string what)
        => _device.Layer.World.Log.Add($"Buffer I/O error on dev {_device.Name}, logical block {sector / (BlockBytes >> 9)}, {what}");

    /// <summary>Writes back everything that is dirty, in order of position, and waits.</summary>
    /// <returns>The first error of these writes.</returns>
    public BlkStatus WriteBack() => WriteBack(0, long.MaxValue);

    /// <summary>Writes back what is dirty in a range of bytes, and waits.</summary>
    public BlkStatus WriteBack(long start, long end)
    {
        if (_dirty.Count == 0 && _writesInFlight == 0)
            return BlkStatus.OK;
        StartWriteBack(start, end);
        WaitForWrites();
        return _writeStatus;
    }

    /// <summary>Waits for the writes that are under way.</summary>
    public void WaitForWrites()
    {
        if (_writesInFlight > 0)
            _device.Layer.World.Scheduler.Wait(this, static c => c._writesInFlight == 0, "writeback");
    }

    /// <summary>Sends what is dirty in a range of bytes on its way, in order of position.</summary>
    public void StartWriteBack(long start = 0, long end = long.MaxValue)
    {
        _dirty.Sort(static (a, b) => a.Index.CompareTo(b.Index));
        if (_writesInFlight == 0)
            _writeStatus = BlkStatus.OK;
        int kept = 0;
        for (int i = 0; i < _dirty.Count; i++)
        {
            var page = _dirty[i];
            if ((page.Index + 1) * _unit <= start || page.Index * _unit >= end)
                _dirty[kept++] = page;
            else
                WritePage(page);
        }
        _dirty.RemoveRange(kept, _dirty.Count - kept);
    }

    private void WritePage(CachedPage page)
    {
        long end = _device.CapacityBytes;
        page.IsListed = false;
        if (page.Index * _unit >= end)
            return; // stays, with dirty blocks that nothing writes, until the device grows and another block is written
        byte dirty = page.Dirty;
        page.Dirty = 0;
        for (int offset = 0; offset < _unit; offset += BlockBytes)
        {
            long position = page.Index * _unit + offset;
            if ((dirty & SectorMask(offset, BlockBytes)) == 0 || position >= end)
                continue;
            var bio = MakeBio(page, BioOp.Write, BioFlags.Sync, offset, (int)Math.Min(BlockBytes, end - position) >> 9);
            _writesInFlight++;
            bio.Completion = _writeCompletion;
            _device.Layer.Submit(bio);
        }
    }

    private sealed class WriteCompletion(PageCache cache) : BioCompletion
    {
        public override void EndIo(Bio bio)
        {
            cache._writesInFlight--;
            if (bio.Status != BlkStatus.OK)
            {
                cache.LogError(bio.PrivateValue, "lost async page write");
                cache.Errors.Set();
                if (cache._writeStatus == BlkStatus.OK)
                    cache._writeStatus = bio.Status;
            }
            cache._device.Layer.Free(bio);
        }
    }

    /// <summary>Drops all pages, dirty ones too.</summary>
    public void Drop()
    {
        _folios.Clear();
        foreach (var page in _pages.Pages)
            Recycle(page);
        _pages.Clear();
        _dirty.Clear();
        _last = null;
    }

    /// <summary>Drops the pages that are clean.</summary>
    public void DropClean()
    {
        _last = null;
        _folios.Clear();
        foreach (var page in _pages.Pages)
        {
            if (page.Dirty != 0)
                continue;
            _pages.Remove(page.Index);
            Recycle(page);
        }
    }

    /// <summary>Drops the clean pages that a range of bytes touches.</summary>
    /// <returns>False when a page stays because it is dirty.</returns>
    /// <remarks>Linux mm/truncate.c: invalidate_inode_pages2_range().</remarks>
    public bool DropCleanRange(long start, long end)
    {
        bool all = true;
        _last = null;
        foreach (var page in _pages.Pages)
        {
            var (first, last) = _folios.Around(page.Index);
            if (last * _unit <= start || first * _unit >= end)
                continue;
            if (page.Dirty != 0 || IsDirty(first * _unit, last * _unit))
            {
                all = false;
                continue;
            }
            _folios.Drop(first, last);
            _pages.Remove(page.Index);
            Recycle(page);
        }
        return all;
    }

    /// <summary>True when a page that a range of bytes touches is dirty.</summary>
    public bool IsDirty(long start, long end)
    {
        foreach (var page in _dirty)
            if (page.Index * _unit < end && (page.Index + 1) * _unit > start)
                return true;
        return false;
    }

    /// <summary>Drops what is cached of a range of bytes, dirty or not; of a page covered in part the bytes become zeros.</summary>
    public void DropRange(long start, long end)
    {
        _last = null;
        _folios.Drop(start / _unit, (end + _unit - 1) / _unit);
        foreach (var page in _pages.Pages)
        {
            long pageStart = page.Index * _unit, pageEnd = pageStart + _unit;
            if (pageEnd <= start || pageStart >= end)
                continue;
            if (pageStart < start || pageEnd > end)
            {
                ZeroPart(page, (int)Math.Max(0, start - pageStart), (int)Math.Min(_unit, end - pageStart));
                continue;
            }
            if (page.IsListed)
                _ = _dirty.Remove(page);
            (page.Dirty, page.IsListed) = (0, false);
            _pages.Remove(page.Index);
            Recycle(page);
        }
    }

    /// <summary>Zeroes a part of a cached page; blocks that lie in the part are clean from now on.</summary>
    private void ZeroPart(CachedPage page, int from, int to)
    {
        page.Own().AsSpan(from, to - from).Clear();
        for (int offset = 0; offset < _unit; offset += BlockBytes)
            if (offset >= from && offset + BlockBytes <= to)
                page.Dirty &= unchecked((byte)~SectorMask(offset, BlockBytes));
        if (page.Dirty == 0 && page.IsListed)
        {
            _ = _dirty.Remove(page);
            page.IsListed = false;
        }
    }

    private void Recycle(CachedPage page)
    {
        page.Dirty = 0;
        if (page.ReadsInFlight == 0 && _writesInFlight == 0)
            page.Return();
    }
}

/// <summary>Counter of write errors that open files report once each.</summary>
/// <remarks>Linux lib/errseq.c.</remarks>
public struct WriteErrors
{
    private uint _count;
    private bool _seen;

    /// <summary>Notes an error.</summary>
    public void Set()
    {
        if (_seen || _count == 0)
            _count++;
        _seen = false;
    }

    /// <summary>What a file remembers when it is opened: an error that nobody has seen is still to be reported.</summary>
    public readonly uint Sample() => _seen ? _count : 0;

    /// <summary>True when there is an error that the file has not reported; it counts as reported then.</summary>
    public bool Check(ref uint since)
    {
        if (_count == since)
            return false;
        since = _count;
        _seen = true;
        return true;
    }
}
