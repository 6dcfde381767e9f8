using DriverLab.Block;

namespace DriverLab.Nbd;

/// <summary>A device under a name for clients. Devices of one emulated kernel share its gate.</summary>
/// <param name="Name">The export's name; a client that names none gets the only export, or the one whose name is empty.</param>
/// <param name="Device">The device.</param>
public sealed record NbdExport(string Name, BlockDevice Device)
{
    /// <summary>Text for people, shown by clients that list exports.</summary>
    public string Description { get; init; } = "";

    /// <summary>True to refuse writes whatever the device would say.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>The gate to the device's kernel, when others use that kernel too; null makes one.</summary>
    public DeviceGate? Gate { get; init; }

    internal bool IsReadOnly => ReadOnly || Device.IsReadOnly;

    internal NbdExportFlags Flags
    {
        get
        {
            var flags = NbdExportFlags.HasFlags | NbdExportFlags.Flush | NbdExportFlags.DontFragment | NbdExportFlags.MultiConnection;
            if (!Device.Limits.NonRotational)
                flags |= NbdExportFlags.Rotational;
            if (IsReadOnly)
                return flags | NbdExportFlags.ReadOnly;
            flags |= NbdExportFlags.Fua | NbdExportFlags.WriteZeroes;
            return Device.Limits.MaxDiscardSectors != 0 ? flags | NbdExportFlags.Trim : flags;
        }
    }
}
