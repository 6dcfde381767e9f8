using DriverLab.Conformance.Scenarios;
using DriverLab.Conformance.Verbs;

namespace DriverLab.Conformance.Fuzzing;

/// <summary>Collects the steps of a program. Words and verbs that come again are the same objects, so that writing a step costs little more than its memory.</summary>
internal sealed class ProgramWriter
{
    private static readonly IReadOnlyList<Option> s_noOptions = [];
    private readonly Dictionary<string, Word> _words = [];
    private readonly Dictionary<string, Word> _literals = [];
    private List<Step> _steps = [];

    /// <summary>Who makes the steps that are added.</summary>
    public Actor Actor { get; set; } = Actor.Main;

    /// <summary>Steps so far.</summary>
    public int Count => _steps.Count;

    /// <summary>Adds a step.</summary>
    public void Add(string verb, params ReadOnlySpan<Word> arguments) => Add(null, verb, s_noOptions, arguments);

    /// <summary>Adds a step with options.</summary>
    public void Add(string verb, IReadOnlyList<Option>? options, params ReadOnlySpan<Word> arguments) => Add(null, verb, options, arguments);

    /// <summary>Adds a step that sets a variable.</summary>
    public void Add(string? result, string verb, IReadOnlyList<Option>? options, params ReadOnlySpan<Word> arguments) => Add(result, verb, options, arguments, isBackground: false);

    /// <summary>Adds a step in the background.</summary>
    public void AddBackground(string? result, string verb, params ReadOnlySpan<Word> arguments) => Add(result, verb, null, arguments, isBackground: true);

    private void Add(string? result, string verb, IReadOnlyList<Option>? options, ReadOnlySpan<Word> arguments, bool isBackground) => _steps.Add(new()
    {
        Number = _steps.Count + 1,
        Line = 0,
        Column = 0,
        Actor = Actor,
        Result = result,
        Verb = VerbTable.Find(verb)!,
        IsBackground = isBackground,
        Arguments = arguments.ToArray(),
        Options = options ?? s_noOptions,
    });

    /// <summary>The steps, and a new list for the next program.</summary>
    public IReadOnlyList<Step> Take()
    {
        var steps = _steps;
        _steps = new(steps.Count);
        Actor = Actor.Main;
        return steps;
    }

    /// <summary>A word in the notation of scenarios.</summary>
    public Word Word(string source) => Get(_words, source, static text => Scenarios.Word.Parse(text));

    /// <summary>A word for a text; quoted when it must be.</summary>
    public Word Literal(string text) => Get(_literals, text, static text => Scenarios.Word.Of(text));

    /// <summary>A number.</summary>
    public Word Number(long value) => Word(value.ToString(System.Globalization.CultureInfo.InvariantCulture));

    /// <summary>An option with a value.</summary>
    public Option Option(string key, string value) => new(key, Word(value));

    private static Word Get(Dictionary<string, Word> known, string text, Func<string, Word> make)
    {
        const int Most = 20_000;
        if (known.TryGetValue(text, out var word))
            return word;
        if (known.Count >= Most)
            known.Clear();
        known.Add(text, word = make(text));
        return word;
    }
}
