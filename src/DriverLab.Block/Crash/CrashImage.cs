namespace DriverLab.Block.Crash;

/// <summary>The content of a disk in pages, each sector with the number of the write that made it, above another image.</summary>
internal sealed class CrashImage(CrashImage? below, ReadOnlyMemory<byte> initial)
{
    public const int PageBytes = 4096, PageSectors = PageBytes >> 9;

    private readonly Dictionary<long, Page> _pages = [];

    internal sealed class Page
    {
        public readonly byte[] Data = new byte[PageBytes];
        public readonly int[] Writer = new int[PageSectors];
    }

    /// <summary>Lets a write land, or its first sectors. A sector that a later write has made already stays.</summary>
    public void Apply(LoggedWrite write, int sectors)
    {
        for (int i = 0; i < sectors; i++)
        {
            long sector = write.Sector + i;
            int slot = (int)(sector % PageSectors);
            var page = Own(sector / PageSectors);
            if (page.Writer[slot] > write.Number)
                continue;
            page.Writer[slot] = write.Number;
            var target = page.Data.AsSpan(slot << 9, 512);
            if (write.Kind == WriteKind.Data)
                write.Data.AsSpan(i << 9, 512).CopyTo(target);
            else
                target.Clear();
        }
    }

    /// <summary>Reads sectors.</summary>
    public void Read(long sector, Span<byte> buffer)
    {
        for (; buffer.Length > 0;)
        {
            int slot = (int)(sector % PageSectors), count = Math.Min(PageBytes - (slot << 9), buffer.Length);
            if (Find(sector / PageSectors) is { } page)
                page.Data.AsSpan(slot << 9, count).CopyTo(buffer);
            else
                ReadInitial(sector << 9, buffer[..count]);
            buffer = buffer[count..];
            sector += count >> 9;
        }
    }

    /// <summary>Writes sectors: what somebody does with the disk after the crash.</summary>
    public void Write(long sector, ReadOnlySpan<byte> data)
    {
        for (; data.Length > 0;)
        {
            int slot = (int)(sector % PageSectors), count = Math.Min(PageBytes - (slot << 9), data.Length);
            data[..count].CopyTo(Own(sector / PageSectors).Data.AsSpan(slot << 9));
            data = data[count..];
            sector += count >> 9;
        }
    }

    private Page? Find(long number) => _pages.TryGetValue(number, out var page) ? page : below?.Find(number);

    private Page Own(long number)
    {
        if (_pages.TryGetValue(number, out var page))
            return page;
        page = new Page();
        if (below?.Find(number) is { } lower)
        {
            lower.Data.CopyTo(page.Data.AsSpan());
            lower.Writer.CopyTo(page.Writer.AsSpan());
        }
        else
        {
            ReadInitial(number * PageBytes, page.Data);
            page.Writer.AsSpan().Fill(-1);
        }
        _pages.Add(number, page);
        return page;
    }

    private void ReadInitial(long at, Span<byte> buffer)
    {
        if (below is not null)
        {
            below.ReadInitial(at, buffer);
            return;
        }
        int there = (int)Math.Clamp(initial.Length - at, 0, buffer.Length);
        if (there > 0)
            initial.Span.Slice((int)at, there).CopyTo(buffer);
        buffer[there..].Clear();
    }
}

/// <summary>A disk as a crash left it. What is written to it stays with the state.</summary>
internal sealed class CrashedDisk : BlockDevice
{
    private readonly CrashImage _image;

    public CrashedDisk(BlockLayer layer, Linux.DevT number, string name, CrashImage image, long sectors) : base(layer, number, name)
    {
        _image = image;
        SetCapacity(sectors);
        Limits.MaxDiscardSectors = Limits.MaxHwDiscardSectors = Limits.MaxWriteZeroesSectors = QueueLimits.MaxBioSectors;
        Limits.DiscardGranularity = 4096;
    }

    /// <inheritdoc/>
    public override void SubmitBio(Bio bio)
    {
        if (bio.Op == BioOp.Read)
            _image.Read(bio.Sector, bio.Span);
        else if (bio.Op == BioOp.Write && bio.Sectors != 0)
            _image.Write(bio.Sector, bio.Span);
        else if (bio.Op != BioOp.Flush)
            Clear(bio.Sector, bio.Sectors);
        bio.End(BlkStatus.OK);
    }

    private void Clear(long sector, long sectors)
    {
        Span<byte> zeros = stackalloc byte[512];
        zeros.Clear();
        for (; sectors > 0; sectors--)
            _image.Write(sector++, zeros);
    }
}
