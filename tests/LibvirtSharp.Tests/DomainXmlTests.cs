using System.Xml.Linq;

namespace LibvirtSharp.Tests;

[TestFixture]
public sealed class DomainXmlTests
{
    private static DomainXml Full => new()
    {
        Name = "driverlab-6.1",
        Type = DomainType.Qemu,
        MemoryMiB = 512,
        Cpus = 2,
        Kernel = "/cache/vmlinuz & co",
        Initrd = "/cache/initrd",
        CommandLine = "console=ttyS0 quiet",
        Disks = [new("/cache/disk.img", "vda") { IsReadOnly = true, Cache = "none" }],
        Channels = [new("driverlab", "/run/driverlab.sock")],
    };

    [Test]
    public void Direct_kernel_boot_is_described()
    {
        var os = XElement.Parse(Full.ToString()).Element("os")!;
        Assert.That(os.Element("kernel")!.Value, Is.EqualTo("/cache/vmlinuz & co"));
        Assert.That(os.Element("type")!.Attribute("machine")!.Value, Is.EqualTo("q35"));
    }

    [Test]
    public void Disks_and_channels_are_virtio()
    {
        var devices = XElement.Parse(Full.ToString()).Element("devices")!;
        Assert.That(devices.Element("disk")!.Element("target")!.Attribute("bus")!.Value, Is.EqualTo("virtio"));
        Assert.That(devices.Element("disk")!.Element("readonly"), Is.Not.Null);
        Assert.That(devices.Element("channel")!.Element("source")!.Attribute("path")!.Value, Is.EqualTo("/run/driverlab.sock"));
    }

    [TestCase("", 64, 1, "name a domain")]
    [TestCase("a/b", 64, 1, "a/b")]
    [TestCase("a", 0, 1, "0 MiB")]
    [TestCase("a", 64, 0, "0 processors")]
    public void Impossible_values_are_refused_by_name(string name, int memoryMiB, int cpus, string told) =>
        Assert.That(() => new DomainXml { Name = name, MemoryMiB = memoryMiB, Cpus = cpus }.ToString(), Throws.ArgumentException.With.Message.Contains(told));
}
