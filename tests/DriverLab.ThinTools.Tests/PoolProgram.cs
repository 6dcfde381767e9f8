using System.Text;

namespace DriverLab.ThinTools.Tests;

/// <summary>
/// Work on a pool whose disks are <c>/dev/vda</c> (metadata) and <c>/dev/vdb</c> (data), as scenarios that follow each other: each activates the pool and its thin devices, shows what they
/// hold, works on them, shows it again and takes everything down. A seed decides all of it.
/// </summary>
internal sealed class PoolProgram(int seed)
{
    public const int BlockBytes = 65536, DataBlocks = 2048, ThinBlocks = 288, MetadataBytes = 4 << 20;
    private const int MostDevices = 4, MostRun = 16;

    private readonly Random _random = new(seed);
    private readonly List<int> _devices = [];
    private readonly HashSet<int> _used = [];
    private StringBuilder _text = new();
    private int _transaction, _tag;
    private bool _isHeld;

    /// <summary>Messages that the pool does not know, around what shows the content: they mark it in the trace.</summary>
    public const string Before = "show-before", After = "show-after", Shown = "all-is-shown";

    /// <summary>The next scenario.</summary>
    public string Next(int steps)
    {
        _text = new();
        Add("suite dm\nneeds dm-thin-pool");
        Add($"p = dm create pool \"0 {DataBlocks * 128} thin-pool /dev/vda /dev/vdb 128 0\"");
        foreach (int id in _devices)
            Activate(id);
        Show(Before);
        while (_devices.Count < 2)
            Create();
        for (int i = 0; i < steps; i++)
            Step();
        Show(After);
        foreach (int id in _devices)
            Deactivate(id);
        Add("dm remove pool");
        return _text.ToString();
    }

    private void Add(string line) => _text.Append(line).Append('\n');

    private void Activate(int id) => Add($"t{id} = dm create t{id} \"0 {ThinBlocks * 128} thin $p {id}\" ; f{id} = open $t{id} O_RDWR|O_DIRECT");

    private void Deactivate(int id) => Add($"close f{id} ; dm remove t{id}");

    private void Show(string moment)
    {
        Add($"dm message pool {moment}");
        foreach (int id in _devices)
            Add($"fsync f{id} ; dm status t{id} ; digest $t{id} chunk={BlockBytes}");
        Add($"dm status pool ; dm message pool {Shown}");
    }

    private void Step()
    {
        int id = _devices[_random.Next(_devices.Count)];
        switch (_random.Next(24))
        {
            case < 9:
                WriteWhole(id);
                break;
            case < 12:
                WritePart(id);
                break;
            case < 15:
                Discard(id);
                break;
            case < 16:
                Add($"blk zeroout t{id} {Block() * BlockBytes} {BlockBytes}");
                break;
            case < 18 when _devices.Count < MostDevices:
                Snapshot(id);
                break;
            case < 19 when _devices.Count < MostDevices:
                Create();
                break;
            case < 20 when _devices.Count > 2:
                Delete(id);
                break;
            case < 21:
                Add($"fsync f{id}");
                break;
            case < 22:
                Add(_isHeld ? "dm message pool release_metadata_snap" : "dm message pool reserve_metadata_snap");
                _isHeld = !_isHeld;
                break;
            case < 23:
                Add($"dm message pool \"set_transaction_id {_transaction} {_transaction + 1}\"");
                _transaction++;
                break;
            default:
                Add($"dm status t{id} ; dm status pool");
                break;
        }
    }

    private int Block() => _random.Next(ThinBlocks);

    private string Tag() => $"{(char)('a' + _tag / 26 % 26)}{(char)('a' + _tag++ % 26)}";

    private void WriteWhole(int id)
    {
        int at = Block(), count = Math.Min(1 + _random.Next(MostRun), ThinBlocks - at);
        Add($"pwrite f{id} {{{Tag()}*{count * BlockBytes / 2}}} {(long)at * BlockBytes}");
    }

    private void WritePart(int id) => Add($"pwrite f{id} {{{Tag()}*2048}} {(long)Block() * BlockBytes + 4096 * _random.Next(16)}");

    private void Discard(int id)
    {
        long at = 4096L * _random.Next(ThinBlocks * 16 - 1), length = Math.Min(4096L * (1 + _random.Next(16 * 24)), (long)ThinBlocks * BlockBytes - at);
        if (_random.Next(2) == 0)
            (at, length) = (at / BlockBytes * BlockBytes, (length + BlockBytes - 1) / BlockBytes * BlockBytes);
        Add($"blk discard t{id} {at} {Math.Min(length, (long)ThinBlocks * BlockBytes - at)}");
    }

    private int NewId()
    {
        int id;
        do
            id = _random.Next(1000);
        while (!_used.Add(id));
        return id;
    }

    private void Create()
    {
        int id = NewId();
        Add($"dm message pool \"create_thin {id}\"");
        _devices.Add(id);
        Activate(id);
    }

    private void Snapshot(int origin)
    {
        int id = NewId();
        Add($"dm suspend t{origin} ; dm message pool \"create_snap {id} {origin}\" ; dm resume t{origin}");
        _devices.Add(id);
        Activate(id);
    }

    private void Delete(int id)
    {
        Deactivate(id);
        Add($"dm message pool \"delete {id}\"");
        _ = _devices.Remove(id);
    }
}
