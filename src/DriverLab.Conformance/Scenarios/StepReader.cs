using System.Text;
using DriverLab.Conformance.Verbs;

namespace DriverLab.Conformance.Scenarios;

/// <summary>Makes the steps of one statement: finds the verb, sorts words into arguments and options, checks each against its parameter.</summary>
internal sealed class StepReader(string file, Actor actor, List<Word> words, HashSet<string> variables)
{
    /// <summary>The last word of a statement whose call is made in the background.</summary>
    public const char Background = '&';

    private readonly Word? _background = words.Count > 1 && words[^1] is { Source: [Background], IsQuoted: false } last ? last : null;

    /// <summary>Adds the statement's steps.</summary>
    public void Read(List<Step> steps, string source)
    {
        if (_background is not null)
            words.RemoveAt(words.Count - 1);
        string? result = null;
        int at = 0;
        if (words.Count > 1 && words[1] is { Source: "=", IsQuoted: false })
        {
            result = words[0].Source;
            if (!IsIdentifier(result) || result is "cwd" or "closed")
                throw At(words[0], $"'{result}' cannot name a result; expected letters, digits and '_', and neither 'cwd' nor 'closed'");
            at = 2;
            if (words.Count == 2)
                throw At(words[1], $"nothing is assigned to '{result}'; expected a call after '='");
        }
        var (verb, first) = FindVerb(at);
        if (result is not null && verb.Returns is null)
            throw At(words[0], $"'{verb.Name}' gives no result that '{result}' could hold");
        if (_background is { } background)
            CheckBackground(verb, background);
        var (arguments, options) = Sort(verb, words[at], first);
        CheckArguments(verb, words[at], arguments);
        foreach (var option in options)
            CheckOption(verb, option);
        Add(steps, verb, arguments, options, result, source);
        if (result is not null)
            _ = variables.Add(result);
    }

    private void CheckBackground(Verb verb, Word background)
    {
        if (actor == Actor.Main)
            throw At(background, $"'main' makes no calls in the background, since it is the one who goes on; give the call to another actor: 'alice: {verb.Name} … &'");
        if (actor.Maps is not null)
            throw At(background, $"actor '{actor.Name}' lives in a user namespace and makes no calls in the background, since no signal could end them");
        if (verb.IsOfRunner)
            throw At(background, $"'{verb.Name}' is no call that could sleep; only calls of the kernel are made in the background");
    }

    private void Add(List<Step> steps, Verb verb, List<Word> arguments, List<Option> options, string? result, string source)
    {
        int fixedCount = verb.Parameters.Count - 1;
        bool repeat = verb.RepeatsLast && arguments.Count > verb.Parameters.Count;
        int times = repeat ? arguments.Count - fixedCount : 1;
        if (repeat && result is not null)
            throw At(words[0], $"'{verb.Name}' with several arguments is several calls and has no single result");
        if (repeat && _background is { } background)
            throw At(background, $"'{verb.Name}' with several arguments is several calls, and an actor makes one in the background");
        for (int i = 0; i < times; i++)
        {
            List<Word> own = repeat ? [.. arguments[..fixedCount], arguments[fixedCount + i]] : arguments;
            steps.Add(new()
            {
                Number = steps.Count + 1,
                Line = words[0].Line,
                Column = words[0].Column,
                Actor = actor,
                Result = result,
                Verb = verb,
                IsBackground = _background is not null,
                Arguments = own,
                Options = options,
                Text = repeat ? Rebuild(verb, own, options) : Squeeze(source),
            });
        }
    }

