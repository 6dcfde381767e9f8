using DriverLab.Rig.Cache;
using DriverLab.Rig.Images;
using DriverLab.Rig.Kernels;
using DriverLab.Rig.Machines;

namespace DriverLab.Rig;

/// <summary>Where a user's real kernels come from: give a kernel's name, get a running machine.</summary>
/// <example><code>
/// await using var machine = await RealKernels.OfUser().StartAsync("6.12");
/// await machine.ExecAsync(["uname", "-r"], bytes => …, default);
/// </code></example>
public sealed class RealKernels
{
    private readonly AcceleratorProbe probe;

    /// <summary>Over a cache and a catalogue.</summary>
    public RealKernels(RigCache cache, KernelCatalogue catalogue)
    {
        Cache = cache;
        Catalogue = catalogue;
        Kernels = new(cache, catalogue);
        Images = new(cache, Kernels);
        GuestProgram = new(cache);
        Saved = new(cache);
        Starter = Saved;
        probe = new(cache);
    }

    /// <summary>The user's cache and the built-in catalogue.</summary>
    public static RealKernels OfUser() => new(RigCache.OfUser(), KernelCatalogue.BuiltIn());

    /// <summary>The user's, with machines of a kind.</summary>
    /// <param name="machine"><c>qemu</c>, or <c>libvirt</c> by <see cref="LibvirtMachines.DefaultUri"/>.</param>
    /// <exception cref="RigUsageException">There is no such kind.</exception>
    public static RealKernels OfUser(string machine)
    {
        var kernels = OfUser();
        return machine switch
        {
            "qemu" => kernels,
            "libvirt" => new(kernels.Cache, kernels.Catalogue) { Starter = new LibvirtMachines(kernels.Cache, LibvirtMachines.DefaultUri) },
            _ => throw new RigUsageException($"'{machine}' is no kind of machine; expected qemu or libvirt"),
        };
    }

    /// <summary>The cache.</summary>
    public RigCache Cache { get; }

    /// <summary>Kernel lines that can be named.</summary>
    public KernelCatalogue Catalogue { get; }

    /// <summary>Kernels, cached and fetched.</summary>
    public KernelStore Kernels { get; }

    /// <summary>Guest images.</summary>
    public ImageBuilder Images { get; }

    /// <summary>The guest program.</summary>
    public GuestProgram GuestProgram { get; }

    /// <summary>Saved machines of QEMU.</summary>
    public SavedMachines Saved { get; }

    /// <summary>What runs machines; QEMU as a child of this process unless told otherwise.</summary>
    public IMachineStarter Starter { get; init; }

    /// <summary>Everything up to the point where a machine can be started: kernel, guest program, image.</summary>
    public async Task<MachineOptions> PrepareAsync(KernelEntry kernel, ImageRecipe? recipe = null, IProgress<string>? progress = null, CancellationToken cancellation = default)
    {
        string guest = await GuestProgram.GetAsync(progress, cancellation).ConfigureAwait(false);
        var image = await Images.BuildAsync(kernel, guest, recipe ?? new(), progress, cancellation).ConfigureAwait(false);
        // An image with extra files is made for one purpose: keeping a machine of it would only fill the cache.
        return new(kernel, image) { FromSaved = (recipe is null || recipe.Files.IsEmpty) && Environment.GetEnvironmentVariable("DRIVERLAB_SAVED") != "0" };
    }

    /// <summary>The accelerator that works here: the one that the options ask for, else as probed.</summary>
    public async Task<Accelerator> AcceleratorAsync(MachineOptions options, IProgress<string>? progress = null, CancellationToken cancellation = default) =>
        options.Accelerator ?? await probe.GetAsync(options, progress, cancellation).ConfigureAwait(false);

    /// <summary>Fetches what is missing, boots a kernel of a line (<c>6.12</c>), and waits until its guest program answers.</summary>
    public async Task<Machine> StartAsync(string kernel, ImageRecipe? recipe = null, IProgress<string>? progress = null, CancellationToken cancellation = default)
    {
        var entry = await Kernels.GetAsync(kernel, progress, cancellation).ConfigureAwait(false);
        return await StartAsync(await PrepareAsync(entry, recipe, progress, cancellation).ConfigureAwait(false), progress, cancellation).ConfigureAwait(false);
    }

    /// <summary>Starts a prepared machine with the accelerator that works here: from its saved state when <see cref="MachineOptions.FromSaved"/> says so.</summary>
    public async Task<Machine> StartAsync(MachineOptions options, IProgress<string>? progress = null, CancellationToken cancellation = default)
    {
        var accelerator = await AcceleratorAsync(options, progress, cancellation).ConfigureAwait(false);
        progress?.Report($"starting {options.Kernel.Release} ({accelerator.Name}: {accelerator.Why})");
        return options.FromSaved
            ? await Starter.StartAsync(options, accelerator, progress, cancellation).ConfigureAwait(false)
            : await Starter.BootAsync(options, accelerator, cancellation).ConfigureAwait(false);
    }
}
