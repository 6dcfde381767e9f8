using DriverLab.Conformance.Scenarios;

namespace DriverLab.Cli.Fuzzing;

/// <summary>Which scenarios are varied where a real kernel runs the variations.</summary>
internal static class VariationBounds
{
    /// <summary>
    /// True when variations of a scenario can be run by the thousand on a real kernel: not what is slow; nor what shows the log, where a kernel leaves out what it said a moment ago; nor how much
    /// room there is, which is the machine's where a variation takes the size away that the scenario gives; nor what opens random bytes or a list of all mounts, of which a variation reads more.
    /// </summary>
    public static bool IsForMany(Scenario scenario) => !scenario.Slow && !scenario.Steps.Any(static s =>
        s.Verb.Name == "kmsg" || (s.Verb.Name == "statfs" && s.Options.Any(static o => o.Key == "space")) || (s.Verb.Name == "open" && IsOtherEverywhere(s.Arguments[0].Source)));

    private static bool IsOtherEverywhere(string path) => path.EndsWith("/mounts", StringComparison.Ordinal) || path.EndsWith("/mountinfo", StringComparison.Ordinal) || path.EndsWith("random", StringComparison.Ordinal);

    /// <summary>
    /// True when variations of a scenario cannot touch what is this machine's: they know no names of devices, of processes or of the kernel's settings, make no nodes of devices, whose numbers could
    /// become those of a disk, and do not leave their root.
    /// </summary>
    public static bool IsForHost(Scenario scenario) => scenario.Needs.All(static n => n is "overlay" or "tmpfs") && scenario.Steps.All(static s =>
        s.Verb.Name is not ("chroot" or "pivot_root") && !s.Verb.Name.StartsWith("loop ", StringComparison.Ordinal)
        && s.Arguments.Concat(s.Options.Select(static o => o.Value).OfType<Word>()).All(static w => !IsOfMachine(w.Source)));

    private static bool IsOfMachine(string word) => word is "blk" or "chr" or "proc" or "sysfs" or "devtmpfs" or "devpts" || word.Contains("..", StringComparison.Ordinal)
        || word.Contains("/dev", StringComparison.Ordinal) || word.Contains("/proc", StringComparison.Ordinal) || word.Contains("/sys", StringComparison.Ordinal);
}
