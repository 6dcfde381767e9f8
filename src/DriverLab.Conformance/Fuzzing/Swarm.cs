namespace DriverLab.Conformance.Fuzzing;

/// <summary>An operation that a generator can write.</summary>
/// <param name="Name">Its name, unique in its family.</param>
/// <param name="Weight">How often it comes when nothing is skewed.</param>
/// <param name="Write">Writes it.</param>
internal sealed record Operation<T>(string Name, int Weight, Action<T> Write);

/// <summary>
/// The operations of one program: some are switched off, the others are skewed. A program that does little else than rename and link finds what a program that does everything
/// alike never reaches.
/// </summary>
/// <remarks>Groce et al., "Swarm Testing", ISSTA 2012.</remarks>
internal sealed class Swarm<T>
{
    private const int OffPercent = 35, MostShift = 4;

    private readonly Operation<T>[] _on;
    private readonly int[] _ends;

    public Swarm(Draw draw, IReadOnlyList<Operation<T>> all)
    {
        bool everything = draw.Chance(10);
        _on = [.. all.Where(_ => everything || !draw.Chance(OffPercent))];
        if (_on.Length == 0)
            _on = [.. all];
        _ends = new int[_on.Length];
        int sum = 0;
        for (int i = 0; i < _on.Length; i++)
            _ends[i] = sum += everything ? _on[i].Weight : _on[i].Weight << draw.Next(MostShift);
    }

    /// <summary>The next operation.</summary>
    public Operation<T> Next(Draw draw)
    {
        int at = Array.BinarySearch(_ends, draw.Next(_ends[^1]) + 1);
        return _on[at < 0 ? ~at : at];
    }
}
