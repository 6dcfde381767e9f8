using DriverLab.Emulator;
using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.Cli.Mutating;

/// <summary>A fault to put into the emulator: one with a name, or one drawn from its code.</summary>
/// <param name="Name">The name, or where it is and what it does.</param>
/// <param name="Suite">The suite to look at first; empty when nothing is known.</param>
/// <param name="Drawn">The place in the code; null for one with a name.</param>
/// <param name="Named">The name; null for one that was drawn.</param>
internal sealed record Fault(string Name, string Suite, DrawnFault? Drawn, Mutation? Named)
{
    /// <summary>What the drawn ones are shared out to, each as many.</summary>
    public static readonly string[] Rooms = ["aufs", "block", "dm", "overlay", "thin", "vfs"];

    /// <summary>Loads an emulator that has the fault.</summary>
    public Func<KernelProfile, IKernel> Load()
    {
        if (Drawn is { } drawn)
            return new FaultyEmulator(drawn, throws: false).Boot;
        var set = new MutationSet(Named!.Value);
        return profile => new EmulatedKernel(profile, ModuleSet.Standard, new World(0, set));
    }

    /// <summary>Loads an emulator that throws where the fault's method begins, to see whether it is entered; null where that cannot be told.</summary>
    public Func<KernelProfile, IKernel>? LoadThrowing() => Drawn is { EntryBytes.Length: > 0 } drawn ? new FaultyEmulator(drawn, throws: true).Boot : null;

    /// <summary>All faults with names.</summary>
    public static IReadOnlyList<Fault> AllNamed() => [.. Enum.GetValues<Mutation>().Select(static m => new Fault(m.ToString(), "", null, m))];

    /// <summary>Every place of the emulator's code where a fault can be put.</summary>
    /// <param name="kernels">The versions of the recorded kernels.</param>
    public static IReadOnlyList<DrawnFault> Places(IReadOnlyCollection<KernelVersion> kernels) =>
        [.. FaultyEmulator.OwnAssemblies.SelectMany(a => FaultSites.Of(FaultyEmulator.FileOf(a), SuiteOf, kernels))];

    /// <summary>The fault at a place.</summary>
    public static Fault At(DrawnFault place) => new(place.ToString(), place.Suite, place, null);

    /// <summary>Draws faults, no two of one line; the same seed gives the same ones, but for those whose own method has changed.</summary>
    /// <param name="places">Where they may be.</param>
    /// <param name="count">How many; fewer when there are no more.</param>
    /// <param name="seed">The seed.</param>
    public static IReadOnlyList<Fault> Draw(IEnumerable<DrawnFault> places, int count, ulong seed)
    {
        var all = places.ToLookup(static f => f.Suite);
        var drawn = new List<Fault>();
        for (int room = 0; room < Rooms.Length; room++)
        {
            int wanted = (count / Rooms.Length) + (room < count % Rooms.Length ? 1 : 0);
            // Each place has a number of its own to be drawn by: code that changes elsewhere does not shift it.
            var inOrder = all[Rooms[room]].OrderBy(f => Prng.FromSeed(seed, f.Key).Next()).ThenBy(static f => f.Key, StringComparer.Ordinal);
            drawn.AddRange(inOrder.DistinctBy(static f => f.Source).Take(wanted).Select(At));
        }
        return drawn;
    }

    /// <summary>The suite that a source file's code belongs to; empty for what is no part of a kernel.</summary>
    private static string SuiteOf(string path) => Array.Find(s_suites, s => path.StartsWith(s.Folder, StringComparison.Ordinal)).Suite ?? "";

    /// <summary>Folders and their suites; the first that fits counts.</summary>
    private static readonly (string Folder, string Suite)[] s_suites =
    [
        ("src/DriverLab.FileSystems/Overlay/Explanation", ""), ("src/DriverLab.FileSystems/Aufs/Explanation", ""),
        ("src/DriverLab.Block/Crash/", ""), ("src/DriverLab.Block/Faults/", ""), ("src/DriverLab.Block/Devices/FileDisk", ""), ("src/DriverLab.Block/Devices/FilterDisk", ""),
        ("src/DriverLab.DeviceMapper/Targets/LogWrites/LogWritesFile", ""),
        ("src/DriverLab.FileSystems/Overlay/", "overlay"), ("src/DriverLab.FileSystems/Aufs/", "aufs"),
        ("src/DriverLab.DeviceMapper/PersistentData/", "thin"), ("src/DriverLab.DeviceMapper/Targets/Thin/", "thin"), ("src/DriverLab.DeviceMapper/", "dm"),
        ("src/DriverLab.Block/", "block"), ("src/DriverLab.Vfs/", "vfs"), ("src/DriverLab.FileSystems/", "vfs"), ("src/DriverLab.Emulator/", "vfs"),
    ];
}
