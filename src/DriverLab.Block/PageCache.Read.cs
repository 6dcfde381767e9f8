using System.Buffers;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Block;

/// <content>Reading, with the windows of read-ahead.</content>
public sealed partial class PageCache
{
    /// <summary>The state of a file that is opened now.</summary>
    /// <remarks>Linux mm/readahead.c: file_ra_state_init(); a file counts the pages of its device in 32 bits.</remarks>
    internal ReadAhead NewReadAhead() => new((int)Math.Min(unchecked((uint)(_device.ReadAheadSectors / (PageBytes >> 9))) / (_unit / PageBytes), int.MaxValue));

    /// <summary>Reads from within the device.</summary>
    /// <param name="position">Where, in bytes.</param>
    /// <param name="buffer">Where to.</param>
    /// <param name="ahead">What the file remembers of earlier reads; null: single pages are read.</param>
    /// <returns>EIO with nothing read; else a count of bytes, short when a later page fails.</returns>
    /// <remarks>Linux mm/filemap.c: filemap_read().</remarks>
    internal SysResult<int> Read(long position, Span<byte> buffer, ReadAhead? ahead)
    {
        long wantedEnd = (position + buffer.Length + _unit - 1) / _unit;
        int done = 0;
        while (done < buffer.Length)
        {
            long at = position + done;
            var folio = ahead is null ? new(at / _unit, 1) : FindFolio(at / _unit, wantedEnd, ahead);
            int offset = (int)(at - folio.Start * _unit), count = Math.Min(folio.Pages * _unit - offset, buffer.Length - done);
            if (!Validate(folio))
            {
                ahead?.Shrink();
                break;
            }
            Copy(at, buffer.Slice(done, count));
            done += count;
        }
        if (done == 0 && !buffer.IsEmpty)
            return Errno.EIO;
        ahead?.PreviousPosition = position + done;
        return done;
    }

    private Folio FindFolio(long page, long wantedEnd, ReadAhead ahead)
    {
        const int sectors = PageBytes >> 9;
        _folios.WholePages = (_device.CapacitySectors / sectors + (_device.CapacitySectors % sectors == 0 ? 0 : 1)) / (_unit / PageBytes);
        var folio = _folios.Find(page, wantedEnd, (_device.CapacityBytes - 1) / _unit, ahead, (int)Math.Min(_device.Limits.MaxSectors / (_unit >> 9), int.MaxValue));
        foreach (var (start, end) in _folios.Requests)
            ReadTogether(start, end);
        _folios.Requests.Clear();
        return folio;
    }

    private void Copy(long position, Span<byte> buffer)
    {
        for (int done = 0; done < buffer.Length;)
        {
            int offset = (int)((position + done) & (_unit - 1)), count = Math.Min(_unit - offset, buffer.Length - done);
            GetPage((position + done) / _unit).Data.AsSpan(offset, count).CopyTo(buffer[done..]);
            done += count;
        }
    }

    /// <summary>Reads what is not valid of a folio. With one bad block nothing of it can be read, not even what is valid.</summary>
    /// <remarks>Linux block/fops.c: def_blk_aops, which has no is_partially_uptodate.</remarks>
    private bool Validate(Folio folio)
    {
        bool isValid = true;
        for (long page = folio.Start; page < folio.End; page++)
            isValid &= Validate(GetPage(page), 0xFF, wholePage: true);
        return isValid;
    }

    /// <summary>Reads new pages with one request, of a size that a driver takes. Of one that fails nothing is valid: the pages are asked for again, each by itself.</summary>
    /// <remarks>Linux fs/mpage.c: mpage_readahead().</remarks>
    private void ReadTogether(long start, long end)
    {
        var layer = _device.Layer;
        for (long next; start < end; start = next)
        {
            next = Math.Min(end, start + BlockLayer.LargestBounce / _unit);
            long position = start * _unit;
            int wanted = (int)(next - start) * _unit, there = (int)Math.Min(wanted, _device.CapacityBytes - position) & ~511;
            byte[] data = ArrayPool<byte>.Shared.Rent(wanted);
            var bio = layer.AllocBio();
            (bio.Device, bio.Op, bio.Flags, bio.Data, bio.Sector, bio.Sectors) = (_device, BioOp.Read, BioFlags.ReadAhead, data, position >> 9, there >> 9);
            if (layer.SubmitAndWait(bio) == BlkStatus.OK)
            {
                data.AsSpan(there..wanted).Clear();
                Fill(start, next, data);
            }
            ArrayPool<byte>.Shared.Return(data);
        }
    }

    private void Fill(long start, long end, ReadOnlySpan<byte> data)
    {
        for (long index = start; index < end; index++)
        {
            var page = GetPage(index);
            if (page.Valid == 0)
                page.Fill(data.Slice((int)(index - start) * _unit, _unit));
        }
    }
}
