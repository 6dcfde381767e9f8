using System.Text;
using DriverLab.Conformance.Scenarios;
using DriverLab.Conformance.Verbs;

namespace DriverLab.Conformance.Shrinking;

/// <summary>Smaller versions of programs.</summary>
internal static class StepEdits
{
    private static readonly string[] s_numbers = ["0", "1", "4096"];
    private static readonly string[] s_data = ["\"\"", "x"];

    /// <summary>A scenario of some steps of another one. Steps that use what no step before them sets any more are left out too.</summary>
    public static Scenario With(Scenario scenario, IEnumerable<Step> steps)
    {
        var all = scenario.Steps.Select(static s => s.Result).OfType<string>().ToHashSet();
        var known = new HashSet<string>();
        var kept = new List<Step>();
        foreach (var step in steps)
        {
            if (Variables(step).Any(v => all.Contains(v) && !known.Contains(v)))
                continue;
            kept.Add(Copy(step, number: kept.Count + 1));
            if (step.Result is { } result)
                _ = known.Add(result);
        }
        return new()
        {
            Name = scenario.Name, File = scenario.File, Suite = scenario.Suite, Description = scenario.Description, Needs = scenario.Needs, Kernels = scenario.Kernels, Gap = null,
            Times = scenario.Times, Slow = scenario.Slow, Steps = kept,
        };
    }

    /// <summary>The step with one thing made simpler, the simplest first.</summary>
    public static IEnumerable<Step> Simpler(Step step)
    {
        // What sleeps would be sleeping for ever as a call of main's.
        if (step.Actor != Actor.Main && !step.IsBackground)
            yield return Copy(step, actor: Actor.Main);
        if (step.Result is not null && step.Verb.Name is not ("open" or "dup"))
            yield return Copy(step, dropResult: true);
        for (int i = 0; i < step.Options.Count; i++)
            yield return Copy(step, options: Without(step.Options, i));
        int required = step.Verb.Parameters.Count(static p => !p.IsOptional);
        if (step.Arguments.Count > required)
            yield return Copy(step, arguments: Without(step.Arguments, step.Arguments.Count - 1));
        for (int i = 0; i < step.Arguments.Count; i++)
        {
            var parameter = step.Verb.Parameters[Math.Min(i, step.Verb.Parameters.Count - 1)];
            foreach (var word in Simpler(parameter, step.Arguments[i]))
                yield return Copy(step, arguments: Replaced(step.Arguments, i, word));
        }
        for (int i = 0; i < step.Options.Count; i++)
        {
            var option = step.Options[i];
            if (option.Value is not { } value || step.Verb.Options.FirstOrDefault(o => o.Name == option.Key) is not { } parameter)
                continue;
            foreach (var word in Simpler(parameter, value))
                yield return Copy(step, options: Replaced(step.Options, i, new(option.Key, word)));
        }
    }

    private static IEnumerable<Word> Simpler(Parameter parameter, Word word)
    {
        switch (parameter.Kind)
        {
            case ParameterKind.Number:
                foreach (var number in s_numbers.TakeWhile(n => n != word.Source))
                    yield return Word.Parse(number);
                break;
            case ParameterKind.Data when word.Source.Length > 3:
                foreach (var data in s_data.TakeWhile(d => d != word.Source))
                    yield return Word.Parse(data);
                break;
            case ParameterKind.Mode:
                foreach (string mode in ((string[])["0644", "0755", "0777"]).TakeWhile(m => m != word.Source))
                    yield return Word.Parse(mode);
                break;
            case ParameterKind.Flags when word.Source.Contains('|', StringComparison.Ordinal):
                string[] flags = word.Source.Split('|');
                for (int i = flags.Length - 1; i >= 0; i--)
                    yield return Word.Parse(string.Join('|', flags.Where((_, at) => at != i)));
                break;
            case ParameterKind.Path or ParameterKind.Target when word.IsConstant:
                foreach (string path in Shorter(word.Source))
                    yield return Word.Parse(path);
                break;
        }
    }

