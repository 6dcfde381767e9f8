using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using DriverLab.Labs.Files;
using DriverLab.Rig;
using DriverLab.Rig.Cache;
using DriverLab.Rig.Images;
using DriverLab.Rig.Images.Roots;
using DriverLab.Rig.Machines;

namespace DriverLab.Labs.Running;

/// <summary>What a step showed.</summary>
/// <param name="Step">The step.</param>
/// <param name="Output">Output and errors of its commands, in the order in which they came.</param>
/// <param name="Status">Their exit status.</param>
/// <param name="Fault">What was not as expected, in a sentence; null when all was.</param>
public sealed record StepResult(StepSpec Step, string Output, int Status, string? Fault);

/// <summary>A lab that is up: its machines and their disks, in this process. Disposing takes it down, and so does the end of the process, whatever ends it.</summary>
/// <example><code>
/// await using var lab = await Lab.StartAsync(LabFile.Read("docker-2014.yaml"));
/// var faults = (await lab.RunStepsAsync()).Where(step => step.Fault is not null);
/// </code></example>
public sealed class Lab : IAsyncDisposable
{
    private readonly RealKernels _kernels;
    private readonly Dictionary<string, Machine> _machines = [];
    private readonly List<IDisposable> _owned = [];
    private readonly List<string> _snapshots = [];

    private Lab(LabFile file, RealKernels kernels) => (File, _kernels) = (file, kernels);

    /// <summary>What it was made from.</summary>
    public LabFile File { get; }

    /// <summary>Its machines by name.</summary>
    public IReadOnlyDictionary<string, Machine> Machines => _machines;

    /// <summary>Names of its snapshots, the oldest first.</summary>
    public IReadOnlyList<string> Snapshots => _snapshots;

