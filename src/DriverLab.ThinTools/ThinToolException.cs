namespace DriverLab.ThinTools;

/// <summary>A tool cannot do what was asked: one sentence with the thing, the value found, what was expected and what to do.</summary>
public sealed class ThinToolException(string message) : Exception(message);
