using System.Text;
using DriverLab.Block;
using DriverLab.Block.Devices;
using DriverLab.Block.Faults;
using DriverLab.Emulator;
using DriverLab.Labs.Files;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;
using DriverLab.Nbd;
using DriverLab.Rig;
using DriverLab.Rig.Machines;
using DriverLab.Simulation;
using Microsoft.Win32.SafeHandles;

namespace DriverLab.Labs.Running;

/// <summary>A disk that is a device of an emulated kernel of its own, in this process, served over NBD on an abstract socket.</summary>
public sealed class EmulatedDisk : IDiskContent, IDisposable
{
    private const int FirstMinor = 64, Piece = 1 << 20;

    private readonly EmulatedKernel _kernel;
    private readonly DeviceGate _gate;
    private readonly NbdServer? _server;
    private readonly List<FileDisk> _files = [];
    private readonly List<FaultyDisk> _faulty = [];

    private EmulatedDisk(EmulatedKernel kernel, BlockDevice device, List<FileDisk> files, List<FaultyDisk> faulty, string name, bool serve, Action<string>? onTrouble)
    {
        (_kernel, Device, _files, _faulty) = (kernel, device, files, faulty);
        _gate = new(kernel.Internals.Block);
        Export = new(name, device) { Gate = _gate, Description = "emulated by DriverLab" };
        if (serve)
            _server = NbdServer.Start($"@driverlab-nbd-{Environment.ProcessId}-{Guid.NewGuid():n}", [Export], onTrouble);
    }

    /// <summary>The device.</summary>
    public BlockDevice Device { get; }

    /// <summary>The device as an export.</summary>
    public NbdExport Export { get; }

    /// <summary>The emulated kernel's log.</summary>
    public IReadOnlyList<string> Log => _gate.Run(() => _kernel.World.Log.Lines.ToArray());

    /// <summary>Boots an emulated kernel, makes its devices and tables, and serves the last one.</summary>
    /// <param name="name">The disk's name.</param>
    /// <param name="line">Kernel line that is emulated.</param>
    /// <param name="devices">RAM disks and files.</param>
    /// <param name="tables">Mapped devices, in their order; without any the first device is the disk.</param>
    /// <param name="serve">True to serve it on a socket of its own; false leaves that to the caller, with <see cref="Export"/>.</param>
    /// <param name="onTrouble">Told when the emulator says that something is not modelled.</param>
    /// <exception cref="RigUsageException">A table is refused; the sentence has the emulated kernel's own.</exception>
    public static EmulatedDisk Start(string name, string line, IReadOnlyList<EmulatedDeviceSpec> devices, IReadOnlyList<EmulatedTableSpec> tables, bool serve, Action<string>? onTrouble)
    {
        var version = KernelVersion.TryParse(line.Split('=')[0], out var known) ? known : throw new RigUsageException($"'{line}' is no kernel line; expected for example 6.12");
        var kernel = new EmulatedKernel(new KernelProfile(line, version), ModuleSet.Standard, new World(0));
        var layer = kernel.Internals.Block;
        var numbers = new Dictionary<string, DevT>();
        var files = new List<FileDisk>();
        var faulty = new List<FaultyDisk>();
        BlockDevice? device = null;
        foreach (var (spec, index) in devices.Select((spec, index) => (spec, (uint)index)))
        {
            BlockDevice made = spec.File is { } file ? FileDiskOf(layer, spec.Name, file, index, files) : new RamDisk(layer, FirstMinor + index, spec.Ram >> 9);
            layer.Devices.Add(made);
            if (spec.Faults is { } plan)
            {
                faulty.Add(new(made, new(241, index), spec.Name, plan));
                layer.Devices.Add(made = faulty[^1]);
            }
            numbers.Add(spec.Name, made.Number);
            device ??= made;
        }
        if (tables.Count > 0)
        {
            var control = kernel.OpenAt(Fd.Cwd, "/dev/mapper/control"u8, OpenFlags.O_RDWR, default).Value;
            foreach (var table in tables)
                device = layer.Devices.Find(numbers[table.Name] = MakeMapped(kernel, control, table, numbers))!;
            _ = kernel.Close(control);
        }
        return new(kernel, device!, files, faulty, name, serve, onTrouble);
    }

    /// <summary>The disk for a machine.</summary>
    public MachineDisk ForMachine(string name) =>
        new(name, Device.CapacityBytes, DiskFormat.Nbd, _server!.Address) { Export = Export.Name, Content = this };

    /// <inheritdoc/>
    public object Capture() => WithoutFaults(() =>
    {
        var pieces = new SortedDictionary<long, byte[]>();
        for (long at = 0; at < Device.CapacityBytes;)
        {
            long most = Math.Min(Piece, Device.CapacityBytes - at) >> 9, sectors = most;
            bool allocated = Device is not IReportsAllocation map || map.IsAllocated(at >> 9, most, out sectors);
            if (allocated)
            {
                byte[] bytes = new byte[sectors << 9];
                Move(BioOp.Read, at, bytes);
                if (bytes.AsSpan().ContainsAnyExcept((byte)0))
                    pieces.Add(at, bytes);
            }
            at += sectors << 9;
        }
        return pieces;
    });

