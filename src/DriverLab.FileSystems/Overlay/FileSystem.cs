using DriverLab.Linux;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>The file system type <c>overlay</c>; holds what all overlays of a kernel share.</summary>
public sealed class OverlayFileSystem : FileSystemType
{
    private uint _temp;

    /// <inheritdoc/>
    public override string Name => "overlay";

    /// <inheritdoc/>
    public override bool IsForUserNamespaces(VfsCore core) => OverlayQuirks.For(core.Profile).IsForUserNamespaces;

    /// <inheritdoc/>
    public override bool AllowsMappings(VfsCore core) => OverlayQuirks.For(core.Profile).AllowsMappings;

    /// <summary>Directories that some overlay has as its upper or work directory.</summary>
    /// <remarks>Linux: the flag I_OVL_INUSE of the real inode.</remarks>
    internal HashSet<Inode> InUse { get; } = new(ReferenceEqualityComparer.Instance);

    /// <summary>Number of the next temporary name.</summary>
    internal uint NextTemp() => ++_temp;

    /// <inheritdoc/>
    public override SysResult<Dentry> Mount(MountContext context) => new MountProcedure(this, context).Run();

    /// <inheritdoc/>
    public override IFsContext NewContext(VfsCore core, bool reconfigures) =>
        OverlayQuirks.For(core.Profile).FsContext ? new OverlayFsContext(this, core, reconfigures) : base.NewContext(core, reconfigures);
}

/// <summary>Parameters one by one (since 6.5): each is judged when it comes, a layer is looked at when it is named.</summary>
/// <remarks>Linux fs/overlayfs/params.c: ovl_parse_param(), ovl_reconfigure().</remarks>
internal sealed class OverlayFsContext(OverlayFileSystem type, VfsCore core, bool reconfigures) : IFsContext
{
    private readonly MountProcedure _procedure = new(type, new(core, null!, [], 0, []));

    public Errno? Parse(in FsParameter parameter)
    {
        if (!reconfigures)
            return _procedure.Parse(parameter);
        core.MountLog("overlay: No changes allowed in reconfigure");
        return Errno.EINVAL;
    }

    public SysResult<Dentry> GetTree(MountContext context) => _procedure.Make(context);

    public Errno Reconfigure(MountContext context, SuperBlock sb) => sb.Remount(context);
}
