namespace DriverLab.Rig.Machines;

/// <summary>How QEMU reads a disk.</summary>
public enum DiskFormat
{
    /// <summary>A file that holds the sectors as they are.</summary>
    Raw,
    /// <summary>A file in QEMU's own format, perhaps above another file.</summary>
    Qcow2,
    /// <summary>An NBD export on a unix socket: <see cref="MachineDisk.Source"/> is the socket's path, or <c>@name</c> for an abstract socket.</summary>
    Nbd,
    /// <summary>Nothing: reads zeros, forgets writes.</summary>
    Null,
}

/// <summary>A disk of a machine.</summary>
/// <param name="Name">Its serial number in the guest (<c>/sys/block/vda/serial</c>), at most 20 bytes.</param>
/// <param name="SizeBytes">Its size.</param>
/// <param name="Format">How it is read.</param>
/// <param name="Source">File or socket.</param>
public sealed record MachineDisk(string Name, long SizeBytes, DiskFormat Format, string Source)
{
    /// <summary>The export's name, for <see cref="DiskFormat.Nbd"/>.</summary>
    public string Export { get; init; } = "";

    /// <summary>True when the guest must not write.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>For a disk that QEMU cannot put aside itself: its content, for snapshots.</summary>
    public IDiskContent? Content { get; init; }
}

/// <summary>The content of a disk that lives in this process. The machine is stopped, and has flushed, while these are called.</summary>
public interface IDiskContent
{
    /// <summary>Keeps the content as it is.</summary>
    object Capture();

    /// <summary>Brings kept content back; it may be brought back again later.</summary>
    void Revert(object captured);
}
