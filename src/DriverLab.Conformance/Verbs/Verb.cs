using System.Runtime.CompilerServices;
using DriverLab.Conformance.Running;

namespace DriverLab.Conformance.Verbs;

/// <summary>What kind of word a parameter takes; the parser checks it.</summary>
public enum ParameterKind
{
    /// <summary>A path, relative to the actor's working directory.</summary>
    Path,
    /// <summary>The variable of an open file, <c>cwd</c>, <c>closed</c> or a number.</summary>
    Fd,
    /// <summary>The variable of an open file, or else a path.</summary>
    Target,
    /// <summary>A number; K, M, G and T multiply by powers of 1024; 0x and a minus sign are allowed.</summary>
    Number,
    /// <summary>An octal mode such as 0644.</summary>
    Mode,
    /// <summary>Flags by their C names, joined by <c>|</c> or <c>,</c>, or a number.</summary>
    Flags,
    /// <summary>One of a few words.</summary>
    Choice,
    /// <summary>A name that a call makes or uses: a dm device, a layer, a task.</summary>
    Name,
    /// <summary>Any bytes.</summary>
    Data,
    /// <summary>A time span such as 10ms, 2s, 500us, 20ns.</summary>
    Duration,
}

/// <summary>A parameter or an option of a verb.</summary>
/// <param name="Name">The name in the documentation; for an option, its key.</param>
/// <param name="Kind">What it takes.</param>
public sealed record Parameter(string Name, ParameterKind Kind)
{
    /// <summary>True when it may be left out.</summary>
    public bool IsOptional { get; init; }

    /// <summary>The least and the most that a number may be.</summary>
    public (long Least, long Most) Range { get; init; } = (long.MinValue, long.MaxValue);

    /// <summary>True when several may follow; the step is then repeated for each, or all are taken at once.</summary>
    public bool IsMany { get; init; }

    /// <summary>The words that a choice takes, or some of the flags, for the documentation.</summary>
    public IReadOnlyList<string> Words { get; init; } = [];

    /// <summary>The value of a flag's name; null when there is no such flag.</summary>
    public Func<string, long?>? Lookup { get; init; }

    /// <summary>The parameter as the documentation shows it.</summary>
    public override string ToString()
    {
        string name = Kind == ParameterKind.Choice ? string.Join('|', Words) : Name.ToUpperInvariant();
        string many = IsMany ? name + "…" : name;
        return IsOptional ? $"[{many}]" : many;
    }
}

/// <summary>A word that a scenario can use as a call.</summary>
/// <param name="Name">The name: the call's own where there is one; two words for a family (<c>dm create</c>).</param>
/// <param name="Parameters">Positional parameters.</param>
/// <param name="Doc">One sentence.</param>
/// <param name="Action">Makes the call and returns its outcome.</param>
public sealed record Verb(string Name, IReadOnlyList<Parameter> Parameters, string Doc, VerbAction Action)
{
    /// <summary>Options, <c>key=value</c>; a parameter of kind <see cref="ParameterKind.Choice"/> without words is a bare switch.</summary>
    public IReadOnlyList<Parameter> Options { get; init; } = [];

    /// <summary>True when the last parameter is repeated as one step each (<c>mkdir /a /b</c>).</summary>
    public bool RepeatsLast { get; init; }

    /// <summary>True when any word after the parameters is taken, as mount options are.</summary>
    public bool TakesRest { get; init; }

    /// <summary>True when the runner does it, and not the actor's task: what is about the task, and what is no call of the kernel.</summary>
    public bool IsOfRunner { get; init; }

    /// <summary>What the result variable holds, or null when there is none.</summary>
    public string? Returns { get; init; }

    /// <summary>The verb's usage in one line.</summary>
    public string Usage
    {
        get
        {
            var parts = new List<string>();
            if (Returns is not null)
                parts.Add($"[{Returns} =]");
            parts.Add(Name);
            foreach (var p in Parameters)
                parts.Add(p.ToString());
            foreach (var o in Options)
                parts.Add(IsSwitch(o) ? $"[{o.Name}]" : $"[{o.Name}={(o.Kind == ParameterKind.Choice ? string.Join('|', o.Words) : o.Kind.ToString().ToUpperInvariant())}]");
            if (TakesRest)
                parts.Add("[option…]");
            return string.Join(' ', parts);
        }
    }

    /// <summary>True when an option takes no value.</summary>
    public static bool IsSwitch(Parameter option) => option is { Kind: ParameterKind.Choice, Words.Count: 0 };
}

/// <summary>Makes a step's call.</summary>
/// <returns>The outcome as the trace shows it.</returns>
public delegate string VerbAction(StepContext context);

/// <summary>Short names for making parameters.</summary>
internal static class P
{
    public static Parameter Path(string name = "path") => new(name, ParameterKind.Path);
    public static Parameter Fd(string name = "fd") => new(name, ParameterKind.Fd);
    public static Parameter Target(string name = "file") => new(name, ParameterKind.Target);
    public static Parameter Number(string name) => new(name, ParameterKind.Number);
    public static Parameter Int(string name) => new(name, ParameterKind.Number) { Range = (int.MinValue, int.MaxValue) };

    /// <summary>How many bytes a buffer has that the runner makes.</summary>
    public static Parameter Length(string name) => new(name, ParameterKind.Number) { Range = (0, 256 << 20) };
    public static Parameter Mode(string name = "mode") => new(name, ParameterKind.Mode);
    public static Parameter Name(string name = "name") => new(name, ParameterKind.Name);
    public static Parameter Data(string name = "data") => new(name, ParameterKind.Data);
    public static Parameter Duration(string name = "time") => new(name, ParameterKind.Duration);
    public static Parameter Choice(string name, params string[] words) => new(name, ParameterKind.Choice) { Words = words };
    public static Parameter Switch(string name) => new(name, ParameterKind.Choice);
    public static Parameter Optional(this Parameter p) => p with { IsOptional = true };
    public static Parameter Many(this Parameter p) => p with { IsMany = true };

    public static Parameter Flags<T>(string name = "flags") where T : struct, Enum => new(name, ParameterKind.Flags)
    {
        Words = Enum.GetNames<T>(),
        Lookup = static text => Enum.TryParse<T>(text, out var value) && !char.IsAsciiDigit(text[0]) ? ToLong(value) : null,
    };

    private static long ToLong<T>(T value) where T : struct, Enum => Unsafe.SizeOf<T>() switch
    {
        1 => Unsafe.BitCast<T, byte>(value),
        2 => Unsafe.BitCast<T, ushort>(value),
        4 => Unsafe.BitCast<T, uint>(value),
        _ => Unsafe.BitCast<T, long>(value),
    };
}
