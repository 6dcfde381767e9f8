using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.StorageDrivers.Overlay2;

/// <summary>What the driver learnt of the kernel and of the file system under its home.</summary>
/// <param name="IndexOff">The kernel knows <c>index</c>, so mounts say <c>index=off</c>: otherwise a leaked mount of the same upper makes the next one EBUSY.</param>
/// <param name="UserXattr">Mounts say <c>userxattr</c>: in a user namespace trusted attributes cannot be written.</param>
/// <param name="NativeDiff">An upper directory says truly what a layer changed.</param>
/// <param name="Metacopy">A chmod copies no content up.</param>
/// <param name="BackingFs">Name of the file system under the home, as Docker prints it.</param>
public sealed record OverlayFeatures(bool IndexOff, bool UserXattr, bool NativeDiff, bool Metacopy, string BackingFs)
{
    /// <summary>Options that every mount begins with.</summary>
    internal string Prefix => (IndexOff ? "index=off," : "") + (UserXattr ? "userxattr," : "");
}

/// <summary>The options of one mount, and the directory that they are relative to.</summary>
/// <param name="Data">The option string.</param>
/// <param name="Target">The mount point.</param>
/// <param name="From">The directory to stand in for relative paths, or null.</param>
public sealed record OverlayMount(string Data, string Target, string? From)
{
    /// <summary>mount(2) copies one page of data and wants a NUL in it.</summary>
    public const int LongestData = Limits.PAGE_SIZE - 1;

    /// <summary>Builds the options of a layer with lowers.</summary>
    /// <param name="features">What the kernel has.</param>
    /// <param name="home">The driver's home.</param>
    /// <param name="id">The layer.</param>
    /// <param name="lowers">The names in its <c>lower</c> file, nearest first: <c>l/AAAA…</c>.</param>
    /// <param name="readOnly">A committed layer: its own diff becomes the top lower, nothing is upper.</param>
    /// <returns>EINVAL where even relative paths fill more than a page: too many layers.</returns>
    /// <remarks>
    /// Absolute paths first, since that is what Docker writes and tools look for. Where they do not fit into a page, a helper stands in the home and names are relative: about 28 bytes a layer.
    /// </remarks>
    public static DriverResult<OverlayMount> Build(OverlayFeatures features, string home, string id, IReadOnlyList<string> lowers, bool readOnly)
    {
        string absolute = Options(features, $"{home}/{id}", lowers.Select(lower => $"{home}/{lower}"), readOnly);
        if (absolute.Length <= LongestData)
            return new OverlayMount(absolute, $"{home}/{id}/merged", null);
        string relative = Options(features, id, lowers, readOnly);
        return relative.Length <= LongestData
            ? new OverlayMount(relative, $"{id}/merged", home)
            : new DriverError("mount", id, Errno.EINVAL, $"mount options of {relative.Length} bytes, a page holds {LongestData}");
    }

    /// <summary>True when an overlay is mounted at the path.</summary>
    internal static bool IsMounted(IKernel kernel, string merged)
    {
        byte[] path = ByteText.Bytes(merged);
        if (kernel.StatFs(path, out var fs) != Errno.OK || fs.Type != FsMagic.OVERLAYFS)
            return false;
        // The home may itself be on an overlay, where every directory would look mounted.
        bool told = kernel.LStatAt(Fd.Cwd, path, out var stat) == Errno.OK && (stat.AttributesMask & StatxAttributes.STATX_ATTR_MOUNT_ROOT) != 0;
        return !told || (stat.Attributes & StatxAttributes.STATX_ATTR_MOUNT_ROOT) != 0;
    }

    /// <summary>Takes a mount and its directory away. Errors are not told: as in Docker, whoever still uses the mount keeps a detached tree.</summary>
    internal static void Detach(IKernel kernel, string merged)
    {
        byte[] path = ByteText.Bytes(merged);
        _ = kernel.Umount(path, UmountFlags.MNT_DETACH);
        _ = kernel.UnlinkAt(Fd.Cwd, path, AtFlags.AT_REMOVEDIR); // also drops the mount from other namespaces, from 3.18 on
    }

    private static string Options(OverlayFeatures features, string layer, IEnumerable<string> lowers, bool readOnly) => readOnly
        ? $"{features.Prefix}lowerdir={layer}/diff:{string.Join(':', lowers)}"
        : $"{features.Prefix}lowerdir={string.Join(':', lowers)},upperdir={layer}/diff,workdir={layer}/work";
}