    /// <summary>Starts the machines and sets them up.</summary>
    /// <exception cref="RigUsageException">Something that the file names is not there.</exception>
    /// <exception cref="RigException">The environment lacks something, or a setup item failed; the sentence has the file's line and what the machine said.</exception>
    public static async Task<Lab> StartAsync(LabFile file, RealKernels? kernels = null, IProgress<string>? progress = null, CancellationToken cancellation = default)
    {
        var lab = new Lab(file, kernels ?? RealKernels.OfUser());
        try
        {
            foreach (var machine in file.Machines)
                await lab.StartAsync(machine, progress, cancellation).ConfigureAwait(false);
            return lab;
        }
        catch
        {
            await lab.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>A machine by name; with null, the only one.</summary>
    /// <exception cref="RigUsageException">There is none, or several.</exception>
    public Machine MachineOf(string? name)
    {
        if (name is null && _machines.Count == 1)
            return _machines.Values.Single();
        return name is not null && _machines.TryGetValue(name, out var machine) ? machine
            : throw new RigUsageException($"{(name is null ? "there are several machines" : $"there is no machine '{name}'")} in lab {File.Name}; expected one of {string.Join(", ", _machines.Keys)}");
    }

    /// <summary>Runs the steps, all of them; what is not as expected is told in the results.</summary>
    /// <param name="onStep">Told each result as soon as it is there.</param>
    /// <param name="cancellation">Stops after a kill of the step's commands.</param>
    public async Task<IReadOnlyList<StepResult>> RunStepsAsync(Action<StepResult>? onStep = null, CancellationToken cancellation = default)
    {
        var results = new List<StepResult>();
        foreach (var step in File.Steps)
        {
            var result = await RunAsync(step, cancellation).ConfigureAwait(false);
            results.Add(result);
            onStep?.Invoke(result);
        }
        return results;
    }

    /// <summary>Keeps all machines, one after the other, with their disks.</summary>
    public async Task SnapshotAsync(string name, CancellationToken cancellation = default)
    {
        foreach (var machine in _machines.Values)
            await machine.SnapshotAsync(name, cancellation).ConfigureAwait(false);
        _ = _snapshots.Remove(name);
        _snapshots.Add(name);
    }

    /// <summary>Goes back to a snapshot with all machines and disks.</summary>
    /// <exception cref="RigUsageException">There is no such snapshot.</exception>
    public async Task RevertAsync(string name, CancellationToken cancellation = default)
    {
        foreach (var machine in _machines.Values)
            await machine.RevertAsync(name, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var machine in _machines.Values)
            await machine.DisposeAsync().ConfigureAwait(false);
        foreach (var owned in _owned)
            owned.Dispose();
    }

    private async Task StartAsync(MachineSpec spec, IProgress<string>? progress, CancellationToken cancellation)
    {
        var root = spec.Root is null ? null : await new RootImages(_kernels.Cache).GetAsync(spec.Root["debian-".Length..], progress, cancellation).ConfigureAwait(false);
        var request = new MachineRequest
        {
            MemoryMiB = (int)(spec.Memory >> 20),
            Cpus = spec.Cpus,
            Root = root,
            Recipe = root is null ? new ImageRecipe { Tools = [.. SetupCommands.ToolsOf(spec)] } : new(),
            Disks = [.. spec.Disks.Select(disk => DiskOf(spec, disk, progress))],
        };
        progress?.Report($"{spec.Name}: starting kernel {spec.Kernel}");
        var kernel = await _kernels.Kernels.GetAsync(spec.Kernel, progress, cancellation).ConfigureAwait(false);
        var machine = await Machine.StartAsync(_kernels, kernel, request, progress, cancellation).ConfigureAwait(false);
        _machines.Add(spec.Name, machine);
        progress?.Report(string.Create(CultureInfo.InvariantCulture, $"{spec.Name}: {machine.Hello.Release}, {machine.Accelerator.Name}, {(machine.Restored ? "went on" : "booted")} in {machine.BootTime.TotalSeconds:0.0} s"));
        await SetUpAsync(machine, spec, SetupCommands.Disks([.. spec.Disks.Select(disk => disk.Name)], root is null ? 0 : 1), "its disks", cancellation).ConfigureAwait(false);
        var modules = new ModuleTree(kernel.Modules);
        foreach (string module in spec.Modules.Where(name => !modules.IsBuiltIn(name)))
            await SetUpAsync(machine, spec, $"/sbin/modprobe {module}", $"module {module}", cancellation).ConfigureAwait(false);
        foreach (var item in spec.Setup)
        {
            progress?.Report($"{spec.Name}: {Describe(item)}");
            if (item is FileSpec file)
                await PutAsync(machine, file, cancellation).ConfigureAwait(false);
            else
                await SetUpAsync(machine, spec, SetupCommands.Of(item, name => DevicePath(spec, name))!, string.Create(CultureInfo.InvariantCulture, $"{Describe(item)} ({File.File}:{item.Line})"), cancellation).ConfigureAwait(false);
        }
    }

    private static async Task SetUpAsync(Machine machine, MachineSpec spec, string commands, string what, CancellationToken cancellation)
    {
        var result = await machine.RunAsync(commands, cancellation).ConfigureAwait(false);
        if (result.Status != 0)
        {
            var log = await machine.RunAsync("dmesg | tail -5", cancellation).ConfigureAwait(false);
            throw new RigException($"machine {spec.Name}: {what} could not be set up (status {result.Status}): {(result.Errors + result.Output).Trim()}\ncommands: {commands}\nkernel log:\n{log.Output.TrimEnd()}");
        }
    }

    private async Task PutAsync(Machine machine, FileSpec file, CancellationToken cancellation)
    {
        if (file.From is { } from)
            await machine.CopyInAsync(File.Resolve(from), file.Path, null, cancellation).ConfigureAwait(false);
        else
            await machine.PutFileAsync(file.Path, Encoding.UTF8.GetBytes(file.Content ?? ""), file.Mode, cancellation).ConfigureAwait(false);
    }

    private MachineDisk DiskOf(MachineSpec machine, DiskSpec disk, IProgress<string>? progress)
    {
        switch (disk.Kind)
        {
            case DiskKind.File when disk.File is { } name:
                string file = File.Resolve(name);
                try
                {
                    using var stream = new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite);
                    if (stream.Length < disk.Size)
                        stream.SetLength(disk.Size);
                    return new(disk.Name, stream.Length, DiskFormat.Raw, file);
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    throw new RigUsageException($"disk {disk.Name}: {file} cannot be made: {e.Message}");
                }
            case DiskKind.File:
                var unnamed = new AnonymousFile(_kernels.Cache.Folder("runs"));
                _owned.Add(unnamed);
                unnamed.SetLength(disk.Size);
                return new(disk.Name, disk.Size, DiskFormat.Raw, unnamed.Path);
            case DiskKind.Ram or DiskKind.Emulated:
            default:
                var devices = disk.Kind == DiskKind.Ram ? [new EmulatedDeviceSpec(disk.Name, disk.Size, null)] : disk.Devices.Select(device => device with { File = device.File is null ? null : File.Resolve(device.File) }).ToList();
                var emulated = EmulatedDisk.Start(disk.Name, machine.Kernel, devices, disk.Tables, serve: true, trouble => progress?.Report($"{machine.Name}: disk {trouble}"));
                _owned.Add(emulated);
                return emulated.ForMachine(disk.Name);
        }
    }

    private async Task<StepResult> RunAsync(StepSpec step, CancellationToken cancellation)
    {
        if (step.Snapshot is { } snapshot)
            await SnapshotAsync(snapshot, cancellation).ConfigureAwait(false);
        if (step.Revert is { } revert)
            await RevertAsync(revert, cancellation).ConfigureAwait(false);
        if (step.Run is null)
            return new(step, "", 0, null);
        using var bytes = new MemoryStream();
        int status = await _machines[step.Machine].ExecAsync(["sh", "-c", step.Run], new ExecStreams(part =>
        {
            lock (bytes)
                bytes.Write(part);
        }), cancellation).ConfigureAwait(false);
        string output = Encoding.UTF8.GetString(bytes.ToArray());
        return new(step, output, status, Fault(step.Expect, status, output));
    }

    private static string? Fault(ExpectSpec expect, int status, string output)
    {
        if (status != expect.Status)
            return string.Create(CultureInfo.InvariantCulture, $"exit status {status}; expected {expect.Status}");
        if (expect.Output is { } whole && Trimmed(whole) != Trimmed(output))
            return $"the output is not what was expected:\n{Trimmed(whole)}";
        if (expect.Contains.FirstOrDefault(piece => !output.Contains(piece, StringComparison.Ordinal)) is { } missing)
            return $"the output has no '{missing}'";
        if (expect.Lacks.FirstOrDefault(piece => output.Contains(piece, StringComparison.Ordinal)) is { } present)
            return $"the output has '{present}', which it must not";
        return expect.Matches.FirstOrDefault(expression => !Regex.IsMatch(output, expression, RegexOptions.Multiline, TimeSpan.FromSeconds(5))) is { } unmatched ? $"no line matches /{unmatched}/" : null;
    }

    private static string Trimmed(string text) => string.Join('\n', text.TrimEnd().Split('\n').Select(line => line.TrimEnd()));

    /// <summary>Where a machine has a device that the file names.</summary>
    private static string DevicePath(MachineSpec machine, string name) =>
        machine.Disks.Any(disk => disk.Name == name) || machine.Setup.Any(item => item is LoopSpec loop && loop.Name == name) ? $"{SetupCommands.Folder}/{name}"
        : machine.Setup.Any(item => (item is DmSpec dm && dm.Name == name) || (item is ThinPoolSpec pool && (pool.Name == name || pool.Thins.Any(thin => thin.Name == name)))) ? "/dev/mapper/" + name
        : name;

    private static string Describe(SetupSpec item) => item switch
    {
        LoopSpec loop => $"loop device {loop.Name} over {loop.File}",
        DmSpec dm => $"mapped device {dm.Name}",
        ThinPoolSpec pool => $"thin pool {pool.Name}",
        BtrfsSpec btrfs => $"btrfs volume at {btrfs.At}",
        MountSpec mount => $"{mount.Type} at {mount.At}",
        FileSpec file => $"file {file.Path}",
        _ => "commands",
    };
}
