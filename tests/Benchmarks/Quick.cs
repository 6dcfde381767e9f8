namespace DriverLab.Benchmarks;

/// <summary>All rows by <see cref="QuickLoop"/>.</summary>
internal static class Quick
{
    public static List<Measured> Run()
    {
        var trees = new Trees();
        var measured = new List<Measured>();
        foreach (var (name, root) in Trees.All)
        {
            using var emulator = trees.OnEmulator(root);
            var (host, whyNot) = trees.OnHost(root);
            foreach (var row in Row.All)
            {
                Console.Error.WriteLine($"bench: {name}: {row.Name}");
                measured.Add(Measure(name, row.Name, row.Bind(emulator), host is null ? null : row.Bind(host), whyNot));
            }
        }
        measured.AddRange(OverlayRows.Measure());
        measured.AddRange(BioRow.MeasureQuickly());
        return measured;
    }

    /// <summary>One row; the two sides in turn where there are two.</summary>
    public static Measured Measure(string tree, string name, Action emulator, Action? host, string? whyNot)
    {
        if (host is null)
        {
            var (ns, bytes) = QuickLoop.Measure(emulator);
            return new(tree, name, ns, bytes, null, whyNot);
        }
        var (first, second) = QuickLoop.MeasureInTurn(emulator, host);
        return new(tree, name, first.Ns, first.Bytes, second.Ns, null);
    }
}
