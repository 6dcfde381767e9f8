namespace DriverLab.Conformance.Scenarios;

/// <summary>A scenario text that cannot be read: where, and one sentence saying what was found, what was expected and what to do.</summary>
/// <param name="file">The file, as the user named it.</param>
/// <param name="line">1-based line.</param>
/// <param name="column">1-based column, in characters.</param>
/// <param name="problem">The sentence.</param>
public sealed class ScenarioException(string file, int line, int column, string problem) : Exception($"{file}:{line}:{column}: {problem}")
{
    /// <summary>The file, as the user named it.</summary>
    public string File { get; } = file;

    /// <summary>1-based line.</summary>
    public int Line { get; } = line;

    /// <summary>1-based column, in characters.</summary>
    public int Column { get; } = column;

    /// <summary>The sentence without the position.</summary>
    public string Problem { get; } = problem;
}
