using DriverLab.Formats.PersistentData;

namespace DriverLab.DeviceMapper.PersistentData;

/// <summary>A metadata block in memory.</summary>
internal sealed class MetadataBuffer(ulong number, byte[] data)
{
    public ulong Number = number;
    public MetadataBlockKind Kind;
    public bool IsDirty, WasUsed;

    /// <summary>4096 bytes.</summary>
    public readonly byte[] Data = data;

    public Node Node => new(Data);
}
