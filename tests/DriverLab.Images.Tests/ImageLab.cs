using DriverLab.Emulator;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;
using DriverLab.StorageDrivers;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Store;

namespace DriverLab.Images.Tests;

/// <summary>An empty image store over a driver on the emulated kernel.</summary>
internal sealed class ImageLab : IDisposable
{
    private readonly EmulatedKernel _kernel = new(new KernelProfile("6.12", new KernelVersion(6, 12)), ModuleSet.Standard, new World(0));

    public ImageLab(string driver)
    {
        _ = _kernel.MkdirAt(Fd.Cwd, "/s"u8, Mode.S_IRWXU);
        Assert.That(_kernel.Mount("s"u8, "/s"u8, "tmpfs"u8, MountFlags.None, "size=90%"u8), Is.EqualTo(Errno.OK));
        Driver = DriverCatalog.Open(_kernel, driver, "/s/" + driver, new IdSource(1), []).Value;
        Reopen();
    }

    public IStorageDriver Driver { get; }

    public LayerStore Layers { get; private set; } = null!;

    public ImageStore Images { get; private set; } = null!;

    /// <summary>Opens the store again, as the next process would.</summary>
    public void Reopen()
    {
        Layers = LayerStore.Open(_kernel, Driver, new LayerStoreOptions("/s", new IdSource(2))).Value;
        Images = ImageStore.Open(_kernel, Layers, "/s").Value;
    }

    public ImageRecord Import(OpenPart open)
    {
        var images = Images.Import(open);
        Assert.That(images.Error, Is.Null);
        return images.Value.Single();
    }

    public byte[] Export(ImageFormat format, LayerCompression compression)
    {
        var stream = new MemoryStream();
        Assert.That(Images.Export(Images.Images, format, compression, stream), Is.Null);
        return stream.ToArray();
    }

    public byte[] Layer(string chain)
    {
        var tar = new MemoryStream();
        Assert.That(Layers.Export(chain, tar), Is.Null);
        return tar.ToArray();
    }

    /// <summary>The store holds nothing, and nothing is wrong with it.</summary>
    public void IsEmpty()
    {
        Assert.That(Images.Images, Is.Empty);
        Assert.That(((ILayerList)Driver).Layers().Value, Is.Empty, "layers of the driver");
        Assert.That(Layers.Check(contents: true).Value, Is.Empty);
    }

    public void Dispose()
    {
        Driver.Dispose();
        _kernel.Dispose();
    }
}
