using System.Globalization;
using System.Xml.Linq;

namespace LibvirtSharp;

/// <summary>The hypervisor type of a domain.</summary>
public enum DomainType
{
    /// <summary>QEMU's software emulation.</summary>
    Qemu,
    /// <summary>QEMU with hardware virtualisation.</summary>
    Kvm,
    /// <summary>The test driver, which pretends.</summary>
    Test,
}

/// <summary>A disk of a domain.</summary>
/// <param name="File">The image file, as the hypervisor's host sees it.</param>
/// <param name="Target">The guest's name for it, such as <c>vda</c>.</param>
public sealed record DomainDisk(string File, string Target)
{
    /// <summary><c>raw</c> or <c>qcow2</c>.</summary>
    public string Format { get; init; } = "raw";
    public bool IsReadOnly { get; init; }
    /// <summary>QEMU's cache mode, such as <c>none</c> or <c>unsafe</c>; null leaves the default.</summary>
    public string? Cache { get; init; }

    internal XElement ToXml() => new("disk", new XAttribute("type", "file"), new XAttribute("device", "disk"),
        new XElement("driver", new XAttribute("name", "qemu"), new XAttribute("type", Format), Cache is null ? null : new XAttribute("cache", Cache)),
        new XElement("source", new XAttribute("file", File)),
        new XElement("target", new XAttribute("dev", Target), new XAttribute("bus", "virtio")),
        IsReadOnly ? new XElement("readonly") : null);
}

/// <summary>A virtio-serial channel between host and guest.</summary>
/// <param name="Name">The name under which the guest finds it in /dev/virtio-ports.</param>
/// <param name="SocketPath">A unix socket on the hypervisor's host; null lets libvirt choose one. Either way <see cref="Domain.OpenChannel"/> opens it.</param>
public sealed record DomainChannel(string Name, string? SocketPath = null)
{
    internal XElement ToXml() => new("channel", new XAttribute("type", "unix"),
        SocketPath is null ? null : new XElement("source", new XAttribute("mode", "bind"), new XAttribute("path", SocketPath)),
        new XElement("target", new XAttribute("type", "virtio"), new XAttribute("name", Name)));
}

/// <summary>Builds the description of a small Linux machine that boots a kernel directly.</summary>
public sealed class DomainXml
{
    public required string Name { get; init; }
    public DomainType Type { get; init; } = DomainType.Qemu;
    public Guid? Uuid { get; init; }
    public required int MemoryMiB { get; init; }
    public int Cpus { get; init; } = 1;
    /// <summary>The machine model; null leaves the hypervisor's default.</summary>
    public string? Machine { get; init; } = "q35";
    /// <summary>The CPU model under emulation; null leaves the default. <c>maximum</c> is all that the accelerator can do, <c>host-passthrough</c> the host's own (KVM only).</summary>
    public string? CpuModel { get; init; }
    /// <summary>True to leave out the devices that libvirt adds unasked: USB controller, memory balloon.</summary>
    public bool Bare { get; init; }
    /// <summary>The kernel's file; null for a domain that boots otherwise (or only pretends).</summary>
    public string? Kernel { get; init; }
    public string? Initrd { get; init; }
    public string? CommandLine { get; init; }
    /// <summary>The file that the first serial port's output goes to; null makes a pseudo terminal for <see cref="Domain.OpenConsole"/>.</summary>
    public string? ConsoleLog { get; init; }
    public IReadOnlyList<DomainDisk> Disks { get; init; } = [];
    public IReadOnlyList<DomainChannel> Channels { get; init; } = [];

    /// <summary>The description in libvirt's domain format.</summary>
    /// <exception cref="ArgumentException">A value that no domain can have; the message names it.</exception>
    public override string ToString()
    {
        Check();
        return new XElement("domain", new XAttribute("type", Type.ToString().ToLowerInvariant()),
            new XElement("name", Name),
            Uuid is { } uuid ? new XElement("uuid", uuid) : null,
            new XElement("memory", new XAttribute("unit", "MiB"), MemoryMiB),
            new XElement("vcpu", Cpus),
            OsElement(),
            Type == DomainType.Test ? null : new XElement("features", new XElement("acpi"), new XElement("apic")),
            CpuElement(),
            new XElement("on_poweroff", "destroy"), new XElement("on_reboot", "destroy"), new XElement("on_crash", "destroy"),
            new XElement("devices", Disks.Select(d => d.ToXml()), Channels.Select(c => c.ToXml()), Type == DomainType.Test ? null : SerialElement(), Bare ? BareElements() : null)).ToString();
    }

    private XElement? CpuElement() => CpuModel switch
    {
        null => null,
        "maximum" or "host-passthrough" or "host-model" => new("cpu", new XAttribute("mode", CpuModel)),
        _ => new("cpu", new XAttribute("mode", "custom"), new XElement("model", new XAttribute("fallback", "allow"), CpuModel)),
    };

    private static XElement[] BareElements() =>
    [
        new("controller", new XAttribute("type", "usb"), new XAttribute("model", "none")),
        new("memballoon", new XAttribute("model", "none")),
    ];

    private XElement OsElement() => new("os",
        new XElement("type", new XAttribute("arch", "x86_64"), Machine is null || Type == DomainType.Test ? null : new XAttribute("machine", Machine), "hvm"),
        Kernel is null ? null : new XElement("kernel", Kernel),
        Initrd is null ? null : new XElement("initrd", Initrd),
        CommandLine is null ? null : new XElement("cmdline", CommandLine));

    private XElement SerialElement() => new("serial", new XAttribute("type", ConsoleLog is null ? "pty" : "file"),
        ConsoleLog is null ? null : new XElement("source", new XAttribute("path", ConsoleLog)),
        new XElement("target", new XAttribute("port", "0")));

    private void Check()
    {
        if (string.IsNullOrEmpty(Name) || Name.Contains('/', StringComparison.Ordinal))
            throw new ArgumentException($"'{Name}' cannot name a domain; expected a name without '/'");
        if (MemoryMiB < 1)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"domain '{Name}' has {MemoryMiB} MiB of memory; expected at least 1"));
        if (Cpus < 1)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"domain '{Name}' has {Cpus} processors; expected at least 1"));
    }
}
