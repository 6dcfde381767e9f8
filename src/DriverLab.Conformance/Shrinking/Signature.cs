using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Shrinking;

/// <summary>What kind of difference a difference is: two of the same kind have, most likely, one cause.</summary>
/// <param name="Verb">The call.</param>
/// <param name="Field">What differs: <c>outcome</c>, a field of a line such as <c>nlink</c>, <c>order</c>, or <c>missing</c>.</param>
/// <param name="Emulator">The emulator's errno, or <c>ok</c>.</param>
/// <param name="Real">The real kernel's errno, or <c>ok</c>.</param>
public sealed record Signature(string Verb, string Field, string Emulator, string Real)
{
    /// <summary>The kind of a difference.</summary>
    public static Signature Of(Scenario scenario, Divergence difference)
    {
        string verb = difference.Step > 0 ? scenario.Steps[difference.Step - 1].Verb.Name : difference.Call;
        // A tree is a tree, whichever call shows it: a smaller program may show the same fault by another one.
        if (verb == "checkpoint")
            verb = "manifest";
        return new(verb, FieldOf(difference), Class(difference.Emulator), Class(difference.Real));
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Verb} {Field}: {Emulator} / {Real}";

    private static string FieldOf(Divergence d)
    {
        if (d.Detail == "order")
            return "order";
        if (d.Emulator == Divergence.Absent || d.Real == Divergence.Absent)
            return "missing";
        if (d.Detail.Length == 0 && Class(d.Emulator) != Class(d.Real))
            return "outcome";
        string[] ours = d.Emulator.Split(' '), theirs = d.Real.Split(' ');
        for (int i = 0; i < Math.Min(ours.Length, theirs.Length); i++)
        {
            if (ours[i] == theirs[i])
                continue;
            int equals = theirs[i].IndexOf('=', StringComparison.Ordinal);
            return equals > 0 ? theirs[i][..equals] : $"field {i}";
        }
        return "length";
    }

    /// <summary>The first word, which is an errno, ok, or the kind of a failure.</summary>
    private static string Class(string outcome)
    {
        int end = outcome.IndexOfAny([' ', ':']);
        string word = end < 0 ? outcome : outcome[..end];
        // A line of detail begins with a type or a value; only errors are classes there.
        return word is "ok" or "gap" or "defect" or "would-hang" or "none" or "(absent)" || (word.Length > 1 && word[0] == 'E' && word.All(char.IsAsciiLetterUpper)) ? word : "value";
    }
}
