using System.Collections.Frozen;
using DriverLab.Conformance.Fuzzing;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Emulator;
using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.Conformance.Tests;

/// <summary>What aufs shows follows from what is on its branches.</summary>
public class AufsPropertyTests
{
    private static readonly KernelProfile s_profile = new("6.1-aufs", new(6, 1), new Dictionary<string, string> { ["CONFIG_AUFS_FS"] = "y", ["CONFIG_TMPFS_XATTR"] = "y", ["CONFIG_TMPFS_POSIX_ACL"] = "y" }.ToFrozenDictionary());

    private const string Look = "manifest /m noino nodirsize";

    // Pseudo-links are lost with the mount, and so is what was done behind it.
    private static readonly string[] s_left = ["link", "remount", "umount", "mount", "chroot", "bind"];

    /// <summary>A new mount of the branches shows the tree that the old one showed.</summary>
    [Test]
    public void A_new_mount_shows_the_same_tree([Values(2UL, 8UL, 125UL, 319UL)] ulong seed)
    {
        var generator = new ProgramGenerator("aufs", seed);
        int compared = 0;
        for (int number = 0; number < 150; number++)
        {
            var program = generator.Make(number);
            int at = program.Steps.ToList().FindIndex(static s => s.Text.Contains("aufs", StringComparison.Ordinal) && s.Verb.Name == "mount");
            // A full branch has no room for what a mount makes.
            if (LooksChange(program) || program.Steps.Take(at).Any(static s => s.Verb.Name == "link" || (s.Verb.Name == "mount" && s.Options.Count > 0)))
                continue;
            Step[] kept = [.. program.Steps.Take(at + 1), .. program.Steps.Skip(at + 1).Where(static s => !s_left.Contains(s.Verb.Name) && !s.Text.Contains(" /b", StringComparison.Ordinal))];
            var end = Texts.Scenario($"{Look}\nchdir /\numount /m lazy\n{program.Steps[at].Text}\n{Look}").Steps;
            Scenario Of(IEnumerable<Step> steps) => program with { Source = null!, Steps = [.. steps.Concat(end).Select(static (s, i) => s with { Number = i + 1 })] };
            var (before, after) = TwoManifests(Of(kept));
            if (before.Length > 1)
                compared++;
            if (!after.SequenceEqual(before) && !IsBroken(after))
                Fail(kept, program.Steps[at], Of);
        }
        Assert.That(compared, Is.GreaterThan(20), "too few trees to compare");
    }

    /// <summary>Names that are cached, through renames, pseudo-links and changes of branches, lead where a fresh look leads.</summary>
    [Test]
    public void What_is_cached_is_what_is_there([Values(2UL, 8UL, 125UL, 319UL)] ulong seed)
    {
        var generator = new ProgramGenerator("aufs", seed);
        int compared = 0;
        for (int number = 0; number < 150; number++)
        {
            var program = generator.Make(number);
            int at = program.Steps.ToList().FindIndex(static s => s.Text.Contains("aufs", StringComparison.Ordinal) && s.Verb.Name == "mount");
            if (LooksChange(program))
                continue;
            Step[] kept = [.. program.Steps.Take(at + 1), .. program.Steps.Skip(at + 1).Where(static s => s.Verb.Name is not ("chroot" or "bind" or "umount" or "mount") && !s.Text.Contains(" /b", StringComparison.Ordinal))];
            var end = Texts.Scenario($"{Look}\n{Look}").Steps;
            Scenario Of(IEnumerable<Step> steps) => program with { Source = null!, Steps = [.. steps.Concat(end).Select(static (s, i) => s with { Number = i + 1 })] };
            var (before, after) = TwoManifests(Of(kept));
            if (before.Length > 1)
                compared++;
            if (!after.SequenceEqual(before) && !IsBroken(after))
                Fail(kept, program.Steps[at], Of);
        }
        Assert.That(compared, Is.GreaterThan(20), "too few trees to compare");
    }

    // With these attributes of branches, opening something copies or moves it.
    private static bool LooksChange(Scenario program) => program.Steps.Any(static s => s.Text.Contains("coo_", StringComparison.Ordinal) || s.Text.Contains("+moo", StringComparison.Ordinal));

    /// <summary>Forgets all cached names of unions before the last step.</summary>
    private sealed class DroppingSink(EmulatedKernel kernel, int last) : ITraceSink
    {
        private readonly CollectingSink _collected = new();

        public ScenarioRun Result => _collected.Result!;

        public void Begin(string scenario) => _collected.Begin(scenario);

        public void Entering(int step)
        {
            if (step != last)
                return;
            foreach (var sb in kernel.Internals.Core.SuperBlocks.Where(static s => s.Type.Name == "aufs"))
                sb.Root.DropChildren();
        }

        public void Line(in TraceLine line) => _collected.Line(line);

        public void End(RunStatus status, string reason) => _collected.End(status, reason);
    }

    // A branch that was given a name beside its whiteout is broken: what is cached goes on, a fresh look is EIO.
    private static bool IsBroken(string[] manifest) => Array.Exists(manifest, static l => l.EndsWith("EIO at lstat", StringComparison.Ordinal));

    /// <summary>Takes out every step without which the trees still differ, and fails with what is left.</summary>
    private static void Fail(Step[] steps, Step mount, Func<IEnumerable<Step>, Scenario> of)
    {
        for (int i = steps.Length - 1; i >= 0; i--)
        {
            Step[] fewer = [.. steps[..i], .. steps[(i + 1)..]];
            var (less, still) = TwoManifests(of(fewer));
            if (fewer.Contains(mount) && !still.SequenceEqual(less))
                steps = fewer;
        }
        var (before, after) = TwoManifests(of(steps));
        Assert.That(after, Is.EqualTo(before), of(steps).Source);
    }

    private static (string[] Before, string[] After) TwoManifests(Scenario scenario)
    {
        using var kernel = new EmulatedKernel(s_profile, ModuleSet.Standard, new World(0));
        var sink = new DroppingSink(kernel, scenario.Steps.Count);
        using var runner = new ScenarioRunner(kernel);
        _ = runner.Run(scenario, sink); // the status is in the run
        var run = sink.Result;
        var manifests = run.Lines.Where(static l => l.Op == Look && !l.Step.Contains('.')).Select(l => Details(run, l.Step)).ToArray();
        return manifests.Length < 2 ? ([], []) : (manifests[^2], manifests[^1]);
    }

    private static string[] Details(ScenarioRun run, string step) => [.. run.Lines.Where(l => l.Step.StartsWith(step + ".", StringComparison.Ordinal)).Select(static l => $"{l.Op} {l.Outcome}")];
}
