using System.Globalization;
using DriverLab.Conformance.Scenarios;
using DriverLab.Conformance.Shrinking;
using DriverLab.Conformance.Verbs;
using DriverLab.Simulation;

namespace DriverLab.Conformance.Fuzzing;

/// <summary>
/// Scenarios that people wrote, each with a few steps changed: a number one off, the flags of a neighbour, a step left out, told twice, moved, or borrowed from another scenario.
/// They begin where behaviour is worth a scenario, and which no program drawn from nothing reaches: damaged metadata, files of other versions, full disks.
/// </summary>
/// <remarks>As fuzzers do that keep a corpus (Zalewski, "Technical whitepaper for afl-fuzz"), but on steps in place of bytes, so that what comes out is a program.</remarks>
public sealed class VariedScenarios : IProgramSource
{
    private const int MostEdits = 4, MostTries = 16;

    /// <summary>The largest buffer that a varied step is made with, unless a scenario had it so.</summary>
    private const int MostBuffer = 1 << 20;

    private readonly ulong _seed;
    private readonly IReadOnlyList<Scenario> _bases;
    private readonly StepPool _pool;

    /// <summary>Variations of some scenarios.</summary>
    /// <param name="suite">What the programs belong to.</param>
    /// <param name="bases">What is varied, one scenario at least.</param>
    /// <param name="others">Where steps and words are borrowed, those of the suites of what is varied.</param>
    /// <param name="seed">The seed.</param>
    public VariedScenarios(string suite, IReadOnlyList<Scenario> bases, IReadOnlyList<Scenario> others, ulong seed)
    {
        if (bases.Count == 0)
            throw new ArgumentException($"there is no scenario of suite {suite} to vary", nameof(bases));
        var suites = bases.Select(static s => s.Suite).ToHashSet();
        (Suite, _bases, _seed, _pool) = (suite, bases, seed, new(others.Where(s => suites.Contains(s.Suite))));
    }

    /// <summary>True when a scenario is about what a generator's suite is about: thin provisioning is a part of the scenarios of dm, and waiting of all.</summary>
    public static bool IsOf(Scenario scenario, string suite) => suite switch
    {
        "thin" => scenario.Needs.Contains("dm-thin-pool"),
        "waits" => scenario.Steps.Any(static s => s.IsBackground),
        _ => scenario.Suite == suite,
    };

    /// <inheritdoc/>
    public string Suite { get; }

    /// <inheritdoc/>
    public long Count => long.MaxValue;

    /// <inheritdoc/>
    public Scenario Make(long number)
    {
        var draw = new Draw(Prng.FromSeed(_seed, string.Create(CultureInfo.InvariantCulture, $"varied/{Suite}/{number}")));
        var origin = _bases[draw.Next(_bases.Count)];
        string name = string.Create(CultureInfo.InvariantCulture, $"{origin.Suite}/fuzz/varied-{_seed:x}-{number}");
        string description = string.Create(CultureInfo.InvariantCulture, $"{origin.Name}, varied: program {number} of seed 0x{_seed:x}.");
        for (int i = 0; i < MostTries; i++)
        {
            // What cannot be read back as a program (a variable that nothing sets, a word that a parameter does not take), or is the same as it was, is drawn again.
            if (TryParse(name, Edited(draw, origin) with { Name = name, File = name + ScenarioStore.Extension, Description = description }) is { } program
                && !program.Steps.Select(static s => (s.Actor.Name, s.Text)).SequenceEqual(origin.Steps.Select(static s => (s.Actor.Name, s.Text))))
                return program;
        }
        return origin with { Name = name, File = name + ScenarioStore.Extension };
    }

    private Scenario Edited(Draw draw, Scenario origin)
    {
        var steps = new List<Step>(origin.Steps);
        var needs = new List<string>(origin.Needs);
        int edits = 1;
        while (edits < MostEdits && draw.Chance(40))
            edits++;
        for (int i = 0; i < edits; i++)
            Edit(draw, steps, needs);
        return StepEdits.With(origin, steps) with { Needs = needs };
    }

    private static Scenario? TryParse(string name, Scenario program)
    {
        try
        {
            // The text is printed when it is asked for: the steps may be cut before that.
            return program with { Steps = ScenarioParser.Parse(name, program.File, program.Source).Steps, Source = null! };
        }
        catch (ScenarioException)
        {
            return null;
        }
    }

