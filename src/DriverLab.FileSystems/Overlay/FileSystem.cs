using DriverLab.Linux;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>The file system type <c>overlay</c>; holds what all overlays of a kernel share.</summary>
public sealed class OverlayFileSystem : FileSystemType
{
    private uint _temp;

    /// <inheritdoc/>
    public override string Name => "overlay";

    /// <summary>Directories that some overlay has as its upper or work directory.</summary>
    /// <remarks>Linux: the flag I_OVL_INUSE of the real inode.</remarks>
    internal HashSet<Inode> InUse { get; } = new(ReferenceEqualityComparer.Instance);

    /// <summary>Number of the next temporary name.</summary>
    internal uint NextTemp() => ++_temp;

    /// <inheritdoc/>
    public override SysResult<Dentry> Mount(MountContext context) => new MountProcedure(this, context).Run();
}
