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

    /// <summary>For each union its branches with permissions and ids, and the path by which its table of inode numbers was made; the module's parameters.</summary>
    /// <remarks>aufs fs/aufs/sysaufs.c, sysfs.c.</remarks>
    public override IEnumerable<SysfsFile> SysfsFiles
    {
        get
        {
            yield return new("fs/aufs", null);
            yield return new("module/aufs/parameters/allow_userns", static _ => "N\n");
            yield return new("module/aufs/parameters/brs", static _ => "1\n");
            foreach (var union in Instances)
            {
                string folder = "fs/aufs/si_" + union.IdText;
                for (int i = 0; i < union.Branches.Count; i++)
                {
                    var branch = union.Branches[i];
                    yield return new($"{folder}/br{i}", c => $"{Shown(Whiteouts.PathOf(c.Root, branch))}={branch.PermissionText}\n");
                    yield return new($"{folder}/brid{i}", _ => $"{branch.Id}\n");
                }
                yield return new(folder + "/xi_path", _ => union.Options.NoXino ? "" : Shown(union.XinoPath) + "\n");
            }
        }
    }

    /// <inheritdoc/>
    public override Inode MakeProcDirectory(SuperBlock proc) => new PlinkMaintenanceDirectory(proc, this);

    private static string Shown(byte[] path)
    {
        var text = new MountOptionWriter();
        text.Escaped(path, " \t\n\\"u8);
        return System.Text.Encoding.UTF8.GetString(text.ToArray());
    }

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
