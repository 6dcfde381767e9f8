using DriverLab.Rig.Processes;

namespace DriverLab.Rig.Images;

/// <summary>A kernel's folder of modules: finds modules by name, reads them (unpacked when they are compressed), and puts what they depend on before them.</summary>
public sealed class ModuleTree
{
    private readonly Dictionary<string, string> files = [];
    private readonly HashSet<string> builtIn = [];
    private readonly Dictionary<string, Module> read = [];

    /// <summary>One module, ready to be loaded.</summary>
    /// <param name="Info">What it says about itself.</param>
    /// <param name="Content">Its bytes, unpacked.</param>
    public sealed record Module(ModuleInfo Info, byte[] Content);

    /// <summary>Lists a folder that holds <c>kernel/</c> and <c>modules.builtin</c>; null is a kernel without modules.</summary>
    /// <param name="folder">The kernel's own.</param>
    /// <param name="more">A folder of modules that were built for it.</param>
    public ModuleTree(string? folder, string? more = null)
    {
        foreach (string from in new[] { folder, more }.OfType<string>())
        {
            foreach (string file in Directory.EnumerateFiles(from, "*.ko*", SearchOption.AllDirectories))
                files[ModuleInfo.Normal(Path.GetFileName(file).Split('.')[0])] = file;
        }
        if (folder is null)
            return;
        string list = Path.Combine(folder, "modules.builtin");
        if (File.Exists(list))
            builtIn.UnionWith(File.ReadLines(list).Select(line => ModuleInfo.Normal(Path.GetFileName(line).Split('.')[0])));
    }

    /// <summary>True when the kernel has it compiled in.</summary>
    public bool IsBuiltIn(string name) => builtIn.Contains(ModuleInfo.Normal(name));

    /// <summary>The modules of these names that exist, with everything they need, each after what it needs. Names that are built in or unknown are left out.</summary>
    public async Task<IReadOnlyList<Module>> ResolveAsync(IEnumerable<string> names, CancellationToken cancellation)
    {
        var order = new List<Module>();
        var seen = new HashSet<string>();
        foreach (string name in names)
            await VisitAsync(ModuleInfo.Normal(name), order, seen, cancellation).ConfigureAwait(false);
        return order;
    }

    private async Task VisitAsync(string name, List<Module> order, HashSet<string> seen, CancellationToken cancellation)
    {
        if (!seen.Add(name) || !files.TryGetValue(name, out string? file))
            return;
        if (!read.TryGetValue(name, out var module))
        {
            byte[] content = await ReadAsync(file, cancellation).ConfigureAwait(false);
            read[name] = module = new(ModuleInfo.Parse(file, content), content);
        }
        foreach (string other in module.Info.Before.Concat(module.Info.Dependencies))
            await VisitAsync(other, order, seen, cancellation).ConfigureAwait(false);
        order.Add(module);
    }

    private static async Task<byte[]> ReadAsync(string file, CancellationToken cancellation)
    {
        if (file.EndsWith(".ko", StringComparison.Ordinal))
            return await File.ReadAllBytesAsync(file, cancellation).ConfigureAwait(false);
        (string tool, string package) = Path.GetExtension(file) switch
        {
            ".xz" => ("xz", "xz-utils"),
            ".zst" => ("zstd", "zstd"),
            ".gz" => ("gzip", "gzip"),
            var other => throw new RigException($"{file}: modules compressed as '{other}' are not known; expected .ko, .ko.xz, .ko.zst or .ko.gz"),
        };
        // busybox, which the image needs anyway, unpacks xz and gzip where the tool itself is not installed.
        string? found = Tool.Find(tool);
        string busybox = found is null && tool != "zstd" && Tool.Find("busybox") is { } box ? box : "";
        if (busybox.Length == 0)
            found = Tool.Require(tool, package, "to unpack kernel modules");
        return await Tool.BytesAsync(busybox.Length > 0 ? busybox : found!, busybox.Length > 0 ? [tool, "-dc", file] : ["-dc", file], cancellation).ConfigureAwait(false);
    }
}
