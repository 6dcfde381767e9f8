using System.Text;
using DriverLab.Conformance.Verbs;
using DriverLab.Linux;

namespace DriverLab.Conformance.Scenarios;

/// <summary>Reads scenario texts. The grammar is in tests/Scenarios/README.md.</summary>
public sealed class ScenarioParser
{
    private readonly string _file;
    private readonly string _text;
    private readonly Lexer _lexer;
    private readonly Dictionary<string, Actor> _actors = new() { ["main"] = Actor.Main };
    private readonly HashSet<string> _variables = [];
    private readonly List<Step> _steps = [];
    private readonly List<string> _needs = [];
    private string? _suite;
    private string? _gap;
    private bool _times;
    private bool _slow;
    private KernelRange _kernels = KernelRange.All;

    private ScenarioParser(string file, string text)
    {
        (_file, _text) = (file, text);
        _lexer = new(file, text);
    }

    /// <summary>Reads one scenario.</summary>
    /// <param name="name">Its name: the path below the scenario folder without the ending.</param>
    /// <param name="file">The file as messages should name it.</param>
    /// <param name="text">The text.</param>
    /// <exception cref="ScenarioException">The first thing that is wrong.</exception>
    public static Scenario Parse(string name, string file, string text)
    {
        var parser = new ScenarioParser(file, text);
        parser.ReadAll();
        if (parser._suite is null)
            throw new ScenarioException(file, 1, 1, "the scenario names no suite; expected a line such as 'suite vfs' before the first step");
        int slash = name.IndexOf('/');
        if (slash > 0 && name[..slash] != parser._suite)
            throw new ScenarioException(file, 1, 1, $"the suite '{parser._suite}' does not match the folder '{name[..slash]}'; move the file or change the suite");
        if (parser._steps.Count == 0)
            throw new ScenarioException(file, parser._lexer.Line, 1, "the scenario has no steps; add at least one call");
        return new()
        {
            Name = name,
            File = file,
            Suite = parser._suite,
            Description = Lexer.LeadingComment(text),
            Needs = parser._needs,
            Kernels = parser._kernels,
            Gap = parser._gap,
            Times = parser._times,
            Slow = parser._slow,
            Steps = parser._steps,
            Source = text,
        };
    }

    private void ReadAll()
    {
        do
        {
            if (_lexer.SkipToWord())
                ReadStatement();
        }
        while (_lexer.NextStatement());
    }

    private void ReadStatement()
    {
        var actor = ReadActor();
        int start = _lexer.Position;
        var words = new List<Word>();
        int end = start;
        while (_lexer.SkipToWord())
        {
            words.Add(_lexer.ReadWord());
            end = _lexer.Position;
        }
        if (words.Count == 0)
            throw _lexer.Error(_lexer.Line, _lexer.Column, $"actor '{actor.Name}' does nothing here; expected a call after the colon");
        if (actor == Actor.Main && IsHeader(words))
            return;
        new StepReader(_file, actor, words, _variables).Read(_steps, _text[start..end]);
    }

    private Actor ReadActor()
    {
        if (_lexer.TryActor() is not { } found)
            return Actor.Main;
        var (name, ids, column) = found;
        bool known = _actors.TryGetValue(name, out var actor);
        if (ids is not null && known)
            throw _lexer.Error(_lexer.Line, column, $"actor '{name}' already has ids; give them at its first statement only");
        if (!known)
            _actors.Add(name, actor = ids is null ? new(name, null) : ParseIds(name, ids, column));
        _ = _lexer.SkipToWord();
        return actor!;
    }

    private Actor ParseIds(string actor, string text, int column)
    {
        uint? uid = null, gid = null;
        uint[] groups = [];
        IdMapExtent[]? users = null, gids = null;
        var parts = text.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        bool ok = parts.Length % 2 == 0;
        for (int i = 0; ok && i < parts.Length; i += 2)
        {
            if (parts[i] is "userns" or "gids")
            {
                ok &= Numbers.TryExtents(parts[i + 1], out var extents);
                users = parts[i] == "userns" ? extents : users;
                gids = parts[i] == "gids" ? extents : gids;
                continue;
            }
            var numbers = new List<uint>();
            foreach (var part in parts[i + 1].Split(','))
            {
                ok &= uint.TryParse(part, out uint number);
                numbers.Add(number);
            }
            switch (parts[i])
            {
                case "uid": uid = numbers[0]; break;
                case "gid": gid = numbers[0]; break;
                case "groups": groups = [.. numbers]; break;
                default: ok = false; break;
            }
        }
        if (users is not null)
            uid ??= 0;
        return ok && uid is { } u && (gids is null || users is not null)
            ? new(actor, new(u, gid ?? u, groups)) { Maps = users is null ? null : new(users, gids ?? users) }
            : throw _lexer.Error(_lexer.Line, column, $"the ids '({text})' of actor '{actor}' are not understood; expected for example '(uid 1000 gid 100 groups 5,6)' or '(userns 0:100000:1000)'");
    }

    private bool IsHeader(List<Word> words)
    {
        var first = words[0];
        if (first.IsQuoted || first.Source is not ("suite" or "needs" or "kernels" or "gap" or "times" or "slow"))
            return false;
        if (_steps.Count > 0)
            throw At(first, $"'{first.Source}' belongs before the first step");
        switch (first.Source)
        {
            case "suite":
                _suite = words.Count == 2 ? words[1].Text : throw At(first, "expected 'suite NAME' with one name");
                break;
            case "needs":
                foreach (var word in words.Skip(1))
                    _needs.AddRange(word.Text.Split(',', StringSplitOptions.RemoveEmptyEntries));
                break;
            case "gap":
                _gap = words is [_, { IsQuoted: true } reason] ? reason.Text : throw At(first, "expected 'gap \"reason\"' with one quoted reason");
                break;
            case "times":
                _times = words.Count == 1 ? true : throw At(words[1], "'times' takes no argument");
                break;
            case "slow":
                _slow = words.Count == 1 ? true : throw At(words[1], "'slow' takes no argument");
                break;
            case "kernels":
                ReadKernels(words);
                break;
        }
        return true;
    }

    private void ReadKernels(List<Word> words)
    {
        if (words.Count is not (3 or 5))
            throw At(words[0], "expected 'kernels >= 6.6', 'kernels < 6.6' or 'kernels >= 5.10 < 6.6'");
        for (int i = 1; i < words.Count; i += 2)
        {
            if (!KernelVersion.TryParse(words[i + 1].Text, out var version))
                throw At(words[i + 1], $"'{words[i + 1].Source}' is no kernel version; expected for example 6.12");
            _kernels = words[i].Source switch
            {
                ">=" => _kernels with { AtLeast = version },
                "<" => _kernels with { Below = version },
                _ => throw At(words[i], $"'{words[i].Source}' is no comparison; expected >= or <"),
            };
        }
    }

    private ScenarioException At(Word word, string problem) => new(_file, word.Line, word.Column, problem);
}
