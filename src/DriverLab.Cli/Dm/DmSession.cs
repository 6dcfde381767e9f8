using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using DriverLab.Block.Devices;
using DriverLab.Emulator;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;
using DriverLab.Simulation;

namespace DriverLab.Cli.Dm;

/// <summary>A device as it is kept between two runs of the command.</summary>
internal sealed record KeptDevice(string Name, string Uuid, uint Minor, uint Events, bool Suspended, string[]? Live, bool LiveReadOnly, string[]? Inactive, bool InactiveReadOnly, bool DeferredRemove = false);

/// <summary>What a folder keeps: the kernel's line, the files that serve as disks in the order of their numbers, and the mapped devices.</summary>
internal sealed record KeptState(string Kernel, List<string> Disks, List<KeptDevice> Devices);

[JsonSourceGenerationOptions(WriteIndented = true)]
[JsonSerializable(typeof(KeptState))]
internal sealed partial class KeptStateJson : JsonSerializerContext;

/// <summary>
/// An emulated kernel that lives in a folder: each run boots it, makes the mapped devices again, does one thing and writes down what there is. Disks are files of this machine; a thin
/// pool's metadata are in them, as on a real machine.
/// </summary>
internal sealed class DmSession : IDisposable
{
    private const string FileName = "dm.json";
    private const uint DiskMajor = 7;
    private readonly string _folder;
    private readonly KeptState _state;
    private readonly EmulatedKernel _kernel;
    private readonly List<FileDisk> _disks = [];

    private DmSession(string folder, KeptState state)
    {
        _folder = folder;
        _state = state;
        _kernel = new(Targets.Profiles.Of(state.Kernel), ModuleSet.Standard.Without("loop"), new World(0));
        for (int i = 0; i < state.Disks.Count; i++)
            AddDisk(i);
        var control = _kernel.OpenAt(Fd.Cwd, "/dev/mapper/control"u8, OpenFlags.O_RDWR, Mode.None);
        Control = control.Value;
        Restore();
    }

    public IKernel Kernel => _kernel;

    /// <summary>The descriptor of /dev/mapper/control.</summary>
    public Fd Control { get; }

    /// <summary>The kernel's log since the state was restored.</summary>
    public IEnumerable<string> Log => _kernel.World.Log.Lines.Skip(_logStart);

    private int _logStart;

    /// <summary>Opens a folder, which need not exist.</summary>
    public static DmSession Open(string folder, string? kernel)
    {
        string path = Path.Combine(folder, FileName);
        KeptState? kept = null;
        try
        {
            if (File.Exists(path))
                kept = JsonSerializer.Deserialize(File.ReadAllText(path), KeptStateJson.Default.KeptState);
        }
        catch (JsonException e)
        {
            throw new UsageException($"{path} is no state of 'driverlab dm' ({e.Message}); name another folder with --state");
        }
        if (kept is not null && kernel is not null && kernel != kept.Kernel)
            throw new UsageException($"{path} belongs to kernel {kept.Kernel}, not {kernel}; name another folder with --state");
        return new(folder, kept ?? new(kernel ?? "6.12", [], []));
    }

    // ---- disks -------------------------------------------------------------------------------------------------------------------

