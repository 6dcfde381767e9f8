using System.Numerics;

namespace DriverLab.Block;

/// <summary>A run of cached pages that are valid or not as one: a power of two of them, aligned to it.</summary>
/// <param name="Start">The first page.</param>
/// <param name="Pages">Number of pages.</param>
internal readonly record struct Folio(long Start, int Pages)
{
    public long End => Start + Pages;
}

/// <summary>How far an open file has been read, and how much is read ahead of it.</summary>
/// <remarks>Linux include/linux/fs.h: struct file_ra_state.</remarks>
internal sealed class ReadAhead(int mostPages)
{
    /// <summary>The window: pages, counted from <see cref="Start"/>; the last <see cref="AsyncSize"/> of them are there before somebody wants them.</summary>
    public long Start;
    public int Size, AsyncSize, Order;

    /// <summary>Where the last read ended, in bytes; -1 before the first.</summary>
    public long PreviousPosition = -1;

    /// <summary>Pages that a window has at most.</summary>
    public int MostPages { get; private set; } = mostPages;

    /// <summary>A read has failed: the windows become smaller.</summary>
    public void Shrink() => MostPages /= 4;
}

/// <summary>
/// The sizes in which a kernel with large folios caches a device that is read: small at the start of a file, larger as reading goes on in sequence. They decide how much of a read fails with one
/// bad block. The new pages of a window are also what one request reads, which shows where a device answers for requests as a whole. Kernels without large folios (no first order) cache single pages.
/// </summary>
/// <remarks>Linux mm/readahead.c: page_cache_sync_ra(), page_cache_async_ra(), page_cache_ra_order(). What is written is cached in single pages.</remarks>
internal sealed class FolioMap(PageTree pages, int? firstOrder, bool windowsFollow)
{
    private readonly int _largestOrder = firstOrder is null ? 0 : 9;
    private readonly List<(long Start, long End)> _requests = [];
    private readonly HashSet<long> _marked = [];

    /// <summary>Pages that a folio of several may have, from the first: all, but where what is cached as one is larger than a page the last one may be there in part.</summary>
    public long WholePages { get; set; }

    /// <summary>The folio of a page that is about to be read; read-ahead makes it if there is none.</summary>
    /// <param name="page">The page.</param>
    /// <param name="wantedEnd">The page after the last one that the reader wants.</param>
    /// <param name="lastPage">The device's last page.</param>
    /// <param name="ahead">The reader's state.</param>
    /// <param name="largestRequestPages">Pages that one request can have.</param>
    public Folio Find(long page, long wantedEnd, long lastPage, ReadAhead ahead, int largestRequestPages)
    {
        if (!IsPresent(page) && ahead.MostPages > 0)
            Missed(page, Wanted(page), Most(page), lastPage, ahead);
        var folio = pages.FolioOf(page) ?? new(page, 1);
        if (ahead.MostPages > 0 && _marked.Remove(folio.Start))
            GoOn(folio, Wanted(folio.Start), Most(folio.Start), lastPage, ahead);
        return folio;

        int Wanted(long from) => (int)Math.Min(wantedEnd - from, int.MaxValue);

        int Most(long from) => Wanted(from) > ahead.MostPages && largestRequestPages > ahead.MostPages ? Math.Min(Wanted(from), largestRequestPages) : ahead.MostPages;
    }

    private bool IsPresent(long page) => pages.IsPresent(page);

    private void Missed(long page, int wanted, int most, long lastPage, ReadAhead ahead)
    {
        ahead.Order = firstOrder ?? 0;
        if (windowsFollow && page > 0 && (page == ahead.Start + ahead.Size - ahead.AsyncSize || page == ahead.Start + ahead.Size))
        {
            GoOn(new(page, 1), wanted, most, lastPage, ahead);
            return;
        }
        if (page == 0 || wanted > most || page - (ahead.PreviousPosition >> 12) is 0 or 1)
        {
            (ahead.Start, ahead.Size) = (page, FirstSize(wanted, most));
            ahead.AsyncSize = ahead.Size > wanted ? ahead.Size - wanted : ahead.Size >> 1;
            Fill(lastPage, ahead);
            return;
        }
        long run = RunBefore(page, most, out bool fromTheStart);
        if (run <= wanted)
        {
            Send(page, Math.Min(page + wanted - 1, lastPage));
            FillSingly(page, wanted, lastPage, mark: -1);
            return;
        }
        if (fromTheStart)
            run *= 2;
        (ahead.Start, ahead.Size, ahead.AsyncSize) = (page, (int)Math.Min(run + wanted, most), 1);
        Fill(lastPage, ahead);
    }

    /// <summary>Cached pages before one, as the kernel counts them: from inside a folio it goes to the folio's first page with one step, and so comes out too short by the pages between.</summary>
    /// <remarks>Linux mm/filemap.c: page_cache_prev_miss(), with lib/xarray.c: xas_prev().</remarks>
    private long RunBefore(long page, int most, out bool fromTheStart)
    {
        long slot = page - 1, missed = slot - Around(slot).First;
        slot -= missed;
        long scanned = 0;
        for (; slot >= 0 && scanned < most && IsPresent(slot); scanned++)
            slot--;
        fromTheStart = slot < 0 && missed == 0;
        return scanned;
    }