    private (Verb Verb, int FirstArgument) FindVerb(int at)
    {
        string name = words[at].Source;
        if (VerbTable.Find(name) is { } plain)
            return (plain, at + 1);
        if (!VerbTable.IsFamily(name))
            throw At(words[at], $"unknown call '{name}'{Suggest(name, VerbTable.All.Select(v => v.Name))}; 'driverlab scenario verbs' lists all calls");
        // "driver overlay2 create x" reads better than "driver create overlay2 x": the name of the driver, or of the archive, comes before the verb.
        int second = name is "driver" or "layer" ? at + 2 : at + 1;
        var members = VerbTable.All.Where(v => v.Name.StartsWith(name + " ", StringComparison.Ordinal)).Select(v => v.Name[(name.Length + 1)..]).ToArray();
        if (second >= words.Count)
            throw At(words[at], $"'{name}' needs an operation; expected one of {string.Join(", ", members)}");
        if (VerbTable.Find($"{name} {words[second].Source}") is not { } verb)
            throw At(words[second], $"'{name}' has no operation '{words[second].Source}'{Suggest(words[second].Source, members)}; expected one of {string.Join(", ", members)}");
        if (second == at + 2)
            words.RemoveAt(second);
        else
            return (verb, second + 1);
        return (verb, at + 1);
    }

    private (List<Word> Arguments, List<Option> Options) Sort(Verb verb, Word verbWord, int first)
    {
        var arguments = new List<Word>();
        var options = new List<Option>();
        int required = verb.Parameters.Count(p => !p.IsOptional);
        int most = verb.Parameters is [.., { IsMany: true }] ? int.MaxValue : verb.Parameters.Count;
        foreach (var word in words.Skip(first))
        {
            int equals = word.IsQuoted && word.Source[0] == '"' ? -1 : word.Source.IndexOf('=');
            string key = equals > 0 ? word.Source[..equals] : word.Source;
            var option = verb.Options.FirstOrDefault(o => o.Name == key && Verb.IsSwitch(o) == equals <= 0);
            if (option is not null && (equals > 0 || arguments.Count >= required) && !(word.IsQuoted && equals <= 0))
                options.Add(new(key, equals > 0 ? Lexer.Sub(file, word, equals + 1) : null));
            else if (arguments.Count < most && !(verb.TakesRest && arguments.Count >= required && equals > 0))
                arguments.Add(word);
            else if (verb.TakesRest)
                options.Add(new(key, equals > 0 ? Lexer.Sub(file, word, equals + 1) : null));
            else
                throw At(word, $"'{word.Source}' is one word too many for '{verb.Name}'; its usage is: {verb.Usage}");
        }
        if (arguments.Count < required)
            throw At(verbWord, $"'{verb.Name}' needs {verb.Parameters[arguments.Count].Name.ToUpperInvariant()}; its usage is: {verb.Usage}");
        return (arguments, options);
    }

    private void CheckArguments(Verb verb, Word verbWord, List<Word> arguments)
    {
        _ = verbWord;
        for (int i = 0; i < arguments.Count; i++)
            Check(verb, verb.Parameters[Math.Min(i, verb.Parameters.Count - 1)], arguments[i]);
    }

    private void CheckOption(Verb verb, Option option)
    {
        if (option.Value is not { } value)
            return;
        if (verb.Options.FirstOrDefault(o => o.Name == option.Key) is { } parameter)
            Check(verb, parameter, value);
        else
            CheckVariables(value);
    }

