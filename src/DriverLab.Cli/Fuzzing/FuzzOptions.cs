using DriverLab.Conformance.Scenarios;

namespace DriverLab.Cli.Fuzzing;

/// <summary>What the user asked for.</summary>
internal sealed record FuzzOptions
{
    public required IReadOnlyList<string> Suites { get; init; }
    public required IReadOnlyList<string> Kernels { get; init; }

    /// <summary>True to compare the first kernel with the others instead of each with the emulator.</summary>
    public bool Between { get; init; }
    public required TimeSpan Time { get; init; }
    public required ulong Seed { get; init; }

    /// <summary>Operations of all programs there are, 1 to 3; 0 for programs by chance.</summary>
    public int Exhaustive { get; init; }

    /// <summary>True for scenarios with a few steps changed instead of programs by chance.</summary>
    public bool Varied { get; init; }

    public Shard Shard { get; init; } = Shard.Whole;

    /// <summary>The number of the first program.</summary>
    public long First { get; init; }

    /// <summary>Programs after which to stop; 0 for none.</summary>
    public long Programs { get; init; }

    /// <summary>Differences after which to stop.</summary>
    public int MostFindings { get; init; }

    /// <summary>Differences of one kind that are looked into.</summary>
    public int MostOfAKind { get; init; } = 2;
    public TimeSpan ShrinkTime { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>True to measure how long each verb takes.</summary>
    public bool MeasuresVerbs { get; init; }
    public required string Output { get; init; }
    public string? Data { get; init; }
}
