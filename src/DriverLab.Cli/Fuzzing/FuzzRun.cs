using System.Diagnostics;
using DriverLab.Cli.Output;
using DriverLab.Cli.Targets;
using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Fuzzing;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Conformance.Shrinking;
using DriverLab.Linux;
using DriverLab.Rig;

namespace DriverLab.Cli.Fuzzing;

/// <summary>One run of <c>driverlab fuzz</c>: programs on the emulator and on real kernels (or on several real kernels) until the time is over; what differs is made small and filed.</summary>
internal sealed class FuzzRun(FuzzOptions options, Progress progress) : IAsyncDisposable
{
    private readonly List<(IFuzzSide Reference, IFuzzSide Real)> _pairs = [];
    private readonly Dictionary<Signature, int> _seen = [];
    private readonly Dictionary<string, int> _gaps = [];
    private readonly FuzzProfile _profile = new();
    private LoneEmulator? _alone;
    private readonly Comparer _comparer = DataFolder.Find(options.Data).Comparer();
    private readonly Ledger _ledger = DataFolder.Find(options.Data).Ledger();

    private const int Repeats = 8;

    public List<Finding> Findings { get; } = [];

    /// <summary>How many findings the kernel itself does not repeat.</summary>
    public int Races => Findings.Count(static f => f.IsRace);

    /// <summary>How many findings are differences: the kernel repeats what it says.</summary>
    public int Differences => Findings.Count - Races;

    public long Operations { get; private set; }

    public long Programs { get; private set; }

    /// <summary>Programs that ended before a call that would hang.</summary>
    public long Hangs { get; private set; }

    /// <summary>Programs that differed beside others only, and not alone.</summary>
    public long Beside { get; private set; }

    /// <summary>The number of the first program that was not run: where another run goes on.</summary>
    public long Next { get; private set; }

    /// <summary>True when there are no more programs.</summary>
    public bool IsComplete { get; private set; }

    public IReadOnlyDictionary<string, int> Gaps => _gaps;

    public FuzzProfile Profile => _profile;

    public async Task RunAsync(CancellationToken cancellation)
    {
        await OpenAsync(cancellation);
        var sources = Sources();
        string what = options.Exhaustive > 0 ? $"all {sources.Sum(static s => s.Count)} programs of {options.Exhaustive} operations, shard {options.Shard}" : $"{(options.Varied ? "scenarios varied, " : "")}seed 0x{options.Seed:x}";
        progress.Report($"driverlab {ConformRun.Version()}: suites {string.Join(", ", options.Suites)}, {what}, {Sides()}");
        // A machine starts with its first program: that is not part of the run's time.
        foreach (var (_, real) in _pairs)
            _ = await real.RunAsync([sources[0].Make(0)], cancellation);
        var watch = Stopwatch.StartNew();
        int size = _alone?.Side.Batch ?? _pairs.Min(static p => p.Real.Batch);
        Next = options.First;
        // The emulator is one batch ahead: it works while the real kernels do.
        for (var ahead = PrepareAsync(sources, Next, size, cancellation); ;)
        {
            var batch = await ahead;
            IsComplete = batch.Programs.Count == 0;
            if (IsComplete)
                break;
            ahead = PrepareAsync(sources, batch.Next, size, cancellation);
            await RunBatchAsync(batch, cancellation);
            progress.Count($"{Programs} programs, {Operations} operations, {Differences} differences, {Races} races");
            if (Findings.Count >= options.MostFindings)
            {
                progress.Report($"{Findings.Count} differences are enough for one run (--most)");
                break;
            }
            cancellation.ThrowIfCancellationRequested();
            if (watch.Elapsed >= options.Time || (options.Programs > 0 && Programs >= options.Programs))
                break;
        }
    }

    /// <summary>Prints programs in place of running them.</summary>
    public async Task ListAsync(TextWriter output, CancellationToken cancellation)
    {
        await OpenAsync(cancellation);
        foreach (var program in Make(Sources(), options.First, (int)Math.Clamp(options.Programs, 1, int.MaxValue), options.Shard).Programs)
            await output.WriteLineAsync(program.Source);
    }

