using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Fuzzing;

/// <summary>Steps of many scenarios, and the words and options that each call is given in them.</summary>
internal sealed class StepPool
{
    private readonly List<(Step Step, Scenario Owner)> _steps = [];
    private readonly Dictionary<(string Verb, int At), List<Word>> _words = [];
    private readonly Dictionary<string, List<Option>> _options = [];

    public StepPool(IEnumerable<Scenario> scenarios)
    {
        foreach (var (step, owner) in scenarios.SelectMany(static s => s.Steps.Select(step => (step, s))))
        {
            if (step.Verb.IsOfRunner)
                continue;
            _steps.Add((step, owner));
            for (int i = 0; i < step.Arguments.Count; i++)
                ListOf(_words, (step.Verb.Name, i)).Add(step.Arguments[i]);
            ListOf(_options, step.Verb.Name).AddRange(step.Options);
        }
    }

    /// <summary>One of all steps, and where it stands.</summary>
    public (Step Step, Scenario Owner) Step(Draw draw) => draw.Of(_steps);

    /// <summary>What stands at a place of a call, as often as it does.</summary>
    public List<Word>? Words(string verb, int at) => _words.GetValueOrDefault((verb, at));

    /// <summary>What options a call is given, as often as it is.</summary>
    public List<Option>? Options(string verb) => _options.GetValueOrDefault(verb);

    private static List<T> ListOf<TKey, T>(Dictionary<TKey, List<T>> lists, TKey key) where TKey : notnull
    {
        if (!lists.TryGetValue(key, out var list))
            lists.Add(key, list = []);
        return list;
    }
}
