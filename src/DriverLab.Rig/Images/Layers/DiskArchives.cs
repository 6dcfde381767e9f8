using System.Globalization;
using System.Text;
using DriverLab.Rig.Cache;
using DriverLab.Rig.Processes;
using DriverLab.StorageDrivers.Layers.Tar;

namespace DriverLab.Rig.Images.Layers;

/// <summary>
/// Empty file systems for scenarios, made by their own programs and kept in the user's cache: archives of the blocks that are not zero, each named by where it stands, and a last empty entry
/// named by the disk's size. Scenarios write them out with <c>disk</c>.
/// </summary>
public sealed class DiskArchives(RigCache cache)
{
    /// <summary>What the names of such archives begin with.</summary>
    public const string Prefix = "disk-";

    private const int Layout = 1, BlockSize = 4096;
    private const long Bytes = 256 << 20;

    /// <summary>The archive's path; null for a name that is none.</summary>
    /// <exception cref="RigException">The program that makes it is not installed.</exception>
    public async Task<string?> GetAsync(string name, IProgress<string>? progress, CancellationToken cancellation)
    {
        if (name != Prefix + "btrfs")
            return null;
        string file = cache.PathOf("layers", $"{name}-{Layout}.tar");
        if (File.Exists(file))
            return file;
        using (await cache.LockAsync(name, progress, cancellation).ConfigureAwait(false))
        {
            if (!File.Exists(file))
                await MakeAsync(file, cancellation).ConfigureAwait(false);
        }
        return file;
    }

    private async Task MakeAsync(string file, CancellationToken cancellation)
    {
        string program = Tool.Require("mkfs.btrfs", "btrfs-progs", "to make the empty btrfs of scenarios");
        string image = Path.Combine(cache.Folder("layers"), $".{Environment.ProcessId.ToString(CultureInfo.InvariantCulture)}.img");
        try
        {
            using (var empty = File.Create(image))
                empty.SetLength(Bytes);
            _ = await Tool.OutputAsync(program, ["-q", "-f", image], folder: null, cancellation).ConfigureAwait(false);
            using (var stream = File.Create(image + ".tar"))
                Pack(image, stream);
            File.Move(image + ".tar", file, overwrite: true);
        }
        finally
        {
            RigCache.Remove(image);
            RigCache.Remove(image + ".tar");
        }
    }

    private static void Pack(string image, Stream output)
    {
        var tar = new TarWriter(output);
        var block = new byte[BlockSize];
        using var source = File.OpenRead(image);
        for (long at = 0; at < Bytes; at += BlockSize)
        {
            source.ReadExactly(block);
            if (block.AsSpan().IndexOfAnyExcept((byte)0) < 0)
                continue;
            tar.WriteEntry(Entry(at, BlockSize));
            tar.WriteContent(block);
        }
        tar.WriteEntry(Entry(Bytes, 0));
        tar.Finish();
    }

    private static TarEntry Entry(long at, int size) => new() { Name = Encoding.ASCII.GetBytes(at.ToString(CultureInfo.InvariantCulture)), Type = TarType.File, Size = size };
}