    private void Check(Verb verb, Parameter parameter, Word word)
    {
        CheckVariables(word);
        if (!word.IsConstant)
            return;
        string text = word.Text;
        switch (parameter.Kind)
        {
            case ParameterKind.Fd when !variables.Contains(text) && text is not ("cwd" or "closed") && !int.TryParse(text, out _):
                throw At(word, $"'{text}' is no open file here; expected a variable that an earlier step assigned ({Known()}), 'cwd' or 'closed'");
            case ParameterKind.Number when !Numbers.TryParse(text, out _):
                throw At(word, $"'{text}' is no number for {parameter.Name.ToUpperInvariant()} of '{verb.Name}'; expected digits, with K, M, G or T if wanted, or 0x…");
            case ParameterKind.Number when Numbers.TryParse(text, out long value) && (value < parameter.Range.Least || value > parameter.Range.Most):
                throw At(word, $"{text} is out of range for {parameter.Name.ToUpperInvariant()} of '{verb.Name}'; expected {parameter.Range.Least} to {parameter.Range.Most}");
            case ParameterKind.Mode when !Numbers.TryMode(text, out _):
                throw At(word, $"'{text}' is no octal mode; expected for example 0644");
            case ParameterKind.Duration when !Numbers.TryDuration(text, out _):
                throw At(word, $"'{text}' is no time span; expected for example 10ms, 2s or 500us");
            case ParameterKind.Choice when !parameter.Words.Contains(text):
                throw At(word, $"'{text}' is not known for {parameter.Name.ToUpperInvariant()} of '{verb.Name}'; expected one of {string.Join(", ", parameter.Words)}");
            case ParameterKind.Flags:
                CheckFlags(parameter, word);
                break;
        }
    }

    private void CheckFlags(Parameter parameter, Word word)
    {
        foreach (var flag in word.Text.Split('|', ','))
        {
            if (parameter.Lookup!(flag) is null && !Numbers.TryParse(flag, out _))
                throw At(word, $"'{flag}' is no flag for {parameter.Name.ToUpperInvariant()}{Suggest(flag, parameter.Words)}; expected names such as {string.Join(", ", parameter.Words.Take(4))} joined by '|', or a number");
        }
    }

    private void CheckVariables(Word word)
    {
        foreach (var segment in word.Segments)
        {
            if (segment.Kind != SegmentKind.Variable)
                continue;
            string name = Encoding.UTF8.GetString(segment.Bytes);
            if (!variables.Contains(name))
                throw At(word, $"variable '${name}' has no value here; expected one that an earlier step assigned ({Known()})");
        }
    }

    private string Known() => variables.Count == 0 ? "there is none yet" : string.Join(", ", variables.Order(StringComparer.Ordinal));

    private static string Rebuild(Verb verb, List<Word> arguments, List<Option> options) =>
        string.Join(' ', [verb.Name, .. arguments.Select(a => a.Source), .. options.Select(o => o.Value is { } v ? $"{o.Key}={v.Source}" : o.Key)]);

    /// <summary>One blank between words, so that a trace does not depend on alignment; quoted parts stay as they are.</summary>
    private static string Squeeze(string source)
    {
        var text = new StringBuilder(source.Length);
        bool inQuotes = false;
        for (int i = 0; i < source.Length; i++)
        {
            char c = source[i];
            if (c == '"' && (i == 0 || source[i - 1] != '\\'))
                inQuotes = !inQuotes;
            if (!inQuotes && c == '\\' && i + 1 < source.Length && source[i + 1] is '\n' or '\r')
                continue;
            if (!inQuotes && char.IsWhiteSpace(c))
            {
                if (text.Length > 0 && text[^1] != ' ')
                    _ = text.Append(' ');
            }
            else
                _ = text.Append(c);
        }
        return text.ToString();
    }

    private static bool IsIdentifier(string text) => text.Length > 0 && !char.IsAsciiDigit(text[0]) && text.All(static c => char.IsAsciiLetterOrDigit(c) || c == '_');

    private static string Suggest(string word, IEnumerable<string> candidates)
    {
        var best = candidates.Select(c => (Name: c, Distance: EditDistance(word, c))).OrderBy(c => c.Distance).FirstOrDefault();
        return best.Name is not null && best.Distance <= Math.Max(1, (word.Length + 1) / 3) ? $" (did you mean '{best.Name}'?)" : "";
    }

    private static int EditDistance(string a, string b)
    {
        var row = new int[b.Length + 1];
        for (int j = 0; j <= b.Length; j++)
            row[j] = j;
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int next = Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = row[j];
                row[j] = next;
            }
        }
        return row[b.Length];
    }

    private ScenarioException At(Word word, string problem) => new(file, word.Line, word.Column, problem);
}
