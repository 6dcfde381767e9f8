using System.Globalization;
using DriverLab.Linux;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Layers.Tar;

namespace DriverLab.StorageDrivers.DeviceMapper;

/// <summary>How a devicemapper driver is set up; the names are those of Docker's <c>--storage-opt dm.*</c>.</summary>
/// <param name="Home">Its directory, absolute.</param>
/// <param name="Ids">Where the base file system's identity comes from.</param>
public sealed record DeviceMapperOptions(string Home, IdSource Ids)
{
    private const long GiB = 1L << 30;

    /// <summary><c>dm.basesize</c>: size of the base device, in bytes; null leaves one that exists as it is and makes a new one of 10 GiB.</summary>
    public long? BaseSizeBytes { get; init; }

    /// <summary><c>dm.loopdatasize</c>, in bytes.</summary>
    public long LoopDataBytes { get; init; } = 100 * GiB;

    /// <summary><c>dm.loopmetadatasize</c>, in bytes.</summary>
    public long LoopMetadataBytes { get; init; } = 2 * GiB;

    /// <summary><c>dm.fs</c>: file system of a new base device, <c>ext4</c> or <c>xfs</c>. An existing base device keeps its own.</summary>
    public string FileSystem { get; init; } = "ext4";

    /// <summary>Makes an xfs for a new base device; null: only an ext4 can be made.</summary>
    public MakeXfs? MakeXfs { get; init; }

    /// <summary><c>dm.mkfsarg</c>: words for the maker of the file system.</summary>
    public IReadOnlyList<string> MkfsArguments { get; init; } = [];

    /// <summary><c>dm.mountopt</c>: options of each mount, between commas.</summary>
    public string MountOptions { get; init; } = "";

    /// <summary><c>dm.datadev</c>: a device for the pool's data; empty for a sparse file.</summary>
    public string DataDevice { get; init; } = "";

    /// <summary><c>dm.metadatadev</c>: a device for the pool's metadata; empty for a sparse file.</summary>
    public string MetadataDevice { get; init; } = "";

    /// <summary><c>dm.thinpooldev</c>: name of a pool that exists; empty for one of the driver's own.</summary>
    public string ThinPool { get; init; } = "";

    /// <summary><c>dm.blocksize</c>: the pool's block, in bytes.</summary>
    public long BlockBytes { get; init; } = 64 << 10;

    /// <summary><c>dm.blkdiscard</c>: discard a device before it is deleted, so that a sparse file gets smaller. Null means: where the driver made the files itself.</summary>
    public bool? Discard { get; init; }

    /// <summary><c>dm.use_deferred_removal</c>; null means: where the kernel can.</summary>
    public bool? DeferredRemoval { get; init; }

    /// <summary><c>dm.use_deferred_deletion</c>; null means: as removal.</summary>
    public bool? DeferredDeletion { get; init; }

    /// <summary><c>dm.min_free_space</c>: the share of data and metadata blocks below which no layer is made, in percent.</summary>
    public int MinFreePercent { get; init; } = 10;

    /// <summary><c>dm.xfs_nospace_max_retries</c>: how often xfs tries again when the pool is full; null leaves the kernel's own.</summary>
    public int? XfsNoSpaceRetries { get; init; }

    /// <summary>What archives may contain.</summary>
    public TarLimits Limits { get; init; } = TarLimits.Default;

    internal Ext4Options Ext4 { get; init; } = new();

    internal bool IsDiscarding => Discard ?? (DataDevice.Length == 0 && ThinPool.Length == 0);

    /// <summary>Reads <c>key=value</c> words.</summary>
    /// <returns>EINVAL: an unknown key, a value that is none, options that exclude each other; EOPNOTSUPP: <c>dm.directlvm_device</c> and its company, which are work for LVM's programs.</returns>
    public static DriverResult<DeviceMapperOptions> Parse(string home, IdSource ids, IEnumerable<string> words)
    {
        if (home is not ['/', ..])
            return new DriverError("init", home, Errno.EINVAL, "the home must be an absolute path");
        var options = new DeviceMapperOptions(home, ids);
        foreach (string word in words)
        {
            int equals = word.IndexOf('=');
            string key = (equals < 0 ? word : word[..equals]).ToLowerInvariant();
            var parsed = options.With(word, key, equals < 0 ? "" : word[(equals + 1)..]);
            if (!parsed.IsOk)
                return parsed;
            options = parsed.Value;
        }
        return options.Check();
    }

