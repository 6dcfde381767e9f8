using DriverLab.Linux;
using DriverLab.StorageDrivers.Aufs;
using DriverLab.StorageDrivers.Btrfs;
using DriverLab.StorageDrivers.DeviceMapper;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Overlay;
using DriverLab.StorageDrivers.Overlay2;
using DriverLab.StorageDrivers.Vfs;

namespace DriverLab.StorageDrivers;

/// <summary>The drivers by name: the one list that scenarios, commands and servers read.</summary>
public static class DriverCatalog
{
    /// <summary>Names in the order in which a user is told of them.</summary>
    public static readonly IReadOnlyList<string> Names = ["vfs", "overlay", "overlay2", "btrfs", "devicemapper", "aufs"];

    /// <summary>Opens a driver's home.</summary>
    /// <param name="kernel">The task that the driver works with.</param>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="home">The driver's directory, absolute.</param>
    /// <param name="ids">Where drivers that make names of their own take them from.</param>
    /// <param name="words">The driver's options as <c>key=value</c>.</param>
    /// <param name="makeXfs">Makes an xfs for devicemapper's <c>dm.fs=xfs</c>; null where there is no program for it.</param>
    /// <returns>EINVAL (no such driver, options), then what the driver's Open says.</returns>
    public static DriverResult<IStorageDriver> Open(IKernel kernel, string name, string home, IdSource ids, IReadOnlyList<string> words, MakeXfs? makeXfs = null)
    {
        switch (name)
        {
            case "vfs":
                var vfs = VfsOptions.Parse(home, words);
                return vfs.IsOk ? VfsDriver.Open(kernel, vfs.Value) : vfs.Error!;
            case "overlay":
                var overlay = OverlayV1Options.Parse(home, words);
                return overlay.IsOk ? OverlayDriver.Open(kernel, overlay.Value) : overlay.Error!;
            case "overlay2":
                var overlay2 = OverlayOptions.Parse(home, ids, words);
                return overlay2.IsOk ? Overlay2Driver.Open(kernel, overlay2.Value) : overlay2.Error!;
            case "aufs":
                var aufs = AufsOptions.Parse(home, words);
                return aufs.IsOk ? AufsDriver.Open(kernel, aufs.Value) : aufs.Error!;
            case "btrfs":
                var btrfs = BtrfsOptions.Parse(home, words);
                return btrfs.IsOk ? BtrfsDriver.Open(kernel, btrfs.Value) : btrfs.Error!;
            case "devicemapper":
                var deviceMapper = DeviceMapperOptions.Parse(home, ids, words);
                return deviceMapper.IsOk ? DeviceMapperDriver.Open(kernel, deviceMapper.Value with { MakeXfs = makeXfs }) : deviceMapper.Error!;
            default:
                return new DriverError("driver", name, Errno.EINVAL, $"no such driver; there are {string.Join(", ", Names)}");
        }
    }
}
