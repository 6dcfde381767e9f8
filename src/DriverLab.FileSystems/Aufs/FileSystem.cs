using DriverLab.Linux;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Aufs;

/// <summary>The file system type <c>aufs</c>; holds what all unions of a kernel share.</summary>
/// <remarks>aufs6.1, which is no part of Linux: kernels have it by a patch (CONFIG_AUFS_FS).</remarks>
public sealed class AufsFileSystem : FileSystemType
{
    private ushort _temp;
    private readonly HashSet<string> _warned = [];

    /// <inheritdoc/>
    public override string Name => "aufs";

    /// <summary>The instances, for <c>/sys/fs/aufs</c>.</summary>
    internal List<AufsSuperBlock> Instances { get; } = [];

    /// <summary>Number of the next temporary name, counted since boot over all mounts.</summary>
    internal ushort NextTemp() => _temp++;

    /// <summary>True the first time since boot.</summary>
    internal bool WarnsFirst(string what) => _warned.Add(what);

    /// <inheritdoc/>
    public override SysResult<Dentry> Mount(MountContext context)
    {
        var procedure = new MountProcedure(this, context.Core);
        var error = procedure.ParseAll(context);
        return error != Errno.OK ? error : procedure.Make(context);
    }

    /// <inheritdoc/>
    public override IFsContext NewContext(VfsCore core, bool reconfigures) => new AufsFsContext(this, core);
}

/// <summary>Options one by one: each is judged when it comes, all are applied at the end.</summary>
/// <remarks>aufs fs/aufs/fsctx.c: au_fsctx_ops.</remarks>
internal sealed class AufsFsContext(AufsFileSystem type, VfsCore core) : IFsContext
{
    private readonly MountProcedure _procedure = new(type, core);

    public Errno? Parse(in FsParameter parameter)
    {
        if (parameter.Text == "source")
            return null;
        byte[] option = parameter.Value is { } value ? [.. parameter.Name, (byte)'=', .. value] : parameter.Name;
        return _procedure.Parse(parameter.Caller, option);
    }

    public SysResult<Dentry> GetTree(MountContext context) => _procedure.Make(context);

    public Errno Reconfigure(MountContext context, SuperBlock sb) => _procedure.Change((AufsSuperBlock)sb, context);
}
