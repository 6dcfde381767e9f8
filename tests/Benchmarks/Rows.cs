namespace DriverLab.Benchmarks;

/// <summary>One row of the table: an operation by name.</summary>
/// <param name="Name">What a reader sees.</param>
/// <param name="Bind">The operation of a subject as a delegate.</param>
internal sealed record Row(string Name, Func<Subject, Action> Bind)
{
    public static readonly Row[] All =
    [
        new("stat, 5 components", subject => subject.Stat),
        new("open + close", subject => subject.OpenClose),
        new("create + unlink", subject => subject.CreateUnlink),
        new("readdir, 1,000 entries", subject => subject.ReadDirectory),
        new("pread 4 KiB", subject => subject.ReadPage),
        new("pwrite 4 KiB", subject => subject.WritePage),
    ];
}

/// <summary>What was measured for one row: nanoseconds and bytes per operation on the emulator; nanoseconds on the host, or why there is no such number.</summary>
internal sealed record Measured(string Tree, string Name, double EmulatorNs, double EmulatorBytes, double? HostNs, string? WhyNoHost)
{
    /// <summary>How many times faster than the host's kernel the emulator is.</summary>
    public double? Ratio => HostNs / EmulatorNs;
}