    private IProgramSource[] Sources()
    {
        if (options.Exhaustive > 0)
            return [.. options.Suites.Select(s => new ExhaustivePrograms(s, options.Exhaustive))];
        if (!options.Varied)
            return [.. options.Suites.Select(s => new ProgramGenerator(s, options.Seed))];
        KernelProfile[] kernels = _alone is not null ? [_alone.Side.Profile] : [.. _pairs.SelectMany(static p => (KernelProfile[])[p.Reference.Profile, p.Real.Profile])];
        var scenarios = DataFolder.Find(options.Data).Load([], []).Where(s => s.Gap is null && kernels.All(k => s.Kernels.Contains(k.Version))
            && (_alone is not null || VariationBounds.IsForMany(s)) && (!options.Kernels.Contains("host") || VariationBounds.IsForHost(s))).ToArray();
        return [.. options.Suites.Select(s => new VariedScenarios(s, scenarios.Where(one => VariedScenarios.IsOf(one, s)).ToArray() is { Length: > 0 } bases ? bases
            : throw new UsageException($"suite '{s}' has no scenario that can be varied on {string.Join(", ", options.Kernels.DefaultIfEmpty("the emulator"))}; expected another suite, or no --kernel: the emulator varies all (src/DriverLab.Conformance/README.md says what is left out)"),
            scenarios, options.Seed))];
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var side in _pairs.SelectMany(static p => (IFuzzSide[])[p.Reference, p.Real]).Distinct())
            await side.DisposeAsync();
    }

    private string Sides() => string.Join("; ", _pairs.Select(static p => $"{p.Reference.Name} against {p.Real.Name} ({p.Real.Profile.Name})"));

    /// <summary>Opens the kernel that the user named; a profile takes the time of each call where the kernel is in this process.</summary>
    public static async Task<IFuzzSide> OpenAsync(string name, IProgress<string> progress, CancellationToken cancellation, FuzzProfile? profile = null) => name switch
    {
        "host" => new HostSide(profile?.VerbsOf(name)),
        "emulated" => Emulated(Profiles.Of("6.12"), profile),
        _ when name.StartsWith("emulated:", StringComparison.Ordinal) => Emulated(Profiles.Of(name["emulated:".Length..]), profile),
        _ => new MachineSide(await MachineTarget.CreateAsync(RealKernels.OfUser(), name, progress, cancellation, fewMessages: true)),
    };

    private static EmulatedSide Emulated(KernelProfile kernel, FuzzProfile? profile, int lanes = 1) => new(kernel, times: profile?.VerbsOf($"emulator of {kernel.Version.Line}"), lanes: lanes);

    private async Task OpenAsync(CancellationToken cancellation)
    {
        var real = new List<IFuzzSide>();
        var profile = options.MeasuresVerbs ? _profile : null;
        foreach (string name in options.Kernels)
            real.Add(await OpenAsync(name, progress, cancellation, profile));
        if (real.Count == 0)
            _alone = new(Emulated(Profiles.ForSuite(options.Suites.Contains("aufs") ? "aufs" : options.Suites[0]), profile, Environment.ProcessorCount), _ledger);
        if (options.Between && real.Count < 2)
            throw new UsageException($"--between compares kernels with each other and needs two or more, and there is '{string.Join(' ', options.Kernels)}'; name another with --kernel");
        foreach (var side in options.Between ? real.Skip(1) : real)
            _pairs.Add((options.Between ? real[0] : Emulated(side.Profile, profile), side));
    }

    /// <summary>Programs with what the emulated sides make of them.</summary>
    /// <param name="Programs">The programs.</param>
    /// <param name="Traces">By side, in the order of the programs.</param>
    /// <param name="Hangs">Programs that end before a call that would hang.</param>
    /// <param name="Next">The number of the program behind the last one.</param>
    private sealed record Batch(List<Scenario> Programs, Dictionary<IFuzzSide, StepTrace[]> Traces, int Hangs, long Next);

    /// <summary>The next programs of this shard; fewer, or none, at the end of what there is.</summary>
    private static (List<Scenario> Programs, long Next) Make(IProgramSource[] sources, long first, int count, Shard shard)
    {
        long all = sources.Max(static s => s.Count) is var most && most < long.MaxValue ? most * sources.Length : long.MaxValue;
        var programs = new List<Scenario>(count);
        long next = first;
        for (; programs.Count < count && next < all; next++)
        {
            // A number is one of a suite's: suites take turns. Random programs have the number itself, so that it repeats them.
            var source = sources[next % sources.Length];
            long number = source.Count == long.MaxValue ? next : next / sources.Length;
            if (number < source.Count && next % shard.Count == shard.Index - 1)
                programs.Add(source.Make(number));
        }
        return (programs, next);
    }

    /// <summary>
    /// Makes programs and runs them on the emulated sides. A call that hangs costs a real kernel a minute and its machine: where the emulator says that one would, the program ends before it.
    /// Such calls are told in the end, to be tried by hand.
    /// </summary>
    private Task<Batch> PrepareAsync(IProgramSource[] sources, long first, int count, CancellationToken cancellation) => Task.Run(async () =>
    {
        var (programs, next) = _profile.Measure("generate", () => Make(sources, first, count, options.Shard));
        EmulatedSide[] sides = [.. _pairs.Select(static p => p.Reference).OfType<EmulatedSide>().Distinct()];
        var traces = new Dictionary<IFuzzSide, StepTrace[]>();
        foreach (var side in sides)
            traces[side] = [.. await _profile.MeasureAsync(side.Name, side.RunAsync(programs, cancellation))];
        int hangs = 0;
        for (int i = 0; i < programs.Count && _pairs.Count > 0; i++)
        {
            int hang = traces.Values.Select(t => t[i].Outcomes.TakeWhile(static outcome => outcome != TraceLine.HangPrefix).Count()).DefaultIfEmpty(int.MaxValue).Min();
            if (traces.Values.All(t => hang >= t[i].Outcomes.Count))
                continue;
            hangs++;
            programs[i] = programs[i] with { Steps = [.. programs[i].Steps.Take(hang)] };
            foreach (var side in sides)
                traces[side][i] = side.Run(programs[i], cancellation);
        }
        return new Batch(programs, traces, hangs, next);
    }, cancellation);

    private async Task RunBatchAsync(Batch batch, CancellationToken cancellation)
    {
        var programs = batch.Programs;
        // A side that stands in two pairs runs once.
        var runs = _pairs.SelectMany(static p => (IFuzzSide[])[p.Reference, p.Real]).Distinct().Where(s => !batch.Traces.ContainsKey(s))
            .ToDictionary(static s => s, s => _profile.MeasureAsync(s.Name, s.RunAsync(programs, cancellation)));
        _ = await Task.WhenAll(runs.Values);
        (Programs, Operations, Hangs, Next) = (Programs + programs.Count, Operations + programs.Sum(static p => p.Steps.Count), Hangs + batch.Hangs, batch.Next);
        if (_alone is not null)
            await LookAtAsync(_alone, programs, cancellation);
        foreach (var (reference, real) in _pairs)
        {
            var (ours, theirs) = (batch.Traces.GetValueOrDefault(reference) ?? await runs[reference], await runs[real]);
            for (int i = 0; i < programs.Count; i++)
            {
                if (!ours[i].IsSame(theirs[i]))
                    await DifferentAsync(programs[i], reference, real, ours[i], theirs[i], cancellation);
            }
        }
    }

    /// <summary>What the emulator alone can show: gaps, and answers that no kernel gives.</summary>
    private async Task LookAtAsync(LoneEmulator alone, IReadOnlyList<Scenario> programs, CancellationToken cancellation)
    {
        var traces = await _profile.MeasureAsync(alone.Side.Name, alone.Side.RunAsync(programs, cancellation));
        for (int i = 0; i < programs.Count; i++)
        {
            Hangs += LoneEmulator.Hangs(traces[i]) ? 1 : 0;
            foreach (string gap in LoneEmulator.Gaps(traces[i]))
                _gaps[gap] = _gaps.GetValueOrDefault(gap) + 1;
            if (LoneEmulator.DefectOf(programs[i], traces[i]) is not { } defect || !IsWanted(Signature.Of(programs[i], defect)))
                continue;
            var finding = await _profile.MeasureAsync("shrink", alone.ShrinkAsync(programs[i], options.ShrinkTime, cancellation))
                ?? new(programs[i], defect, Signature.Of(programs[i], defect), $"Seen once, not again: the emulator said '{defect.Emulator}' at step {defect.Step}, '{defect.Call}'.", 0);
            File(finding);
        }
    }

    /// <summary>True while there are few of a kind.</summary>
    private bool IsWanted(Signature signature)
    {
        int before = _seen.GetValueOrDefault(signature);
        _seen[signature] = before + 1;
        return before < options.MostOfAKind;
    }

    private void File(Finding finding)
    {
        if (Findings.Exists(f => f.IsLike(finding)))
            return;
        Findings.Add(finding);
        string file = finding.Save(options.Output, Findings.Count);
        progress.Report($"difference {Findings.Count}, {finding.Scenario.Steps.Count} steps after {finding.Tried} tries: {file}\n{finding.Scenario.Source}{finding.Text}");
    }

    private async Task DifferentAsync(Scenario program, IFuzzSide reference, IFuzzSide real, StepTrace ours, StepTrace theirs, CancellationToken cancellation)
    {
        if (real.RunsBeside && ours.IsSame(theirs = (await real.RunAsync([program], cancellation))[0]))
        {
            Beside++;
            return;
        }
        var comparison = _profile.Measure("compare", () => _comparer.Compare(program, real.Name, ours.ToRun(program), theirs.ToRun(program)));
        if (comparison.Verdict == Verdict.Gap)
            _gaps[comparison.Reason.Split(" (step ")[0]] = _gaps.GetValueOrDefault(comparison.Reason.Split(" (step ")[0]) + 1;
        if (comparison.Divergences.FirstOrDefault(static d => d.Listed is null) is not { } first)
            return;
        var signature = Signature.Of(program, first);
        if (!IsWanted(signature))
            return;
        progress.Report($"{program.Name} step {first.Step} of {program.Steps.Count} on {real.Name}: {signature}");
        var small = await _profile.MeasureAsync("shrink", ShrinkAsync(program, reference, real, cancellation));
        await real.RenewAsync();
        if (small is not { } finding)
        {
            string sides = $"at step {first.Step}, '{first.Call}' {first.Detail}: {real.Name} said '{first.Real}', the {reference.Name} '{first.Emulator}'";
            if (real.RunsBeside || options.Varied)
            {
                Beside++; // another program, or something else on this machine, changed what is there for all
                progress.Report($"{program.Name}: not seen again when run alone; seed 0x{options.Seed:x}; {sides}");
                return;
            }
            progress.Report($"{program.Name}: not seen again when run alone; seed 0x{options.Seed:x}, kept as it is; {sides}");
            finding = new(program, first, signature, $"Seen once, not again when run alone (state from another program, or a race): {sides}", 0);
        }
        if (!Findings.Exists(f => f.IsLike(finding)))
            File(await AskAgainAsync(finding, reference, real, cancellation));
    }

    /// <summary>
    /// A real kernel that answers one program now this way, now that way, has a race, and nobody can be equal to it. Where the other side gives none of its answers, that is a difference all the same.
    /// </summary>
    private async Task<Finding> AskAgainAsync(Finding finding, IFuzzSide reference, IFuzzSide real, CancellationToken cancellation)
    {
        var traces = await real.RunAsync([.. Enumerable.Repeat(finding.Scenario, Repeats)], cancellation);
        int same = traces.Count(trace => trace.IsSame(traces[0]));
        if (same == Repeats)
            return finding;
        var ours = (await reference.RunAsync([finding.Scenario], cancellation))[0].ToRun(finding.Scenario);
        int agree = traces.Count(t => _comparer.Compare(finding.Scenario, real.Name, ours, t.ToRun(finding.Scenario)).Divergences.All(static d => d.Listed is not null));
        string varies = $"of {Repeats} runs of this program on {real.Name} {same} give one answer and {Repeats - same} others, {agree} that of the {reference.Name}";
        return finding with { IsRace = agree > 0, Text = $"{(agree > 0 ? "A race: " : "A difference, and a race: ")}{varies}. {finding.Text}" };
    }

    private async Task<Finding?> ShrinkAsync(Scenario program, IFuzzSide reference, IFuzzSide real, CancellationToken cancellation)
    {
        var others = _pairs.Select(static p => p.Real).Where(s => s != real).Distinct().ToArray();
        return await new SideShrinker(reference, real, others, _comparer, _ledger).ShrinkAsync(program, options.ShrinkTime, cancellation);
    }
}
