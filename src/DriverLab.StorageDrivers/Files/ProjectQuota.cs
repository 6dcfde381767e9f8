using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;

namespace DriverLab.StorageDrivers.Files;

/// <summary>Limits of directories: each gets a project of its own, whose quota counts what is made below it. On xfs and ext4, mounted with <c>prjquota</c>.</summary>
/// <remarks>
/// As moby's quota: projects count up from the home's own, and the node <c>backingFsBlockDev</c> in the home names the device to quotactl(2). Unlike Docker, ext4 is taken too (its quota
/// stops nobody who has CAP_SYS_RESOURCE; overlayfs writes without it), and what is tried at the start is the first project that nobody has, not the first one of all, whose limit that would lift.
/// </remarks>
internal sealed class ProjectQuota
{
    private const string NodeName = "backingFsBlockDev";
    private const int UnitShift = 9;
    private readonly IKernel _kernel;
    private readonly byte[] _node;
    private uint _next;

    private ProjectQuota(IKernel kernel, byte[] node, uint next) => (_kernel, _node, _next) = (kernel, node, next);

    /// <summary>Looks whether the file system has it.</summary>
    /// <param name="kernel">The task.</param>
    /// <param name="home">A driver's home.</param>
    /// <param name="layers">The directory with its layers' directories.</param>
    /// <returns>EOPNOTSUPP (another file system, no <c>prjquota</c>, no device nodes), then what the kernel says.</returns>
    public static DriverResult<ProjectQuota> Open(IKernel kernel, string home, string layers)
    {
        byte[] path = ByteText.Bytes(home), node = ByteText.Bytes($"{home}/{NodeName}");
        if (kernel.StatFs(path, out var fs) is not Errno.OK and var unknown)
            return DriverError.Of(unknown, "statfs", path)!;
        if (fs.Type is not (FsMagic.XFS or FsMagic.EXT4))
            return Lacks(home, "the file system is neither xfs nor ext4");
        var listed = kernel.ListPath(layers);
        if (!listed.IsOk)
            return DriverError.Of(listed.Error, "getdents64", ByteText.Bytes(layers))!;
        uint last = ProjectOf(kernel, path);
        foreach (var entry in listed.Value)
            last = Math.Max(last, ProjectOf(kernel, ByteText.Bytes($"{layers}/{ByteText.Show(entry.Name)}")));
        if (kernel.Statx(Fd.Cwd, path, AtFlags.None, StatxMask.STATX_BASIC_STATS, out var stat) is not Errno.OK and var gone)
            return DriverError.Of(gone, "stat", path)!;
        _ = kernel.UnlinkAt(Fd.Cwd, node, AtFlags.None); // an old one may name another device
        if (kernel.MknodAt(Fd.Cwd, node, Mode.S_IFBLK | (Mode)0x180, stat.Dev) is not Errno.OK and var unmade)
            return DriverError.Of(unmade, "mknod", node)!;
        var quota = new ProjectQuota(kernel, node, last + 1);
        var error = quota.SetLimit(last + 1, 0);
        return error == Errno.OK ? quota : Lacks(home, $"quotactl says {error}; it must be mounted with prjquota, and its devices must count");
    }

    private static DriverError Lacks(string home, string why) => new("quotactl", home, Errno.EOPNOTSUPP, $"a size needs a file system with project quota: {why}");

    /// <summary>0 for what has none, or is no directory.</summary>
    private static uint ProjectOf(IKernel kernel, byte[] path)
    {
        var opened = kernel.OpenAt(Fd.Cwd, path, KernelFiles.Listing, Mode.None);
        if (!opened.IsOk)
            return 0;
        var error = kernel.FsGetXattr(opened.Value, out var value);
        _ = kernel.Close(opened.Value); // only looked at
        return error == Errno.OK ? value.Project : 0;
    }

    /// <summary>Limits an empty directory.</summary>
    /// <param name="directory">Its path.</param>
    /// <param name="bytes">The most that is below it.</param>
    /// <returns>What the kernel says.</returns>
    public DriverError? Limit(string directory, long bytes)
    {
        byte[] path = ByteText.Bytes(directory);
        uint project = _next++;
        if (SetLimit(project, (ulong)bytes >> UnitShift) is not Errno.OK and var refused)
            return DriverError.Of(refused, "quotactl", path);
        var opened = _kernel.OpenAt(Fd.Cwd, path, KernelFiles.Listing, Mode.None);
        if (!opened.IsOk)
            return DriverError.Of(opened.Error, "open", path);
        var error = _kernel.FsGetXattr(opened.Value, out var value);
        (value.Project, value.Flags) = (project, value.Flags | FsXattr.FS_XFLAG_PROJINHERIT);
        if (error == Errno.OK)
            error = _kernel.FsSetXattr(opened.Value, value);
        _ = _kernel.Close(opened.Value); // a directory
        return DriverError.Of(error, "fssetxattr", path);
    }

    private Errno SetLimit(uint project, ulong units)
    {
        var limit = new DiskQuota { Version = DiskQuota.CurrentVersion, Flags = DiskQuota.ProjectFlag, Fields = DiskQuota.BlockLimits, Id = project, BlocksHard = units, BlocksSoft = units };
        return _kernel.Quotactl(QuotaCommand.Q_XSETQLIM, QuotaType.PRJQUOTA, _node, project, ref limit);
    }
}
