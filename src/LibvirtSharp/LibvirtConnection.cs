using System.Runtime.InteropServices;

namespace LibvirtSharp;

/// <summary>A connection to a hypervisor: <c>qemu:///session</c>, <c>qemu:///system</c>, <c>qemu+ssh://host/system</c>, <c>test:///default</c>.</summary>
/// <remarks>Calls may come from any thread. Strings are UTF-8; sizes carry their unit in the name.</remarks>
public sealed unsafe class LibvirtConnection : IDisposable
{
    private nint _handle;

    private LibvirtConnection(nint handle) => _handle = handle;

    internal nint Handle => _handle != 0 ? _handle : throw new ObjectDisposedException(nameof(LibvirtConnection));

    /// <summary>The version of the client library, for example 9.0.0.</summary>
    /// <exception cref="LibvirtException"><see cref="LibvirtErrorCode.LibraryMissing"/> when libvirt.so.0 is not installed.</exception>
    public static Version LibraryVersion
    {
        get
        {
            Initialize();
            _ = Native.Check(Native.virGetVersion(out var version, null, null));
            return Split(version);
        }
    }

    /// <summary>Connects.</summary>
    /// <exception cref="ConnectionFailedException">Nobody answers at that address, or access is refused.</exception>
    /// <exception cref="LibvirtException"><see cref="LibvirtErrorCode.LibraryMissing"/> when libvirt.so.0 is not installed.</exception>
    public static LibvirtConnection Open(string uri)
    {
        ArgumentException.ThrowIfNullOrEmpty(uri);
        Initialize();
        nint handle = Native.virConnectOpen(uri);
        if (handle != 0)
            return new(handle);
        var reason = LibvirtException.Last();
        throw new ConnectionFailedException(reason.Code, reason.ErrorDomain, $"no connection to '{uri}': {reason.Message}");
    }

    /// <summary>The driver: <c>QEMU</c>, <c>Test</c> ….</summary>
    public string Type => Native.Borrowed(Native.virConnectGetType(Handle));

    /// <summary>The address in full.</summary>
    public string Uri => Native.Owned(Native.virConnectGetURI(Handle));

    /// <summary>The host's name.</summary>
    public string HostName => Native.Owned(Native.virConnectGetHostname(Handle));

    /// <summary>What host and hypervisor can do, as libvirt's XML.</summary>
    public string CapabilitiesXml => Native.Owned(Native.virConnectGetCapabilities(Handle));

    /// <summary>The hypervisor's version.</summary>
    public Version HypervisorVersion
    {
        get
        {
            _ = Native.Check(Native.virConnectGetVersion(Handle, out var version));
            return Split(version);
        }
    }

    /// <summary>True while the connection works.</summary>
    public bool IsAlive => Native.Check(Native.virConnectIsAlive(Handle)) == 1;

    /// <summary>All domains, running or not. Each must be disposed.</summary>
    public IReadOnlyList<Domain> ListDomains()
    {
        nint* list;
        int count = Native.Check(Native.virConnectListAllDomains(Handle, &list, 0));
        var domains = new Domain[count];
        for (int i = 0; i < count; i++)
            domains[i] = new(this, list[i]);
        Native.free(list);
        return domains;
    }

    /// <summary>Makes a domain that stays after it stops, without starting it.</summary>
    /// <exception cref="InvalidDomainXmlException">The description is not accepted.</exception>
    public Domain Define(string xml) => new(this, Native.Check(Native.virDomainDefineXML(Handle, xml)));

    /// <summary>Starts a domain that vanishes when it stops.</summary>
    /// <exception cref="InvalidDomainXmlException">The description is not accepted.</exception>
    public Domain Create(string xml, DomainCreateFlags flags = DomainCreateFlags.None) => new(this, Native.Check(Native.virDomainCreateXML(Handle, xml, (uint)flags)));

    /// <summary>Finds a domain.</summary>
    /// <exception cref="DomainNotFoundException">There is none of that name.</exception>
    public Domain Lookup(string name) => new(this, Native.Check(Native.virDomainLookupByName(Handle, name)));

    /// <summary>Finds a domain.</summary>
    /// <exception cref="DomainNotFoundException">There is none with that uuid.</exception>
    public Domain Lookup(Guid uuid) => new(this, Native.Check(Native.virDomainLookupByUUIDString(Handle, uuid.ToString())));

    /// <summary>Starts a domain from a file that <see cref="Domain.Save"/> wrote.</summary>
    /// <param name="file">The file, as the hypervisor's host sees it.</param>
    /// <param name="xml">A description to use instead of the one in the file; null keeps it.</param>
    /// <param name="paused">True to leave the domain paused.</param>
    public void Restore(string file, string? xml = null, bool paused = false) => _ = Native.Check(Native.virDomainRestoreFlags(Handle, file, xml, paused ? 4u : 0u));

    /// <summary>Calls back, on the event thread, whenever a domain starts, stops, is paused …. Disposing the result ends it.</summary>
    public IDisposable OnLifecycle(Action<DomainEvent> callback) => new LifecycleSubscription(this, callback);

    /// <inheritdoc/>
    public void Dispose()
    {
        nint handle = Interlocked.Exchange(ref _handle, 0);
        if (handle != 0)
            _ = Native.virConnectClose(handle); // the count of references that remain; nothing to do about them
    }

    private static Version Split(CULong version) => new((int)(version.Value / 1_000_000), (int)(version.Value / 1000 % 1000), (int)(version.Value % 1000));

    private static void Initialize()
    {
        try
        {
            EventLoop.EnsureRunning();
        }
        catch (DllNotFoundException)
        {
            throw new LibvirtException(LibvirtErrorCode.LibraryMissing, 0, "libvirt.so.0 is not installed; install Debian's package libvirt0 (and libvirt-daemon-driver-qemu for machines)");
        }
    }
}
