using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using DriverLab.Conformance.Scenarios;
using DriverLab.Conformance.Verbs;
using DriverLab.Linux;

namespace DriverLab.Conformance.Running;

/// <summary>What a verb's action sees: the actor's task, its arguments, and the run's memory.</summary>
public sealed class StepContext
{
    private readonly Action _act;
    private readonly Func<string, string> _variable;
    private string _outcome = "";

    internal StepContext(RunState run)
    {
        Run = run;
        _variable = run.Variable;
        _act = () => _outcome = Step.Verb.Action(this);
    }

    internal RunState Run { get; }

    /// <summary>The step that is being made.</summary>
    public Step Step { get; private set; } = null!;

    /// <summary>The actor's task.</summary>
    public IKernel Task { get; internal set; } = null!;

    /// <summary>The number of positional arguments.</summary>
    public int Count => Step.Arguments.Count;

    /// <summary>The call that the actor has in the background, or null.</summary>
    internal RunningCall? Background => Run.Calls.Count == 0 ? null : Run.Calls.GetValueOrDefault(Step.Actor.Name);

    private int _details;

    internal void Enter(Step step, IKernel task)
    {
        Step = step;
        Task = task;
        _details = 0;
        _pending.Clear();
    }

    /// <summary>Lets the actor's task make the call.</summary>
    /// <returns>Its outcome.</returns>
    internal string Act()
    {
        Task.Run(_act);
        return _outcome;
    }

    private readonly List<(string Key, string Text)> _pending = [];

    /// <summary>Adds a line of detail below the step's outcome.</summary>
    public void Detail(string key, string text) => _pending.Add((key, text));

    /// <summary>Takes the lines of detail of this step back: the call failed after all.</summary>
    internal void DropDetails() => _pending.Clear();

    internal void FlushDetails(ITraceSink sink)
    {
        if (_pending.Count == 0)
            return;
        foreach (var (key, text) in _pending)
            sink.Detail(Step, ++_details, key, text);
        _pending.Clear();
    }

    /// <summary>Takes over the details and the result of a call that has ended.</summary>
    internal void TakeOver(StepContext call)
    {
        _pending.AddRange(call._pending);
        if (call.Step.Result is { } name && call._result is { } value)
            Run.SetVariable(name, value, call.Step.Verb.Returns == "fd");
    }

    private string? _result;

    /// <summary>Sets the step's result variable, if it has one; of a call in the background when somebody has waited for it.</summary>
    public void SetResult(string value)
    {
        _result = value;
        if (Step is { Result: { } name, IsBackground: false })
            Run.SetVariable(name, value, Step.Verb.Returns == "fd");
    }

    /// <summary>Sets the step's result variable to a new descriptor, or to one that is no descriptor when the call failed.</summary>
    public string SetResult(SysResult<Fd> result)
    {
        SetResult((result.IsOk ? result.Value : Linux.Fd.None).Value.ToString(CultureInfo.InvariantCulture));
        return result.IsOk ? "ok fd" : Render.Of(result.Error);
    }

    // ---- arguments ---------------------------------------------------------------------------------------------------------------

    /// <summary>The bytes of an argument.</summary>
    public byte[] Bytes(int index) => Expand(Step.Arguments[index]);

    /// <summary>The bytes of an argument for a call that takes data: on a page boundary, and there until the next call takes the room.</summary>
    public ReadOnlySpan<byte> Data(int index) => Step.Arguments[index].ExpandAligned(_variable);

    /// <summary>The text of an argument.</summary>
    public string Text(int index) => Text(Step.Arguments[index]);

    /// <summary>The text of an argument, or another when it was left out.</summary>
    public string Text(int index, string absent) => index < Count ? Text(index) : absent;

    /// <summary>A number.</summary>
    public long Number(int index) => InRange(Step.Verb.Parameters[Math.Min(index, Step.Verb.Parameters.Count - 1)], ToNumber(Step.Arguments[index]));

    /// <summary>A number, or another when it was left out.</summary>
    public long Number(int index, long absent) => index < Count ? Number(index) : absent;

    /// <summary>An octal mode, or another when it was left out.</summary>
    public Linux.Abi.Mode Mode(int index, Linux.Abi.Mode absent) => index < Count ? ToMode(Step.Arguments[index]) : absent;

    /// <summary>Flags; none when left out.</summary>
    public T Flags<T>(int index) where T : struct, Enum => index < Count ? ToFlags<T>(Step.Arguments[index]) : default;

    /// <summary>A time span in nanoseconds.</summary>
    public long Duration(int index) => Numbers.TryDuration(Text(index), out long ns) ? ns : 0;

    /// <summary>A descriptor.</summary>
    public Fd Fd(int index) => ToFd(Step.Arguments[index]);

    /// <summary>True when an argument of kind <c>Target</c> is a descriptor and not a path.</summary>
    public bool IsFd(int index)
    {
        var word = Step.Arguments[index];
        return !word.IsQuoted && word.IsConstant && (Run.Variables.ContainsKey(word.Text) || word.Text == "closed");
    }

    // ---- options -----------------------------------------------------------------------------------------------------------------

