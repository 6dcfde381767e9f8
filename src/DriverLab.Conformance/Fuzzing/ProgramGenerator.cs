using System.Globalization;
using DriverLab.Conformance.Scenarios;
using DriverLab.Simulation;

namespace DriverLab.Conformance.Fuzzing;

/// <summary>
/// Writes programs: ordinary scenarios, mostly valid, for one or several actors. Seed, suite and a program's number decide it alone, so that a run can be sharded, resumed and repeated.
/// </summary>
/// <param name="suite">One of <see cref="Suites"/>.</param>
/// <param name="seed">The seed.</param>
public sealed class ProgramGenerator(string suite, ulong seed) : IProgramSource
{
    private static readonly Dictionary<string, (string[] Needs, Action<Draw, ProgramWriter, int> Write)> s_families = new()
    {
        ["aufs"] = (["aufs", "tmpfs"], static (draw, writer, steps) => new AufsProgram(draw, writer).Write(steps)),
        ["block"] = (["loop", "tmpfs"], static (draw, writer, steps) => new BlockProgram(draw, writer).Write(steps)),
        ["dm"] = (["dm", "dm-flakey", "dm-snapshot", "loop", "tmpfs"], static (draw, writer, steps) =>
        {
            if (draw.Chance(25))
                new SnapshotProgram(draw, writer).Write(steps);
            else
                new DmProgram(draw, writer).Write(steps);
        }),
        ["drivers"] = (["overlay", "tmpfs"], static (draw, writer, steps) => new DriverProgram(draw, writer).Write(steps)),
        ["overlay"] = (["overlay", "tmpfs"], static (draw, writer, steps) => new OverlayProgram(draw, writer).Write(steps)),
        ["thin"] = (["dm-thin-pool", "dm-flakey", "loop", "tmpfs"], static (draw, writer, steps) => new ThinProgram(draw, writer).Write(steps)),
        ["vfs"] = (["tmpfs"], static (draw, writer, steps) => new VfsProgram(draw, writer).Write(steps)),
        ["waits"] = (["overlay", "tmpfs"], static (draw, writer, steps) => new WaitProgram(draw, writer).Write(steps)),
    };

    private readonly ProgramWriter _writer = new();

    /// <summary>The suites that programs can be made for.</summary>
    public static IReadOnlyList<string> Suites { get; } = [.. s_families.Keys];

    /// <inheritdoc/>
    public string Suite { get; } = s_families.ContainsKey(suite) ? suite : throw new ArgumentOutOfRangeException(nameof(suite), suite, "no generator");

    /// <inheritdoc/>
    public long Count => long.MaxValue;

    /// <inheritdoc/>
    public Scenario Make(long number)
    {
        var draw = new Draw(Prng.FromSeed(seed, string.Create(CultureInfo.InvariantCulture, $"{suite}/{number}")));
        var (needs, write) = s_families[suite];
        write(draw, _writer, 20 + draw.Next(draw.Chance(30) ? 300 : 80));
        string home = suite == "waits" ? "overlay" : suite;
        string name = string.Create(CultureInfo.InvariantCulture, $"{home}/fuzz/{seed:x}-{number}");
        return new()
        {
            Name = name,
            File = name + ScenarioStore.Extension,
            Suite = home,
            Description = string.Create(CultureInfo.InvariantCulture, $"Program {number} of seed 0x{seed:x}."),
            Needs = needs,
            Kernels = KernelRange.All,
            Gap = null,
            Times = false,
            Steps = _writer.Take(),
        };
    }
}
