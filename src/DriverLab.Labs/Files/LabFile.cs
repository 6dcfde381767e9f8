using DriverLab.Block.Faults;

namespace DriverLab.Labs.Files;

/// <summary>A lab as its file says it; read by <see cref="Read"/>.</summary>
/// <param name="File">The file.</param>
/// <param name="Name">The lab's name.</param>
/// <param name="About">What it is for.</param>
/// <param name="Machines">The machines, in the file's order.</param>
/// <param name="Steps">The steps.</param>
public sealed record LabFile(string File, string Name, string About, IReadOnlyList<MachineSpec> Machines, IReadOnlyList<StepSpec> Steps)
{
    /// <summary>The JSON Schema of lab files.</summary>
    public static string JsonSchema => LabShape.JsonSchema();

    /// <summary>Reads and checks a file.</summary>
    /// <exception cref="LabFileException">It is wrong at a place.</exception>
    /// <exception cref="DriverLab.Rig.RigUsageException">It cannot be read.</exception>
    public static LabFile Read(string file) => LabReader.Read(file);

    /// <summary>A path that the file names: relative ones begin at the file's folder.</summary>
    public string Resolve(string path) => Path.GetFullPath(path, Path.GetDirectoryName(Path.GetFullPath(File))!);
}

/// <summary>A machine. Sizes are bytes.</summary>
public sealed record MachineSpec(string Name, string Kernel, long Memory, int Cpus, string? Root, IReadOnlyList<string> Tools, IReadOnlyList<string> Modules, IReadOnlyList<DiskSpec> Disks, IReadOnlyList<SetupSpec> Setup);

/// <summary>How a disk is made.</summary>
public enum DiskKind
{
    /// <summary>A sparse file.</summary>
    File,
    /// <summary>Memory.</summary>
    Ram,
    /// <summary>A device of an emulated kernel.</summary>
    Emulated,
}

/// <summary>A disk.</summary>
public sealed record DiskSpec(string Name, long Size, DiskKind Kind, string? File, IReadOnlyList<EmulatedDeviceSpec> Devices, IReadOnlyList<EmulatedTableSpec> Tables);

/// <summary>A device of an emulated kernel: a RAM disk of a size, or a file; with faults by plan.</summary>
public sealed record EmulatedDeviceSpec(string Name, long Ram, string? File, FaultPlan? Faults = null);

/// <summary>A mapped device of an emulated kernel.</summary>
public sealed record EmulatedTableSpec(string Name, string Table, IReadOnlyList<string> Messages);

/// <summary>One thing to set up.</summary>
/// <param name="Line">Where the file says so.</param>
public abstract record SetupSpec(long Line);

/// <summary>A loop device.</summary>
public sealed record LoopSpec(long Line, string Name, string File, long Size) : SetupSpec(Line);

/// <summary>A mapped device.</summary>
public sealed record DmSpec(long Line, string Name, string Table) : SetupSpec(Line);

/// <summary>A thin pool with its thin devices.</summary>
public sealed record ThinPoolSpec(long Line, string Name, string Metadata, string Data, long Block, long LowWater, string Features, IReadOnlyList<ThinSpec> Thins) : SetupSpec(Line);

/// <summary>A thin device.</summary>
public sealed record ThinSpec(string Name, long Id, long Size);

/// <summary>A btrfs volume.</summary>
public sealed record BtrfsSpec(long Line, IReadOnlyList<string> Devices, string? Data, string? Metadata, string? Label, string At, string? Options, IReadOnlyList<string> Subvolumes) : SetupSpec(Line);

/// <summary>A mount.</summary>
public sealed record MountSpec(long Line, string Source, string Type, string At, string? Options, bool Format) : SetupSpec(Line);

/// <summary>A file: with a content, or copied from this computer.</summary>
public sealed record FileSpec(long Line, string Path, string? Content, string? From, uint Mode) : SetupSpec(Line);

/// <summary>Shell commands.</summary>
public sealed record RunSpec(long Line, string Commands) : SetupSpec(Line);

/// <summary>A step: commands, a snapshot, or going back to one.</summary>
public sealed record StepSpec(long Line, string Say, string Machine, string? Run, string? Snapshot, string? Revert, ExpectSpec Expect);

/// <summary>What a step must show.</summary>
public sealed record ExpectSpec(int Status, string? Output, IReadOnlyList<string> Contains, IReadOnlyList<string> Lacks, IReadOnlyList<string> Matches);