    /// <summary>A path with one component less, or without the detours.</summary>
    private static IEnumerable<string> Shorter(string path)
    {
        string plain = path.Replace("//", "/", StringComparison.Ordinal).Replace("/./", "/", StringComparison.Ordinal);
        if (plain.EndsWith("/.", StringComparison.Ordinal) || (plain.EndsWith('/') && plain.Length > 1))
            plain = plain[..plain.LastIndexOf('/')];
        if (plain.Length == 0)
            plain = "/";
        if (plain != path)
            yield return plain;
        string[] parts = plain.Split('/');
        if (parts.Length <= 2 || plain.Contains('{', StringComparison.Ordinal) || plain.Contains('"', StringComparison.Ordinal))
            yield break;
        for (int i = 1; i < parts.Length; i++)
            yield return string.Join('/', parts.Where((_, at) => at != i));
    }

    /// <summary>The whole program with one path component taken out everywhere: /a/b becomes /b in every step.</summary>
    public static IEnumerable<IReadOnlyList<Step>> Flatter(IReadOnlyList<Step> steps)
    {
        var prefixes = new HashSet<string>();
        foreach (var step in steps)
        {
            foreach (var word in step.Arguments.Where(static w => w.IsConstant && w.Source.StartsWith('/')))
            {
                string[] parts = word.Source.Split('/');
                for (int i = 2; i < parts.Length; i++)
                    _ = prefixes.Add(string.Join('/', parts[..i]));
            }
        }
        foreach (string prefix in prefixes.Where(static p => p.Length > 1).OrderByDescending(static p => p.Length).ThenBy(static p => p, StringComparer.Ordinal))
        {
            string shorter = prefix[..prefix.LastIndexOf('/')];
            yield return [.. steps
                .Where(s => !(s.Verb.Name == "mkdir" && s.Arguments[0].Source == prefix))
                .Select(s => Moved(s, prefix + "/", shorter + "/"))];
        }
    }

    /// <summary>The program without one of its renames: what comes later uses the old name, or what came before made it with the new one.</summary>
    public static IEnumerable<IReadOnlyList<Step>> Joined(IReadOnlyList<Step> steps)
    {
        for (int i = 0; i < steps.Count; i++)
        {
            if (steps[i].Verb.Name != "rename" || steps[i].Arguments is not [{ IsConstant: true, Source: var old }, { IsConstant: true, Source: var name }, ..])
                continue;
            var (before, after) = (steps.Take(i), steps.Skip(i + 1));
            yield return [.. before, .. after.Select(s => Moved(s, name, old))];
            yield return [.. before.Select(s => Moved(s, old, name)), .. after];
        }
    }

    /// <summary>The step with another path in place of one, and of the begin of those below it.</summary>
    private static Step Moved(Step step, string from, string to)
        => Copy(step, arguments: [.. step.Arguments.Select(w => w.IsConstant && IsBelow(w.Source, from) ? Word.Parse(to + w.Source[from.Length..]) : w)]);

    private static bool IsBelow(string path, string top) => path.StartsWith(top, StringComparison.Ordinal) && (top.EndsWith('/') || path.Length == top.Length || path[top.Length] == '/');

    private static IEnumerable<string> Variables(Step step)
    {
        foreach (var word in step.Arguments.Concat(step.Options.Select(static o => o.Value).OfType<Word>()))
        {
            if (word.IsConstant && !word.IsQuoted)
                yield return word.Text;
            foreach (var segment in word.Segments)
            {
                if (segment.Kind == SegmentKind.Variable)
                    yield return Encoding.UTF8.GetString(segment.Bytes);
            }
        }
    }

    /// <summary>The step with some things changed; its text is that of the new one.</summary>
    public static Step Copy(Step step, int number = 0, Actor? actor = null, bool dropResult = false, IReadOnlyList<Word>? arguments = null, IReadOnlyList<Option>? options = null) => new()
    {
        Number = number > 0 ? number : step.Number, Line = 0, Column = 0, Actor = actor ?? step.Actor, Result = dropResult ? null : step.Result, Verb = step.Verb,
        IsBackground = step.IsBackground, Arguments = arguments ?? step.Arguments, Options = options ?? step.Options,
    };

    /// <summary>The list with one element left out.</summary>
    public static IReadOnlyList<T> Without<T>(IReadOnlyList<T> list, int index) => [.. list.Where((_, at) => at != index)];

    /// <summary>The list with one element in place of another.</summary>
    public static IReadOnlyList<T> Replaced<T>(IReadOnlyList<T> list, int index, T value) => [.. list.Select((old, at) => at == index ? value : old)];
}