    private void GoOn(Folio folio, int wanted, int most, long lastPage, ReadAhead ahead)
    {
        long expected = ahead.Start + ahead.Size - ahead.AsyncSize;
        if (folio.Start == expected - expected % folio.Pages || (windowsFollow && folio.Start == ahead.Start + ahead.Size))
        {
            ahead.Start += ahead.Size;
            ahead.Size = Math.Max(ahead.Size, NextSize(ahead.Size, most));
        }
        else
        {
            long next = MissAfter(folio, most);
            if (next - folio.Start > most)
                return;
            ahead.Start = next;
            ahead.Size = NextSize((int)(next - folio.Start) + wanted, most);
        }
        ahead.Order = (firstOrder == 0 ? ahead.Order : BitOperations.Log2((uint)folio.Pages)) + 2;
        if (firstOrder == 0)
            EndNaturally(ahead, Math.Min(ahead.Order, BitOperations.TrailingZeroCount(most)));
        ahead.AsyncSize = ahead.Size;
        Fill(lastPage, ahead);
    }

    /// <summary>Ends a window where folios of an order can end, unless nothing would be left of it.</summary>
    private static void EndNaturally(ReadAhead ahead, int order)
    {
        long end = (ahead.Start + ahead.Size) >> order << order;
        if (end > ahead.Start)
            ahead.Size = (int)(end - ahead.Start);
    }

    /// <summary>The first page behind one folio's first that is not cached, as the kernel counts them: one step stays on a folio of several pages, so that it comes out one too far, up to the end of a node.</summary>
    /// <remarks>Linux mm/filemap.c: page_cache_next_miss(), with lib/xarray.c: xas_next(), __xas_next().</remarks>
    private long MissAfter(Folio folio, int most)
    {
        long next = folio.Start + 1, lag = folio.Pages is > 1 and < PageTree.NodePages ? 1 : 0, nodeEnd = (folio.Start | (PageTree.NodePages - 1)) + 1;
        while (next - folio.Start <= most && IsPresent(next - lag < nodeEnd ? next - lag : next))
            next++;
        return next;
    }

    private static int FirstSize(int wanted, int most)
    {
        int size = (int)BitOperations.RoundUpToPowerOf2((uint)wanted);
        return size <= most / 32 ? size * 4 : size <= most / 4 ? size * 2 : most;
    }

    private static int NextSize(int size, int most) => size < most / 16 ? size * 4 : size <= most / 2 ? size * 2 : most;

    /// <summary>Pages that requests are to be sent for now, from the first to behind the last.</summary>
    public List<(long Start, long End)> Requests => _requests;

    private void Send(long page, long limit)
    {
        for (long start = page; page <= limit + 1; page++)
        {
            if (page <= limit && !IsPresent(page))
                continue;
            if (page > start)
                _requests.Add((start, page));
            start = page + 1;
        }
    }

    /// <summary>Makes the folios of a window.</summary>
    private void Fill(long lastPage, ReadAhead ahead)
    {
        long limit = Math.Min(lastPage, ahead.Start + ahead.Size - 1), mark = ahead.Start + ahead.Size - ahead.AsyncSize, page = ahead.Start;
        Send(page, limit);
        ahead.Order = Math.Min(Math.Min(_largestOrder, ahead.Order), BitOperations.Log2((uint)ahead.Size));
        while (page <= limit)
        {
            int order = Math.Min(ahead.Order, page == 0 ? _largestOrder : BitOperations.TrailingZeroCount(page));
            while (order > 0 && page + (1L << order) > Math.Min(limit + 1, WholePages))
                order--;
            var folio = new Folio(page, 1 << order);
            if (!pages.TryAdd(folio))
            {
                FillSingly(page, (int)(limit + 1 - page), lastPage, mark);
                return;
            }
            if (page == mark >> order << order)
                _ = _marked.Add(page);
            page = folio.End;
        }
    }

    private void FillSingly(long page, int count, long lastPage, long mark)
    {
        for (long end = Math.Min(page + count, lastPage + 1); page < end; page++)
            if (pages.TryAdd(new(page, 1)) && page == mark)
                _ = _marked.Add(page);
    }

    /// <summary>The pages that lie in one folio with a page, from the first to behind the last.</summary>
    public (long First, long End) Around(long page) => pages.FolioOf(page) is { } folio ? (folio.Start, folio.End) : (page, page + 1);

    /// <summary>The folios that touch a range of pages are gone.</summary>
    public void Drop(long firstPage, long endPage) => pages.DropFolios(firstPage, endPage, _marked);

    /// <summary>No page has a folio any more.</summary>
    public void Clear()
    {
        pages.ClearFolios();
        _marked.Clear();
    }
}