    private void AddDisk(int index)
    {
        string path = _state.Disks[index];
        try
        {
            var handle = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite);
            var disk = new FileDisk(_kernel.Internals.Block, new(DiskMajor, (uint)index), $"loop{index}", handle, readOnly: false);
            _disks.Add(disk);
            _kernel.Internals.Block.Devices.Add(disk);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"disk {path} cannot be opened: {e.Message}");
        }
    }

    /// <summary>The name that a device has in /dev.</summary>
    public string NodeName(DevT number) => _kernel.Internals.Block.Devices.Find(number)?.Name ?? $"{number.Major}:{number.Minor}";

    /// <summary>Words of a table that name files of this machine become device numbers; so do names of mapped devices below /dev/mapper.</summary>
    public string Resolve(string parameters) => string.Join(' ', parameters.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(ResolveWord));

    private string ResolveWord(string word)
    {
        const string mapper = "/dev/mapper/";
        if (word.StartsWith(mapper, StringComparison.Ordinal) && Kernel.DmInfo(Control, Encoding.UTF8.GetBytes(word[mapper.Length..])) is { IsOk: true, Value: var info })
            return info.DevT.ToString();
        if (!word.Contains('/') || !File.Exists(word))
            return word;
        string path = Path.GetFullPath(word);
        int index = _state.Disks.IndexOf(path);
        if (index < 0)
        {
            index = _state.Disks.Count;
            _state.Disks.Add(path);
            AddDisk(index);
        }
        return new DevT(DiskMajor, (uint)index).ToString();
    }

    // ---- keeping -----------------------------------------------------------------------------------------------------------------

    private void Restore()
    {
        foreach (var device in _state.Devices)
            _ = Kernel.DmCreate(Control, Encoding.UTF8.GetBytes(device.Name), Encoding.UTF8.GetBytes(device.Uuid), (int)device.Minor);
        var waiting = new List<KeptDevice>(_state.Devices);
        for (int left = waiting.Count + 1; waiting.Count > 0 && waiting.Count < left;)
        {
            left = waiting.Count;
            _ = waiting.RemoveAll(TryRestore);
        }
        if (waiting.Count > 0)
            throw new UsageException($"the table of {waiting[0].Name} in {_folder} cannot be loaded again: {(_kernel.World.Log.Lines is [.., var last] ? last : "")}");
        foreach (var device in _state.Devices)
        {
            if (device.Inactive is not null)
                _ = Kernel.DmLoad(Control, Encoding.UTF8.GetBytes(device.Name), Rows(device.Inactive), device.InactiveReadOnly);
            if (device.Suspended)
                _ = Kernel.DmSuspend(Control, Encoding.UTF8.GetBytes(device.Name));
            _kernel.Internals.DeviceMapper!.Devices[device.Name].SetEventCount(device.Events);
        }
        foreach (var device in _state.Devices.Where(static d => d.DeferredRemove))
            _ = Kernel.DmRemove(Control, Encoding.UTF8.GetBytes(device.Name), DmFlags.DM_DEFERRED_REMOVE);
        _logStart = _kernel.World.Log.Lines.Count;
    }

    private bool TryRestore(KeptDevice device)
    {
        byte[] name = Encoding.UTF8.GetBytes(device.Name);
        return device.Live is null || (Kernel.DmLoad(Control, name, Rows(device.Live), device.LiveReadOnly).IsOk && Kernel.DmResume(Control, name).IsOk);
    }

    private static DmRow[] Rows(string[] lines) => [.. lines.Select(static l => DmsetupTable.TryParse(l, out var row) ? row : throw new UsageException($"'{l}' is no line of a table"))];

    /// <summary>Writes down what there is now; pools commit.</summary>
    public void Save()
    {
        _state.Devices.Clear();
        foreach (var entry in Kernel.DmList(Control).Value.OrderBy(e => e.Dev.Minor))
        {
            byte[] name = Encoding.UTF8.GetBytes(entry.Name);
            _ = Kernel.DmTableStatus(Control, name);
            var info = Kernel.DmInfo(Control, name).Value;
            bool inactiveReadOnly = Kernel.DmInfo(Control, name, DmFlags.DM_QUERY_INACTIVE_TABLE_FLAG).Value.Has(DmFlags.DM_READONLY_FLAG);
            _state.Devices.Add(new(entry.Name, Encoding.UTF8.GetString(info.UuidSpan), entry.Dev.Minor, info.EventNr, info.Has(DmFlags.DM_SUSPEND_FLAG),
                Table(name, DmFlags.None), info.Has(DmFlags.DM_READONLY_FLAG), Table(name, DmFlags.DM_QUERY_INACTIVE_TABLE_FLAG), inactiveReadOnly, info.Has(DmFlags.DM_DEFERRED_REMOVE)));
        }
        _ = Directory.CreateDirectory(_folder);
        string path = Path.Combine(_folder, FileName);
        File.WriteAllText(path + ".new", JsonSerializer.Serialize(_state, KeptStateJson.Default.KeptState));
        File.Move(path + ".new", path, overwrite: true);
    }

    private string[]? Table(byte[] name, DmFlags flags)
    {
        var rows = Kernel.DmTable(Control, name, flags).Value.Rows;
        return rows.Count == 0 ? null : [.. rows.Select(static r => r.ToString())];
    }

    public void Dispose()
    {
        _ = Kernel.DmRemoveAll(Control); // ends pools as a shutdown does
        _kernel.Dispose();
        foreach (var disk in _disks)
            disk.Dispose();
    }
}
