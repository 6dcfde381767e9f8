namespace DriverLab.StorageDrivers.Store;

/// <summary>A driver that can list what it keeps: without it a store cannot find layers that nobody names.</summary>
public interface ILayerList
{
    /// <summary>The ids of all layers, in byte order, also half-made ones.</summary>
    /// <returns>What the kernel says.</returns>
    DriverResult<IReadOnlyList<string>> Layers();
}
