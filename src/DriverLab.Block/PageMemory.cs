namespace DriverLab.Block;

/// <summary>Arrays of one page that are not in use, kept for the next one of this thread's kernels.</summary>
/// <remarks>Kernels that live for one short program would else have the collector clear and move pages for most of the time.</remarks>
public static class PageMemory
{
    private const int MostKept = 4096;

    [ThreadStatic]
    private static Stack<byte[]>? t_free;

    /// <summary>A page, with whatever is in it.</summary>
    public static byte[] Rent() => t_free is { } kept && kept.TryPop(out byte[]? free) ? free : GC.AllocateUninitializedArray<byte>(PageCache.PageBytes);

    /// <summary>Takes back a page that nobody uses any more.</summary>
    public static void Return(byte[] page)
    {
        var kept = t_free ??= new();
        if (page.Length == PageCache.PageBytes && kept.Count < MostKept)
            kept.Push(page);
    }
}
