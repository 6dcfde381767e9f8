using DriverLab.Conformance.Verbs;
using DriverLab.Linux;

namespace DriverLab.Conformance.Scenarios;

/// <summary>A program of kernel calls and storage-driver steps for one or several actors. It holds no expected results: kernels give them.</summary>
public sealed record Scenario
{
    /// <summary>The path below the scenario folder without its ending, for example <c>overlay/hardlink/copy-up-breaks-link</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The suite, which is also the first folder.</summary>
    public required string Suite { get; init; }

    /// <summary>The comment block at the top, in one paragraph.</summary>
    public required string Description { get; init; }

    /// <summary>File systems, device-mapper targets and modules without which the scenario says nothing.</summary>
    public required IReadOnlyList<string> Needs { get; init; }

    /// <summary>The kernels for which the scenario is meant.</summary>
    public required KernelRange Kernels { get; init; }

    /// <summary>Why the emulator is known to have a gap here; null when it must not.</summary>
    public required string? Gap { get; init; }

    /// <summary>True when the clock ticks between steps and times are shown as the step that set them.</summary>
    public required bool Times { get; init; }

    /// <summary>True when a real kernel needs some 0.15 s or more: left out of a plain <c>conform</c>, and said so.</summary>
    public bool Slow { get; init; }

    /// <summary>The steps, in order.</summary>
    public required IReadOnlyList<Step> Steps { get; init; }

    /// <summary>The text that was read; of a program that was made, the text that reads back as the same steps.</summary>
    public string Source
    {
        get => field ??= ScenarioPrinter.Print(this);
        init;
    }

    /// <summary>The file as the user named it.</summary>
    public required string File { get; init; }
}

/// <summary>One call by one actor.</summary>
public sealed record Step
{
    /// <summary>1-based number in the scenario.</summary>
    public required int Number { get; init; }

    /// <summary>1-based line in the file.</summary>
    public required int Line { get; init; }

    /// <summary>1-based column in the line.</summary>
    public required int Column { get; init; }

    /// <summary>Who makes the call.</summary>
    public required Actor Actor { get; init; }

    /// <summary>The variable that takes the result, or null.</summary>
    public required string? Result { get; init; }

    /// <summary>What is called.</summary>
    public required Verb Verb { get; init; }

    /// <summary>True when the actor makes the call in the background: others go on while it sleeps.</summary>
    public bool IsBackground { get; init; }

    /// <summary>Positional arguments.</summary>
    public required IReadOnlyList<Word> Arguments { get; init; }

    /// <summary>Options, <c>key=value</c> (or the bare key, then without a value).</summary>
    public required IReadOnlyList<Option> Options { get; init; }

    /// <summary>The call as the trace shows it, without the actor.</summary>
    public string Text
    {
        get => field ??= ScenarioPrinter.Print(this);
        init;
    }
}

/// <summary>An option of a step.</summary>
/// <param name="Key">Its name.</param>
/// <param name="Value">What follows the equals sign; null for a bare word.</param>
public sealed record Option(string Key, Word? Value);

/// <summary>Somebody who makes calls: a task of its own.</summary>
/// <param name="Name">The name in the scenario; the first one is <c>main</c>.</param>
/// <param name="Ids">The ids it takes on when it appears; null leaves those of <c>main</c>.</param>
public sealed record Actor(string Name, UserIds? Ids)
{
    /// <summary>The maps of the user namespace that it lives in, a process with a mount namespace of its own; null for a task like main's.</summary>
    public UserMaps? Maps { get; init; }

    /// <summary>The actor of statements that name none: root.</summary>
    public static readonly Actor Main = new("main", null);
}

/// <summary>A range of kernel versions.</summary>
/// <param name="AtLeast">The first version, or null.</param>
/// <param name="Below">The first version that is too new, or null.</param>
public sealed record KernelRange(KernelVersion? AtLeast, KernelVersion? Below)
{
    /// <summary>Every kernel.</summary>
    public static readonly KernelRange All = new(null, null);

    /// <summary>True when the version is in the range.</summary>
    public bool Contains(KernelVersion version) => (AtLeast is not { } from || version >= from) && (Below is not { } to || version < to);

    /// <inheritdoc/>
    public override string ToString() => (AtLeast, Below) switch
    {
        ({ } from, { } to) => $">= {from.Line} < {to.Line}",
        ({ } from, null) => $">= {from.Line}",
        (null, { } to) => $"< {to.Line}",
        _ => "all",
    };
}
