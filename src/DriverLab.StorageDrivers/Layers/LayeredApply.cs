using DriverLab.Linux;
using DriverLab.StorageDrivers.Layers.Tar;

namespace DriverLab.StorageDrivers.Layers;

/// <summary>The ways in which drivers that stack directories take a layer's archive in.</summary>
internal static class LayeredApply
{
    /// <summary>Into the layer's own directory, with the driver's marks for what is gone; the parent is mounted when the archive asks for something of it.</summary>
    /// <param name="driver">Mounts the parent.</param>
    /// <param name="kernel">The task.</param>
    /// <param name="directory">The layer's own directory.</param>
    /// <param name="parent">Its direct parent; empty for a base layer, whose directory is the tree itself: marks would show in it.</param>
    /// <param name="tar">The archive.</param>
    /// <param name="format">How the driver marks what is gone.</param>
    /// <param name="limits">What archives may contain.</param>
    public static DriverResult<ApplyResult> Own(IStorageDriver driver, IKernel kernel, string directory, string parent, Stream tar, TreeFormat format, TarLimits limits)
    {
        if (parent.Length == 0)
            return LayerApplier.Apply(kernel, directory, tar, TreeFormat.Plain, limits);
        bool mounted = false;
        var result = LayerApplier.Apply(kernel, directory, tar, format, limits, () =>
        {
            var below = driver.Get(parent);
            mounted = below.IsOk;
            return below;
        });
        var put = mounted ? driver.Put(parent) : null;
        return put ?? result;
    }

    /// <summary>Into the merged tree, where the union itself marks what is gone: for a parent that is not the direct one.</summary>
    public static DriverResult<ApplyResult> Merged(IStorageDriver driver, IKernel kernel, string id, Stream tar, TarLimits limits)
    {
        var root = driver.Get(id);
        if (!root.IsOk)
            return root.Error!;
        var result = LayerApplier.Apply(kernel, root.Value, tar, TreeFormat.Plain, limits);
        return driver.Put(id) is { } error ? error : result;
    }
}