    private void Edit(Draw draw, List<Step> steps, List<string> needs)
    {
        int at = draw.Next(steps.Count);
        switch (draw.Next(20))
        {
            case 0 or 1 when steps.Count > 1:
                steps.RemoveAt(at);
                break;
            case 2:
                steps.Insert(at + draw.Next(steps.Count - at) + 1, steps[at]);
                break;
            case 3 when at + 1 < steps.Count:
                (steps[at], steps[at + 1]) = (steps[at + 1], steps[at]);
                break;
            case 4 when steps.Count > 1:
                var moved = steps[at];
                steps.RemoveAt(at);
                steps.Insert(draw.Next(steps.Count + 1), moved);
                break;
            case 5 or 6:
                var (borrowed, owner) = _pool.Step(draw);
                steps.Insert(draw.Next(steps.Count + 1), Adopted(draw, borrowed, steps));
                needs.AddRange(owner.Needs.Except(needs));
                break;
            case 7:
                steps[at] = StepEdits.Copy(steps[at], actor: draw.Of(steps.ConvertAll(static s => s.Actor)));
                break;
            case 8 or 9 when steps[at].Verb.Options.Count > 0 || steps[at].Verb.TakesRest:
                steps[at] = StepEdits.Copy(steps[at], options: OtherOptions(draw, steps[at]));
                break;
            default:
                // Steps whose words can be others; a few looks find one.
                for (int i = 0; i < 8; i++, at = draw.Next(steps.Count))
                {
                    if (WithOtherWord(draw, steps[at], steps) is not { } other)
                        continue;
                    steps[at] = other;
                    break;
                }
                break;
        }
    }

    /// <summary>A step of another scenario with names of this one's, mostly.</summary>
    private static Step Adopted(Draw draw, Step step, List<Step> steps)
    {
        var words = step.Arguments.ToList();
        for (int i = 0; i < words.Count; i++)
        {
            var kind = KindOf(step, i);
            if ((kind is ParameterKind.Fd || (kind is ParameterKind.Path or ParameterKind.Target or ParameterKind.Name && draw.Chance(75))) && Neighbours(steps, kind) is { Count: > 0 } own)
                words[i] = draw.Of(own);
        }
        return StepEdits.Copy(step, actor: steps[0].Actor, arguments: words);
    }

    private IReadOnlyList<Option> OtherOptions(Draw draw, Step step)
    {
        var options = step.Options;
        if (options.Count > 0 && draw.Chance(35))
            return StepEdits.Without(options, draw.Next(options.Count));
        if (options.Count > 0 && draw.Chance(50))
        {
            int at = draw.Next(options.Count);
            if (options[at].Value is { } value && WordEdits.OtherNumber(draw, value) is { } number && IsInRange(step, options[at].Key, number))
                return StepEdits.Replaced(options, at, new(options[at].Key, number));
        }
        return _pool.Options(step.Verb.Name) is { Count: > 0 } known ? draw.Chance(70) ? [.. options, draw.Of(known)] : [draw.Of(known)] : options;
    }

    private static bool IsInRange(Step step, string option, Word number)
        => step.Verb.Options.FirstOrDefault(o => o.Name == option) is not { Kind: ParameterKind.Number, Range: var range } || !Numbers.TryParse(number.Text, out long value) || (value >= range.Least && value <= range.Most);

    private Step? WithOtherWord(Draw draw, Step step, List<Step> steps)
    {
        if (step.Arguments.Count == 0)
            return null;
        int at = draw.Next(step.Arguments.Count);
        var kind = KindOf(step, at);
        var word = step.Arguments[at];
        Word? other = kind switch
        {
            ParameterKind.Duration => null, // a real kernel takes the time that it is told
            ParameterKind.Path or ParameterKind.Target or ParameterKind.Fd when draw.Chance(70) && Neighbours(steps, kind) is { Count: > 0 } own => draw.Of(own),
            ParameterKind.Number or ParameterKind.Data or ParameterKind.Mode when draw.Chance(80) => WordEdits.OtherNumber(draw, word, ParameterOf(step, at)?.Range.Least == 0 ? MostBuffer : long.MaxValue),
            ParameterKind.Name when draw.Chance(30) => WordEdits.OtherNumber(draw, word),
            _ => _pool.Words(step.Verb.Name, at) is { Count: > 0 } known ? draw.Of(known) : null,
        };
        return other is null || other.Source == word.Source ? null : StepEdits.Copy(step, arguments: StepEdits.Replaced(step.Arguments, at, other));
    }

    private static Parameter? ParameterOf(Step step, int argument) => step.Verb.Parameters.Count == 0 ? null : step.Verb.Parameters[Math.Min(argument, step.Verb.Parameters.Count - 1)];

    private static ParameterKind KindOf(Step step, int argument) => ParameterOf(step, argument)?.Kind ?? ParameterKind.Data;

    /// <summary>Words that stand for a thing of this kind in these steps.</summary>
    private static List<Word> Neighbours(List<Step> steps, ParameterKind kind)
    {
        var words = new List<Word>();
        foreach (var step in steps)
            for (int i = 0; i < step.Arguments.Count; i++)
                if (KindOf(step, i) == kind)
                    words.Add(step.Arguments[i]);
        return words;
    }
}
