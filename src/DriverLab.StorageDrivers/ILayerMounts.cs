namespace DriverLab.StorageDrivers;

/// <summary>What mount(2) would be told to make a layer's tree appear somewhere: what a snapshotter hands to containerd, which mounts for itself.</summary>
/// <param name="Type"><c>bind</c>, <c>overlay</c>, or a file system's name.</param>
/// <param name="Source">A directory for a bind, a device, or the type again.</param>
/// <param name="Options">Words of mount(8): flags such as <c>ro</c> and <c>rbind</c>, and the file system's own options.</param>
public sealed record LayerMount(string Type, string Source, IReadOnlyList<string> Options);

/// <summary>A driver that can say how a layer is mounted instead of mounting it.</summary>
public interface ILayerMounts
{
    /// <summary>One mount that shows the layer; nothing is mounted and nothing counted by asking.</summary>
    /// <param name="id">The layer.</param>
    /// <param name="readOnly">True for a view, and for layers that have children.</param>
    /// <returns>EINVAL (id), ENOENT (id).</returns>
    DriverResult<LayerMount> MountOf(string id, bool readOnly);

    /// <summary>Bytes and inodes that the layer adds to its parent.</summary>
    /// <returns>EINVAL (id), ENOENT (id, parent), then what the kernel says.</returns>
    DriverResult<LayerUsage> UsageOf(string id, string parent);
}

/// <summary>What a layer takes for itself.</summary>
/// <param name="Bytes">Bytes of regular files; a file with several names counts once.</param>
/// <param name="Inodes">Files, directories, links and nodes, the layer's root included.</param>
public readonly record struct LayerUsage(long Bytes, long Inodes);