    private DriverResult<DeviceMapperOptions> With(string word, string key, string value)
    {
        switch (key)
        {
            case "dm.basesize":
                return Size(word, value, bytes => this with { BaseSizeBytes = bytes });
            case "dm.loopdatasize":
                return Size(word, value, bytes => this with { LoopDataBytes = bytes });
            case "dm.loopmetadatasize":
                return Size(word, value, bytes => this with { LoopMetadataBytes = bytes });
            case "dm.blocksize":
                return Size(word, value, bytes => this with { BlockBytes = bytes });
            case "dm.fs":
                return value is "ext4" or "xfs" ? this with { FileSystem = value } : Bad(word, "expected ext4 or xfs");
            case "dm.mkfsarg":
                return this with { MkfsArguments = [.. MkfsArguments, value] };
            case "dm.mountopt":
                return this with { MountOptions = MountOptions.Length == 0 ? value : $"{MountOptions},{value}" };
            case "dm.datadev":
                return this with { DataDevice = value };
            case "dm.metadatadev":
                return this with { MetadataDevice = value };
            case "dm.thinpooldev":
                const string mapper = "/dev/mapper/";
                return this with { ThinPool = value.StartsWith(mapper, StringComparison.Ordinal) ? value[mapper.Length..] : value };
            case "dm.blkdiscard":
                return Switch(word, value, on => this with { Discard = on });
            case "dm.use_deferred_removal":
                return Switch(word, value, on => this with { DeferredRemoval = on });
            case "dm.use_deferred_deletion":
                return Switch(word, value, on => this with { DeferredDeletion = on });
            case "dm.override_udev_sync_check":
                return Switch(word, value, _ => this); // nothing here waits for udev
            case "dm.min_free_space":
                return value is [.., '%'] ? Number(word, value[..^1], 0, 99, percent => this with { MinFreePercent = percent }) : Bad(word, "expected a number and %");
            case "dm.xfs_nospace_max_retries":
                return Number(word, value, 0, int.MaxValue, retries => this with { XfsNoSpaceRetries = retries });
            case "dm.libdm_log_level":
                return Number(word, value, 0, 7, _ => this); // there is no such library here
            case "dm.directlvm_device" or "dm.directlvm_device_force" or "dm.thinp_percent" or "dm.thinp_metapercent" or "dm.thinp_autoextend_threshold" or "dm.thinp_autoextend_percent":
                return new DriverError("option", word, Errno.EOPNOTSUPP, "a volume group is made with LVM's programs; give the pool that they make as dm.thinpooldev");
            default:
                return Bad(word, "devicemapper does not know it");
        }
    }

    private DriverResult<DeviceMapperOptions> Check()
    {
        if (ThinPool.Length > 0 && (DataDevice.Length > 0 || MetadataDevice.Length > 0))
            return Bad("dm.thinpooldev", "a pool that exists has its data and metadata already: leave dm.datadev and dm.metadatadev out");
        if (DeferredDeletion == true && DeferredRemoval == false)
            return Bad("dm.use_deferred_deletion", "it needs dm.use_deferred_removal");
        const int sector = 512;
        if (BaseSizeBytes % sector > 0)
            return Bad("dm.basesize", "a device has whole sectors of 512 bytes");
        if (FileSystem == "xfs")
            return this; // mkfs.xfs judges its arguments itself
        var made = Ext4Options.Parse(MkfsArguments);
        return made.IsOk ? this with { Ext4 = made.Value } : made.Error!;
    }

    private static DriverError Bad(string word, string why) => new("option", word, Errno.EINVAL, why);

    private static DriverResult<DeviceMapperOptions> Size(string word, string value, Func<long, DeviceMapperOptions> with) =>
        LayerOptions.TryParseSize(value, out long bytes) ? with(bytes) : Bad(word, "expected a number with an optional k, m, g or t");

    private static DriverResult<DeviceMapperOptions> Switch(string word, string value, Func<bool, DeviceMapperOptions> with) => value switch
    {
        "true" or "1" => with(true),
        "false" or "0" => with(false),
        _ => Bad(word, "expected true or false"),
    };

    private static DriverResult<DeviceMapperOptions> Number(string word, string value, int least, int most, Func<int, DeviceMapperOptions> with) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= least && number <= most ? with(number) : Bad(word, $"expected a number from {least} to {most}");
}
