namespace LibvirtSharp;

/// <summary>How a domain is started: virDomainCreateFlags.</summary>
[Flags]
public enum DomainCreateFlags : uint
{
    None = 0,
    /// <summary>Created but not running; <see cref="Domain.Resume"/> lets it go.</summary>
    Paused = 1,
    /// <summary>Destroyed when this connection closes: nothing outlives a killed program.</summary>
    AutoDestroy = 2,
    BypassCache = 4,
    ForceBoot = 8,
}

/// <summary>virDomainState.</summary>
public enum DomainState
{
    NoState = 0,
    Running = 1,
    Blocked = 2,
    Paused = 3,
    Shutdown = 4,
    ShutOff = 5,
    Crashed = 6,
    PmSuspended = 7,
}

/// <summary>Size and use of a domain.</summary>
/// <param name="State">What it does.</param>
/// <param name="MaxMemoryKiB">The most memory it may have, in KiB.</param>
/// <param name="MemoryKiB">The memory it has, in KiB.</param>
/// <param name="Cpus">Virtual processors.</param>
/// <param name="CpuTime">Processor time used so far.</param>
public readonly record struct DomainInfo(DomainState State, long MaxMemoryKiB, long MemoryKiB, int Cpus, TimeSpan CpuTime);

/// <summary>A virtual machine.</summary>
/// <exception cref="LibvirtException">Any member may throw it, or one of its kinds, with libvirt's own message.</exception>
public sealed unsafe class Domain : IDisposable
{
    private readonly LibvirtConnection _connection;
    private nint _handle;

    internal Domain(LibvirtConnection connection, nint handle) => (_connection, _handle) = (connection, handle);

    private nint Handle => _handle != 0 ? _handle : throw new ObjectDisposedException(nameof(Domain));

    public string Name => Native.Borrowed(Native.virDomainGetName(Handle));

    public Guid Uuid
    {
        get
        {
            byte* text = stackalloc byte[37];
            _ = Native.Check(Native.virDomainGetUUIDString(Handle, text));
            return Guid.Parse(Native.Borrowed(text));
        }
    }

    /// <summary>The number of a running domain; null when it does not run.</summary>
    public int? Id => Native.virDomainGetID(Handle) is var id && id != uint.MaxValue ? (int)id : null;

    /// <summary>What the domain does now.</summary>
    public DomainState State
    {
        get
        {
            _ = Native.Check(Native.virDomainGetState(Handle, out int state, out _, 0));
            return (DomainState)state;
        }
    }

    /// <summary>Size and use.</summary>
    public DomainInfo Info
    {
        get
        {
            _ = Native.Check(Native.virDomainGetInfo(Handle, out var info));
            return new((DomainState)info.State, (long)info.MaxMemory.Value, (long)info.Memory.Value, info.Cpus, TimeSpan.FromTicks((long)(info.CpuTime / 100)));
        }
    }

    /// <summary>True when it stays defined after it stops.</summary>
    public bool IsPersistent => Native.Check(Native.virDomainIsPersistent(Handle)) == 1;

    /// <summary>The description as libvirt keeps it.</summary>
    public string Xml => Native.Owned(Native.virDomainGetXMLDesc(Handle, 0));

    /// <summary>Starts a defined domain.</summary>
    /// <exception cref="InvalidDomainStateException">It runs already.</exception>
    public void Start(DomainCreateFlags flags = DomainCreateFlags.None) => _ = Native.Check(Native.virDomainCreateWithFlags(Handle, (uint)flags));

    /// <summary>Pulls the plug.</summary>
    /// <exception cref="InvalidDomainStateException">It does not run.</exception>
    public void Destroy() => _ = Native.Check(Native.virDomainDestroyFlags(Handle, 0));

    /// <summary>Asks the guest to power off.</summary>
    public void Shutdown() => _ = Native.Check(Native.virDomainShutdown(Handle));

    /// <summary>Stops the virtual processors; memory stays.</summary>
    public void Suspend() => _ = Native.Check(Native.virDomainSuspend(Handle));

    /// <summary>Lets a suspended domain go on.</summary>
    public void Resume() => _ = Native.Check(Native.virDomainResume(Handle));

