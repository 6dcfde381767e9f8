using System.Globalization;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.StorageDrivers.DeviceMapper;

/// <summary>How full a pool is.</summary>
internal readonly record struct PoolStatus(ulong TransactionId, long UsedMetadata, long TotalMetadata, long UsedData, long TotalData)
{
    /// <summary>Reads a pool's status line: <c>5 30/512 80/1600 - rw …</c>.</summary>
    public static bool TryParse(string text, out PoolStatus status)
    {
        status = default;
        string[] words = text.Split(' ');
        if (words.Length < 3 || !ulong.TryParse(words[0], NumberStyles.None, CultureInfo.InvariantCulture, out ulong transaction))
            return false;
        var numbers = new long[4];
        string[] parts = [.. words[1].Split('/'), .. words[2].Split('/')];
        for (int i = 0; i < numbers.Length; i++)
            if (parts.Length != numbers.Length || !long.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out numbers[i]))
                return false;
        status = new(transaction, numbers[0], numbers[1], numbers[2], numbers[3]);
        return true;
    }
}

/// <summary>Device-mapper's commands as the driver needs them, and the nodes below <c>/dev/mapper</c>, which it makes and removes itself where no udev does.</summary>
internal sealed class MappedDevices : IDisposable
{
    private const string Control = "/dev/mapper/control";
    private const int RemoveTries = 200;
    private const long RemovePauseNs = 100_000_000;
    private readonly IKernel _kernel;
    private readonly Fd _control;

    private MappedDevices(IKernel kernel, Fd control, DmIoctl version)
    {
        (_kernel, _control) = (kernel, control);
        Version = $"{version.VersionMajor}.{version.VersionMinor}.{version.VersionPatch}";
        HasDeferredRemoval = version.VersionMajor > 4 || (version.VersionMajor == 4 && version.VersionMinor >= 27);
    }

    /// <summary>The version of the kernel's interface.</summary>
    public string Version { get; }

    /// <summary>A device that is open can be told to go at its last close.</summary>
    public bool HasDeferredRemoval { get; }

    /// <summary>Opens the control node.</summary>
    /// <returns>What open(2) says: ENOENT or ENODEV where the kernel has no device-mapper.</returns>
    public static DriverResult<MappedDevices> Open(IKernel kernel)
    {
        var opened = kernel.OpenAt(Fd.Cwd, ByteText.Bytes(Control), OpenFlags.O_RDWR | OpenFlags.O_CLOEXEC, Mode.None);
        if (!opened.IsOk)
            return new DriverError("open", Control, opened.Error, "devicemapper needs a kernel with device-mapper, and its node");
        var version = kernel.DmVersion(opened.Value);
        if (version.IsOk)
            return new MappedDevices(kernel, opened.Value, version.Value);
        _ = kernel.Close(opened.Value); // the error is the one to tell
        return DriverError.Of(version.Error, "dm version", ByteText.Bytes(Control))!;
    }

    /// <summary>The path of a device's node.</summary>
    public static string NodeOf(string name) => "/dev/mapper/" + name;

    /// <summary>State of a device; ENXIO where there is none.</summary>
    public SysResult<DmIoctl> Info(string name) => _kernel.DmInfo(_control, ByteText.Bytes(name));

    /// <summary>True for a device with a live table. One without, which a crash leaves between its creation and its first resume, is removed.</summary>
    public bool IsLive(string name)
    {
        var info = Info(name);
        if (!info.IsOk || info.Value.Has(DmFlags.DM_ACTIVE_PRESENT_FLAG))
            return info.IsOk;
        _ = _kernel.DmRemove(_control, ByteText.Bytes(name)); // its creation tells
        return false;
    }

    /// <summary>The table of a device's first target.</summary>
    public SysResult<DmReport> Table(string name) => _kernel.DmTable(_control, ByteText.Bytes(name));

    /// <summary>Names of devices that begin so.</summary>
    public IEnumerable<string> Names(string prefix)
    {
        var listed = _kernel.DmList(_control);
        return listed.IsOk ? listed.Value.Select(static e => e.Name).Where(n => n.StartsWith(prefix, StringComparison.Ordinal)) : [];
    }

