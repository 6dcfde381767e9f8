using System.Numerics;

namespace DriverLab.Block;

/// <summary>One cached page, or a larger block: a bit for each eighth (of a page: each sector) that is valid and for each that must be written.</summary>
internal sealed class CachedPage
{
    /// <summary>What a page of zeros has for its data until somebody writes to it. Nobody writes to this array.</summary>
    private static readonly byte[] s_zeros = new byte[PageCache.PageBytes];

    private const int MostKept = 4096;

    [ThreadStatic]
    private static Stack<CachedPage>? t_freePages;

    private CachedPage() { }

    /// <summary>The content, to be read: of a page that was never written to it may be an array that many share.</summary>
    public byte[] Data { get; private set; } = s_zeros;

    /// <summary>Where it lies in the device, in pages or larger blocks.</summary>
    public long Index { get; private set; }

    public byte Valid, Dirty;
    public bool IsListed;
    public int ReadsInFlight;

    /// <summary>A page of which nothing is valid.</summary>
    /// <param name="index">Where it lies.</param>
    /// <param name="bytes">Its size.</param>
    public static CachedPage Rent(long index, int bytes)
    {
        var page = t_freePages is { } kept && kept.TryPop(out var free) ? free : new();
        (page.Index, page.Valid, page.Dirty, page.IsListed) = (index, 0, 0, false);
        if (bytes != PageCache.PageBytes)
            page.Data = new byte[bytes];
        return page;
    }

    /// <summary>The content, to be written to.</summary>
    public byte[] Own()
    {
        if (Data != s_zeros)
            return Data;
        Data = PageMemory.Rent();
        if (Valid != 0)
            Data.AsSpan().Clear();
        return Data;
    }

    /// <summary>Takes content that a device gave; the whole page is valid then.</summary>
    public void Fill(ReadOnlySpan<byte> content)
    {
        if (Data != s_zeros || !Zeros.Only(content))
            content.CopyTo(Own());
        Valid = 0xFF;
    }

    /// <summary>Gives back a page that nobody uses any more, for the next one of this thread's kernels.</summary>
    public void Return()
    {
        if (Data != s_zeros)
            PageMemory.Return(Data);
        Data = s_zeros;
        var kept = t_freePages ??= new();
        if (kept.Count < MostKept)
            kept.Push(this);
    }
}

/// <summary>The cached pages of a device by their number, and the folios that they lie in, in nodes of 64 as in the kernel's tree. A page may have a folio before it is there itself.</summary>
/// <remarks>Linux lib/xarray.c.</remarks>
internal sealed class PageTree
{
    /// <summary>Slots of a node.</summary>
    public const int NodePages = 64;

    private const int Shift = 6, Mask = NodePages - 1, MostKept = 256;

    [ThreadStatic]
    private static Stack<Node>? t_free;

    private readonly Dictionary<long, Node> _nodes = [];
    private Node? _last;

    /// <summary>The pages of one range.</summary>
    internal sealed class Node
    {
        public readonly CachedPage?[] Pages = new CachedPage?[NodePages];
        /// <summary>One more than the order of the folio; zero is none.</summary>
        public readonly byte[] Folios = new byte[NodePages];
        public long Number;
    }

    /// <summary>Number of pages.</summary>
    public int Count { get; private set; }

    /// <summary>The pages, in no order. One of them may be removed while they are listed.</summary>
    public PageList Pages => new(_nodes);

    /// <summary>Lists pages without allocating.</summary>
    public struct PageList
    {
        private Dictionary<long, Node>.ValueCollection.Enumerator _nodes;
        private Node? _node;
        private int _next;

        internal PageList(Dictionary<long, Node> nodes) => _nodes = nodes.Values.GetEnumerator();

        /// <summary>The page.</summary>
        public CachedPage Current { get; private set; } = null!;

        /// <summary>The list itself.</summary>
        public readonly PageList GetEnumerator() => this;

