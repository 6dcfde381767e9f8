namespace DriverLab.StorageDrivers.Layers;

/// <summary>How a path differs; the numbers are Docker's.</summary>
public enum ChangeKind
{
    Modify = 0,
    Add = 1,
    Delete = 2,
}

/// <summary>A path that differs between a layer and its parent.</summary>
/// <param name="Kind">How.</param>
/// <param name="Path">Absolute, as bytes.</param>
public readonly record struct Change(ChangeKind Kind, byte[] Path)
{
    /// <summary><c>C /etc/passwd</c>, as <c>docker diff</c> prints it.</summary>
    public override string ToString() => $"{Kind switch { ChangeKind.Modify => 'C', ChangeKind.Add => 'A', ChangeKind.Delete => 'D' }} {ByteText.Show(Path)}";
}

/// <summary>What became of a tar that was applied.</summary>
/// <param name="Bytes">Bytes of file content.</param>
/// <param name="Entries">Entries, whiteouts included.</param>
/// <param name="DroppedXattrs">Attributes not set: overlayfs's own, and those that the file system refuses.</param>
/// <param name="DroppedNodes">Character devices 0:0 and aufs's own files, not made.</param>
public readonly record struct ApplyResult(long Bytes, long Entries, int DroppedXattrs, int DroppedNodes);