    /// <summary>Forgets a defined domain, with its snapshots' metadata.</summary>
    public void Undefine() => _ = Native.Check(Native.virDomainUndefineFlags(Handle, 2));

    /// <summary>Writes memory and state to a file on the hypervisor's host and stops the domain.</summary>
    public void Save(string file) => _ = Native.Check(Native.virDomainSaveFlags(Handle, file, null, 0));

    /// <summary>Adds a device to the running domain.</summary>
    public void AttachDevice(string xml) => _ = Native.Check(Native.virDomainAttachDeviceFlags(Handle, xml, 1));

    /// <summary>Takes a device from the running domain.</summary>
    public void DetachDevice(string xml) => _ = Native.Check(Native.virDomainDetachDeviceFlags(Handle, xml, 1));

    /// <summary>Opens a console for reading and writing.</summary>
    /// <param name="device">Its alias; null takes the first.</param>
    public Stream OpenConsole(string? device = null) => LibvirtStream.Open(_connection, stream => Native.virDomainOpenConsole(Handle, device, stream, 0));

    /// <summary>Opens a virtio-serial channel for reading and writing.</summary>
    /// <param name="name">The channel's target name; null takes the first.</param>
    public Stream OpenChannel(string? name = null) => LibvirtStream.Open(_connection, stream => Native.virDomainOpenChannel(Handle, name, stream, 0));

    /// <summary>Takes a snapshot.</summary>
    /// <param name="name">Its name; null lets libvirt choose.</param>
    public Snapshot TakeSnapshot(string? name = null) => TakeSnapshotXml(new System.Xml.Linq.XElement("domainsnapshot", name is null ? null : new System.Xml.Linq.XElement("name", name)).ToString());

    /// <summary>Takes a snapshot as described by libvirt's snapshot XML.</summary>
    public Snapshot TakeSnapshotXml(string xml) => new(Native.Check(Native.virDomainSnapshotCreateXML(Handle, xml, 0)));

    /// <summary>Finds a snapshot.</summary>
    /// <exception cref="SnapshotNotFoundException">There is none of that name.</exception>
    public Snapshot FindSnapshot(string name) => new(Native.Check(Native.virDomainSnapshotLookupByName(Handle, name, 0)));

    /// <summary>All snapshots. Each must be disposed.</summary>
    public IReadOnlyList<Snapshot> ListSnapshots()
    {
        nint* list;
        int count = Native.Check(Native.virDomainListAllSnapshots(Handle, &list, 0));
        var snapshots = new Snapshot[count];
        for (int i = 0; i < count; i++)
            snapshots[i] = new(list[i]);
        Native.free(list);
        return snapshots;
    }

    /// <summary>Lets go of the handle; the domain itself stays as it is.</summary>
    public void Dispose()
    {
        nint handle = Interlocked.Exchange(ref _handle, 0);
        if (handle != 0)
            _ = Native.virDomainFree(handle); // cannot fail for a handle of ours
    }
}

/// <summary>A snapshot of a domain.</summary>
public sealed unsafe class Snapshot : IDisposable
{
    private nint _handle;

    internal Snapshot(nint handle) => _handle = handle;

    private nint Handle => _handle != 0 ? _handle : throw new ObjectDisposedException(nameof(Snapshot));

    public string Name => Native.Borrowed(Native.virDomainSnapshotGetName(Handle));

    /// <summary>The description as libvirt keeps it.</summary>
    public string Xml => Native.Owned(Native.virDomainSnapshotGetXMLDesc(Handle, 0));

    /// <summary>Takes the domain back to this state.</summary>
    public void Revert() => _ = Native.Check(Native.virDomainRevertToSnapshot(Handle, 0));

    /// <summary>Deletes the snapshot.</summary>
    public void Delete() => _ = Native.Check(Native.virDomainSnapshotDelete(Handle, 0));

    /// <summary>Lets go of the handle; the snapshot itself stays.</summary>
    public void Dispose()
    {
        nint handle = Interlocked.Exchange(ref _handle, 0);
        if (handle != 0)
            _ = Native.virDomainSnapshotFree(handle); // cannot fail for a handle of ours
    }
}
