using DriverLab.Conformance.Scenarios;
using DriverLab.Linux;

namespace DriverLab.Conformance.Running;

/// <summary>What a run remembers between steps.</summary>
internal sealed class RunState(Scenario scenario, Sandbox sandbox)
{
    public Scenario Scenario { get; } = scenario;

    public Sandbox Sandbox { get; } = sandbox;

    public Dictionary<string, string> Variables { get; } = [];

    private readonly HashSet<string> _noDescriptors = [];

    /// <summary>Gives a variable its value.</summary>
    public void SetVariable(string name, string value, bool isDescriptor)
    {
        Variables[name] = value;
        _ = isDescriptor ? _noDescriptors.Remove(name) : _noDescriptors.Add(name);
    }

    /// <summary>True for a variable that holds something else, such as a mapping or a watch, whose number could be that of a descriptor.</summary>
    public bool HoldsNoDescriptor(string name) => _noDescriptors.Contains(name);

    public Labels Labels { get; } = new();

    public StepClock Clock { get; } = new();

    /// <summary>Storage drivers by name, once opened.</summary>
    public Dictionary<string, StorageDrivers.IStorageDriver> Drivers { get; } = [];

    /// <summary>What names of devices begin with that devicemapper drivers make.</summary>
    public HashSet<string> ThinHomes { get; } = [];

    /// <summary>Archives that the scenario makes, by name.</summary>
    public Dictionary<string, LayerArchive> Layers { get; } = [];

    /// <summary>Archives from outside.</summary>
    public ILayerAssets Assets { get; init; } = new NoLayerAssets();

    /// <summary>Calls in the background by actor, until somebody has been told how they ended.</summary>
    public Dictionary<string, RunningCall> Calls { get; } = [];

    /// <summary>Tasks by actor. An actor whose task waits for ever, or has gone, has none.</summary>
    public Dictionary<string, IKernel?> Tasks { get; } = [];

    public string Variable(string name) => Variables.TryGetValue(name, out var value) ? value : throw new ScenarioRunException($"variable '${name}' has no value");
}

/// <summary>Turns time stamps into the steps that set them, in scenarios with <c>times</c>.</summary>
/// <remarks>The kernel stamps inodes with a coarse clock that is up to a tick (4 ms at 250 Hz, 10 ms at 100 Hz) behind. Waiting a tick before and after taking the start of a
/// step makes every stamp fall into the step that caused it; the label is then the same on every kernel.</remarks>
internal sealed class StepClock
{
    /// <summary>A bit more than the longest tick.</summary>
    private const long TickNs = 11_000_000;

    private readonly List<long> _starts = [];
    private long _begin;

    public bool IsOn { get; private set; }

    public void Start(IKernel kernel)
    {
        IsOn = true;
        _begin = kernel.ClockGetTimeNs(Linux.Abi.ClockId.CLOCK_REALTIME);
    }

    public void Enter(IKernel kernel)
    {
        if (!IsOn)
            return;
        kernel.Sleep(TickNs);
        _starts.Add(kernel.ClockGetTimeNs(Linux.Abi.ClockId.CLOCK_REALTIME));
        kernel.Sleep(TickNs);
    }

    /// <summary><c>s4</c> for a stamp of the fourth step, <c>before</c> for one of a past that is near, the number itself for a time that was set.</summary>
    public string Label(long timeNs)
    {
        const long NearNs = 3_600L * 1_000_000_000;
        if (_starts.Count == 0 || timeNs < _begin - NearNs || timeNs > _starts[^1] + NearNs)
        {
            var t = Linux.Abi.Timespec.FromNs(timeNs);
            return $"{t.Seconds}.{t.Nanoseconds:d9}";
        }
        int step = _starts.Count;
        while (step > 0 && timeNs < _starts[step - 1])
            step--;
        return step == 0 ? "before" : $"s{step}";
    }
}