    /// <inheritdoc/>
    public void Revert(object captured) => WithoutFaults(() =>
    {
        var pieces = (SortedDictionary<long, byte[]>)captured;
        long done = 0;
        foreach (var (at, bytes) in pieces)
        {
            Clear(done, at);
            Move(BioOp.Write, at, bytes);
            done = at + bytes.Length;
        }
        Clear(done, Device.CapacityBytes);
        return 0;
    });

    private T WithoutFaults<T>(Func<T> work) => _gate.Run(() =>
    {
        _faulty.ForEach(disk => disk.IsPaused = true);
        try
        {
            return work();
        }
        finally
        {
            _faulty.ForEach(disk => disk.IsPaused = false);
        }
    });

    /// <summary>Ends serving and closes files.</summary>
    public void Dispose()
    {
        _server?.Dispose();
        _gate.Dispose();
        _kernel.Dispose();
        foreach (var file in _files)
            file.Dispose();
    }

    /// <summary>Zeros what is not zero: what was never written stays unwritten.</summary>
    private void Clear(long from, long to)
    {
        byte[] bytes = new byte[Piece];
        while (from < to)
        {
            long most = Math.Min(Piece, to - from) >> 9, sectors = most;
            if (Device is not IReportsAllocation map || map.IsAllocated(from >> 9, most, out sectors))
            {
                byte[] part = sectors << 9 == Piece ? bytes : new byte[sectors << 9];
                Move(BioOp.Read, from, part);
                if (part.AsSpan().ContainsAnyExcept((byte)0))
                {
                    Array.Clear(part);
                    Move(BioOp.Write, from, part);
                }
            }
            from += sectors << 9;
        }
    }

    private void Move(BioOp op, long at, byte[] bytes)
    {
        var bio = Device.Layer.AllocBio();
        (bio.Device, bio.Op, bio.Sector, bio.Sectors, bio.Data) = (Device, op, at >> 9, bytes.Length >> 9, bytes);
        var status = Device.Layer.SubmitAndWait(bio);
        if (status != BlkStatus.OK)
            throw new RigException($"the emulated disk {Export.Name} cannot be {(op == BioOp.Read ? "read" : "written")} at {at}: {status.ToErrno()}");
    }

    private static FileDisk FileDiskOf(BlockLayer layer, string name, string file, uint index, List<FileDisk> files)
    {
        SafeFileHandle handle;
        try
        {
            handle = File.OpenHandle(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RigUsageException($"device {name}: {file} cannot be opened: {e.Message}");
        }
        // 240 to 254 are the kernel's numbers for local use.
        var disk = new FileDisk(layer, new(240, index), name, handle, readOnly: false);
        files.Add(disk);
        return disk;
    }

    private static DevT MakeMapped(EmulatedKernel kernel, Fd control, EmulatedTableSpec spec, Dictionary<string, DevT> numbers)
    {
        byte[] name = Encoding.UTF8.GetBytes(spec.Name);
        var rows = new List<DmRow>();
        foreach (string line in spec.Table.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            string text = numbers.Aggregate(line, (row, pair) => row.Replace("{" + pair.Key + "}", $"{pair.Value.Major}:{pair.Value.Minor}", StringComparison.Ordinal));
            string[] words = text.Split(' ', 4, StringSplitOptions.RemoveEmptyEntries);
            if (words.Length < 3 || !long.TryParse(words[0], out long start) || !long.TryParse(words[1], out long length))
                throw new RigUsageException($"table of {spec.Name}: '{line}' is no row; expected START LENGTH TARGET PARAMETERS");
            rows.Add(new(start, length, words[2], words.Length > 3 ? words[3] : ""));
        }
        var key = new DmKey(name);
        var created = kernel.DmCreate(control, name);
        Require(kernel, spec, "create", created.Error);
        Require(kernel, spec, "table", kernel.DmLoad(control, key, rows.ToArray()).Error);
        var resumed = kernel.DmResume(control, key);
        Require(kernel, spec, "resume", resumed.Error);
        foreach (string message in spec.Messages)
            Require(kernel, spec, $"message '{message}'", kernel.DmMessage(control, key, Encoding.UTF8.GetBytes(message)).Error);
        return DevT.Decode((uint)resumed.Value.Dev);
    }

    private static void Require(EmulatedKernel kernel, EmulatedTableSpec spec, string what, Errno error)
    {
        if (error != Errno.OK)
            throw new RigUsageException($"the emulated kernel refuses {what} of {spec.Name}: {error}{(kernel.World.Log.Lines is [.., var last] ? $" ({last})" : "")}");
    }
}