        /// <summary>Goes to the next page.</summary>
        public bool MoveNext()
        {
            while (true)
            {
                for (; _node is { } node && _next < NodePages; _next++)
                {
                    if (node.Pages[_next] is not { } page)
                        continue;
                    Current = page;
                    _next++;
                    return true;
                }
                if (!_nodes.MoveNext())
                    return false;
                (_node, _next) = (_nodes.Current, 0);
            }
        }
    }

    /// <summary>A page, which is made if it is not there.</summary>
    public CachedPage Get(long index, int bytes)
    {
        ref var slot = ref Make(index >> Shift).Pages[index & Mask];
        if (slot is null)
        {
            slot = CachedPage.Rent(index, bytes);
            Count++;
        }
        return slot;
    }

    /// <summary>Takes a page out.</summary>
    public void Remove(long index)
    {
        if (At(index >> Shift) is not { } node || node.Pages[index & Mask] is null)
            return;
        node.Pages[index & Mask] = null;
        Count--;
    }

    /// <summary>The folio of a page, or null.</summary>
    public Folio? FolioOf(long page) => At(page >> Shift) is { } node && node.Folios[page & Mask] is > 0 and var order ? Aligned(page, order - 1) : null;

    /// <summary>True when a page is there, or at least its folio.</summary>
    public bool IsPresent(long page) => At(page >> Shift) is { } node && (node.Pages[page & Mask] is not null || node.Folios[page & Mask] != 0);

    /// <summary>Notes a folio, unless a page of it is there or has one.</summary>
    public bool TryAdd(Folio folio)
    {
        // It is aligned to its size: it lies in one node, or fills several.
        int each = Math.Min(folio.Pages, NodePages), slot = (int)(folio.Start & Mask);
        for (long page = folio.Start; page < folio.End; page += each)
            if (At(page >> Shift) is { } node && (node.Folios.AsSpan(slot, each).ContainsAnyExcept((byte)0) || HasAny(node.Pages.AsSpan(slot, each))))
                return false;
        byte order = (byte)(BitOperations.Log2((uint)folio.Pages) + 1);
        for (long page = folio.Start; page < folio.End; page += each)
            Make(page >> Shift).Folios.AsSpan(slot, each).Fill(order);
        return true;
    }

    private static bool HasAny(ReadOnlySpan<CachedPage?> pages)
    {
        foreach (var page in pages)
            if (page is not null)
                return true;
        return false;
    }

    /// <summary>Forgets all folios.</summary>
    public void ClearFolios()
    {
        foreach (var node in _nodes.Values)
            node.Folios.AsSpan().Clear();
    }

    /// <summary>Forgets the folios that touch a range of pages.</summary>
    /// <param name="firstPage">The first.</param>
    /// <param name="endPage">The one behind the last.</param>
    /// <param name="marked">The first pages of some of them, which are taken out too.</param>
    public void DropFolios(long firstPage, long endPage, HashSet<long> marked)
    {
        foreach (var node in _nodes.Values)
        {
            for (int i = 0; i < NodePages; i++)
            {
                if (node.Folios[i] == 0 || Aligned((node.Number << Shift) + i, node.Folios[i] - 1) is var folio && (folio.End <= firstPage || folio.Start >= endPage))
                    continue;
                node.Folios[i] = 0;
                _ = marked.Remove(folio.Start);
            }
        }
    }

    /// <summary>Takes all pages and folios out.</summary>
    public void Clear()
    {
        var kept = t_free ??= new();
        foreach (var node in _nodes.Values)
        {
            if (kept.Count >= MostKept)
                break;
            node.Pages.AsSpan().Clear();
            node.Folios.AsSpan().Clear();
            kept.Push(node);
        }
        _nodes.Clear();
        _last = null;
        Count = 0;
    }

    private static Folio Aligned(long page, int order) => new(page >> order << order, 1 << order);

    private Node? At(long number)
    {
        if (_last is { } last && last.Number == number)
            return last;
        if (_nodes.Count == 0 || !_nodes.TryGetValue(number, out var node))
            return null;
        return _last = node;
    }

    private Node Make(long number)
    {
        if (At(number) is { } there)
            return there;
        var node = t_free is { } kept && kept.TryPop(out var free) ? free : new();
        node.Number = number;
        _nodes.Add(number, node);
        return _last = node;
    }
}
