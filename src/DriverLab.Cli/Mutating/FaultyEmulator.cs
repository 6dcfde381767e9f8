using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.Loader;
using DriverLab.Emulator;
using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.Cli.Mutating;

/// <summary>The emulator loaded a second time, with a fault in one of its assemblies. What the emulator and its users share (the kernel interface, clocks, formats) is there once.</summary>
internal sealed class FaultyEmulator : AssemblyLoadContext
{
    /// <summary>The emulator's own code, where faults are put.</summary>
    public static readonly string[] OwnAssemblies = ["DriverLab.Vfs", "DriverLab.FileSystems", "DriverLab.Block", "DriverLab.DeviceMapper", "DriverLab.Emulator"];

    private const string NotTrimmed = "The assemblies lie beside the command with their symbols; one that was trimmed has none, and says so.";

    private readonly DrawnFault _fault;
    private readonly bool _throws;
    private readonly ConstructorInfo _kernel;
    private readonly object _modules;

    /// <summary>Loads it.</summary>
    /// <param name="fault">The fault.</param>
    /// <param name="throws">True to throw where the fault's method is entered, in place of the fault.</param>
    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = NotTrimmed)]
    [UnconditionalSuppressMessage("Trimming", "IL2075", Justification = NotTrimmed)]
    public FaultyEmulator(DrawnFault fault, bool throws)
    {
        (_fault, _throws) = (fault, throws);
        var assembly = LoadFromAssemblyName(new AssemblyName("DriverLab.Emulator"));
        var modules = assembly.GetType(typeof(ModuleSet).FullName!)!;
        _modules = modules.GetProperty(nameof(ModuleSet.Standard))!.GetValue(null)!;
        _kernel = assembly.GetType(typeof(EmulatedKernel).FullName!)!.GetConstructor([typeof(KernelProfile), modules, typeof(World)])!;
    }

    /// <summary>The file of an assembly.</summary>
    public static string FileOf(string assembly) => Path.Combine(AppContext.BaseDirectory, assembly + ".dll");

    /// <summary>Boots a kernel.</summary>
    public IKernel Boot(KernelProfile profile) => (IKernel)_kernel.Invoke([profile, _modules, new World(0)]);

    /// <inheritdoc/>
    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = NotTrimmed)]
    protected override Assembly? Load(AssemblyName assemblyName)
    {
        if (Array.IndexOf(OwnAssemblies, assemblyName.Name) < 0)
            return null; // the one that is there
        if (assemblyName.Name != _fault.Assembly)
            return LoadFromAssemblyPath(FileOf(assemblyName.Name!));
        byte[] image = File.ReadAllBytes(FileOf(_fault.Assembly));
        (_throws ? _fault.EntryBytes : _fault.Bytes).CopyTo(image.AsSpan(_throws ? _fault.Entry : _fault.Position));
        return LoadFromStream(new MemoryStream(image));
    }
}