    /// <summary>True when the option or switch is there.</summary>
    public bool Has(string key) => Find(key) is not null;

    /// <summary>A number, or another when it was left out.</summary>
    public long Number(string key, long absent) => Find(key)?.Value is { } word ? ToNumber(word) : absent;

    /// <summary>A text, or another when it was left out.</summary>
    public string Text(string key, string absent) => Find(key)?.Value is { } word ? Text(word) : absent;

    /// <summary>The bytes of an option, or null when it was left out.</summary>
    public byte[]? Bytes(string key) => Find(key)?.Value is { } word ? Expand(word) : null;

    /// <summary>An octal mode, or another when it was left out.</summary>
    public Linux.Abi.Mode Mode(string key, Linux.Abi.Mode absent) => Find(key)?.Value is { } word ? ToMode(word) : absent;

    /// <summary>Flags; none when left out.</summary>
    public T Flags<T>(string key) where T : struct, Enum => Find(key)?.Value is { } word ? ToFlags<T>(word) : default;

    /// <summary>A descriptor; the working directory when left out.</summary>
    public Fd Fd(string key) => Find(key)?.Value is { } word ? ToFd(word) : Linux.Fd.Cwd;

    /// <summary>The bytes that a word stands for.</summary>
    public byte[] Expand(Word word) => word.Expand(_variable);

    private string Text(Word word) => word.IsConstant && word.Segments is [] or [{ Kind: SegmentKind.Literal }] ? word.Text : Encoding.UTF8.GetString(Expand(word));

    private Option? Find(string key)
    {
        var options = Step.Options;
        for (int i = 0; i < options.Count; i++)
        {
            if (options[i].Key == key)
                return options[i];
        }
        return null;
    }

    /// <summary>What a word means: found out once for a constant word, because scenarios are run on several kernels and fuzzing runs little else.</summary>
    private T Meaning<T>(Word word, Func<Word, string, T> read) where T : struct
    {
        if (!word.IsConstant)
            return read(word, Text(word));
        if (word.Value is T known)
            return known;
        T value = read(word, Text(word));
        word.Value = value;
        return value;
    }

    private long ToNumber(Word word) =>
        Meaning(word, static (word, text) => Numbers.TryParse(text, out long value) ? value : throw new ScenarioRunException($"'{word.Source}' holds no number"));

    /// <summary>The parser looks at words that are constant; a variable's number is known now.</summary>
    private static long InRange(Parameter parameter, long value) => value >= parameter.Range.Least && value <= parameter.Range.Most ? value
        : throw new ScenarioRunException($"{value} is out of range for {parameter.Name.ToUpperInvariant()}; expected {parameter.Range.Least} to {parameter.Range.Most}");

    private Linux.Abi.Mode ToMode(Word word) =>
        Meaning(word, static (word, text) => Numbers.TryMode(text, out ushort mode) ? (Linux.Abi.Mode)mode : throw new ScenarioRunException($"'{word.Source}' holds no mode"));

    private Fd ToFd(Word word)
    {
        string text = Text(word);
        if (word.IsConstant && text == "cwd")
            return Linux.Fd.Cwd;
        if (word.IsConstant && text == "closed")
            return Linux.Fd.None;
        if (word.IsConstant && Run.HoldsNoDescriptor(text))
            throw new ScenarioRunException($"'{word.Source}' holds no descriptor");
        if (word.IsConstant && Run.Variables.TryGetValue(text, out var value))
            text = value;
        return int.TryParse(text, out int number) ? new(number) : throw new ScenarioRunException($"'{word.Source}' holds no descriptor");
    }

    private T ToFlags<T>(Word word) where T : struct, Enum => Meaning(word, static (word, text) =>
    {
        long value = 0;
        foreach (var name in text.Split('|', ','))
        {
            if (Enum.TryParse<T>(name, out var flag) && !char.IsAsciiDigit(name[0]))
                value |= FromEnum(flag);
            else if (Numbers.TryParse(name, out long number))
                value |= number;
            else
                throw new ScenarioRunException($"'{name}' is no flag");
        }
        return ToEnum<T>(value);
    });

    private static long FromEnum<T>(T value) where T : struct, Enum => Unsafe.SizeOf<T>() switch
    {
        1 => Unsafe.BitCast<T, byte>(value),
        2 => Unsafe.BitCast<T, ushort>(value),
        4 => Unsafe.BitCast<T, uint>(value),
        _ => Unsafe.BitCast<T, long>(value),
    };

    private static T ToEnum<T>(long value) where T : struct, Enum => Unsafe.SizeOf<T>() switch
    {
        1 => Unsafe.BitCast<byte, T>((byte)value),
        2 => Unsafe.BitCast<ushort, T>((ushort)value),
        4 => Unsafe.BitCast<uint, T>((uint)value),
        _ => Unsafe.BitCast<long, T>(value),
    };
}

/// <summary>A step that cannot be made because of the scenario itself, not of the kernel.</summary>
/// <param name="problem">What is wrong.</param>
public sealed class ScenarioRunException(string problem) : Exception(problem);
