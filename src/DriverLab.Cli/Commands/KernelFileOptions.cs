using System.CommandLine;
using DriverLab.Rig.Kernels;

namespace DriverLab.Cli.Commands;

/// <summary>The three options that name a kernel by its files.</summary>
internal sealed class KernelFileOptions
{
    public Option<string?> Image { get; } = new("--kernel-image") { Description = "A bzImage of your own." };

    public Option<string?> Modules { get; } = new("--modules") { Description = "Its modules: the folder that holds 'kernel'." };

    public Option<string?> Config { get; } = new("--config") { Description = "Its configuration file." };

    /// <summary>The kernel; null when no image is named.</summary>
    public async Task<KernelEntry?> KernelAsync(ParseResult parsed, CancellationToken cancellation)
    {
        if (parsed.GetValue(Image) is { } image)
            return await KernelStore.FromFilesAsync(image, parsed.GetValue(Modules), parsed.GetValue(Config), cancellation);
        return parsed.GetValue(Modules) is not null || parsed.GetValue(Config) is not null
            ? throw new UsageException("--modules and --config describe a kernel of your own; expected --kernel-image FILE with them")
            : null;
    }
}