    /// <summary>Makes a device with a table of one row, live at once, and its node.</summary>
    public DriverError? Create(string name, string subject, DmRow row)
    {
        byte[] key = ByteText.Bytes(name);
        string call = "dm create";
        var error = _kernel.DmCreate(_control, key).Error;
        if (error != Errno.OK)
            return new DriverError(call, subject, error);
        (call, error) = ("dm load", _kernel.DmLoad(_control, key, [row]).Error);
        if (error == Errno.OK)
            (call, error) = ("dm resume", _kernel.DmResume(_control, key).Error);
        if (error == Errno.OK)
            return EnsureNode(name, subject);
        _ = _kernel.DmRemove(_control, key); // the error above is the one to tell
        return new DriverError(call, subject, error);
    }

    /// <summary>Makes the node of a live device where it is missing, or names another device.</summary>
    public DriverError? EnsureNode(string name, string subject)
    {
        var info = Info(name);
        if (!info.IsOk)
            return new DriverError("dm info", subject, info.Error);
        byte[] node = ByteText.Bytes(NodeOf(name));
        const AtFlags follow = AtFlags.None; // udev's nodes are links
        if (_kernel.Statx(Fd.Cwd, node, follow, StatxMask.STATX_BASIC_STATS, out var stat) == Errno.OK && stat.Type == Mode.S_IFBLK && stat.Rdev == info.Value.DevT)
            return null;
        _ = _kernel.UnlinkAt(Fd.Cwd, node, AtFlags.None); // mknod tells
        var error = _kernel.MknodAt(Fd.Cwd, node, Mode.S_IFBLK | (Mode)0x180, info.Value.DevT);
        return error == Errno.EEXIST ? null : DriverError.Of(error, "mknod", node);
    }

    /// <summary>Removes a device. One that is open is tried again, 200 times 100 ms apart, or goes at its last close.</summary>
    /// <returns>EBUSY. A device that is not there is no error.</returns>
    public DriverError? Remove(string name, string subject, bool deferred, int tries = RemoveTries)
    {
        byte[] key = ByteText.Bytes(name);
        for (int attempt = 1; ; attempt++)
        {
            var error = _kernel.DmRemove(_control, key, deferred ? DmFlags.DM_DEFERRED_REMOVE : DmFlags.None).Error;
            if (error is Errno.OK or Errno.ENXIO)
            {
                _ = _kernel.UnlinkAt(Fd.Cwd, ByteText.Bytes(NodeOf(name)), AtFlags.None); // udev may have been quicker
                return null;
            }
            if (error != Errno.EBUSY || attempt == tries)
                return new DriverError("dm remove", subject, error);
            _kernel.Sleep(RemovePauseNs);
        }
    }

    /// <summary>Takes back that a device goes at its last close.</summary>
    /// <returns>ENXIO: it has gone.</returns>
    public Errno CancelRemoval(string name) => _kernel.DmMessage(_control, ByteText.Bytes(name), "@cancel_deferred_remove"u8).Error;

    /// <summary>Suspends a device: what is under way ends, what comes waits. Its file system is frozen.</summary>
    public DriverError? Suspend(string name, string subject) => Said("dm suspend", subject, _kernel.DmSuspend(_control, ByteText.Bytes(name)).Error);

    /// <summary>Resumes a device.</summary>
    public DriverError? Resume(string name, string subject) => Said("dm resume", subject, _kernel.DmResume(_control, ByteText.Bytes(name)).Error);

    /// <summary>Sends a message to a pool.</summary>
    public Errno Message(string pool, string message) => _kernel.DmMessage(_control, ByteText.Bytes(pool), ByteText.Bytes(message)).Error;

    /// <summary>How full a pool is.</summary>
    /// <returns>ENXIO (no such device), EINVAL (no pool), EIO (it has failed).</returns>
    public DriverResult<PoolStatus> StatusOf(string pool)
    {
        var report = _kernel.DmTableStatus(_control, ByteText.Bytes(pool));
        if (!report.IsOk)
            return new DriverError("dm status", "pool", report.Error);
        if (report.Value.Rows is not [{ Type: "thin-pool" } row])
            return new DriverError("dm status", "pool", Errno.EINVAL, "the device is no thin pool");
        return PoolStatus.TryParse(row.Params, out var status) ? status : new DriverError("dm status", "pool", Errno.EIO, $"the pool says {row.Params}");
    }

    private static DriverError? Said(string call, string subject, Errno error) => error == Errno.OK ? null : new(call, subject, error);

    public void Dispose() => _ = _kernel.Close(_control); // holds no data
}
