using System.Collections.Frozen;
using DriverLab.Linux;

namespace DriverLab.Cli.Targets;

/// <summary>Profiles of the kernel lines for runs without a kernel: the version, and what Debian's cloud kernels configure.</summary>
internal static class Profiles
{
    /// <summary>The profile of a line such as <c>6.12</c>.</summary>
    public static KernelProfile Of(string line) => KernelVersion.TryParse(line, out var version)
        ? new(line, version, line.EndsWith("-aufs", StringComparison.Ordinal) ? s_aufs : version < new KernelVersion(5, 11) ? s_debian : s_laterDebian)
        : throw new UsageException($"'{line}' is no kernel line; expected for example 6.12");

    /// <summary>The line with the patches of aufs.</summary>
    public const string AufsLine = "6.1-aufs";

    /// <summary>The profile of the line on which programs of a suite run when no kernel is named.</summary>
    public static KernelProfile ForSuite(string suite) => Of(suite == "aufs" ? AufsLine : "6.12");

    // A kernel with the patches of aufs, such as 6.1-aufs; no Debian kernel has them.
    private static FrozenDictionary<string, string> s_aufs => new Dictionary<string, string>(s_debian) { ["CONFIG_AUFS_FS"] = "y", ["CONFIG_UNICODE"] = "y" }.ToFrozenDictionary();

    private static readonly FrozenDictionary<string, string> s_debian = new Dictionary<string, string>
    {
        ["CONFIG_BLK_DEV_LOOP"] = "m", ["CONFIG_BLK_DEV_LOOP_MIN_COUNT"] = "8",
        ["CONFIG_BLK_DEV_DM"] = "m", ["CONFIG_TMPFS"] = "y", ["CONFIG_TMPFS_XATTR"] = "y", ["CONFIG_TMPFS_POSIX_ACL"] = "y",
        ["CONFIG_OVERLAY_FS"] = "m", ["CONFIG_DEVTMPFS"] = "y", ["CONFIG_HZ"] = "250", ["CONFIG_FS_VERITY"] = "y", ["CONFIG_SECURITY_DMESG_RESTRICT"] = "y",
        ["CONFIG_OVERLAY_FS_REDIRECT_ALWAYS_FOLLOW"] = "y",
    }.ToFrozenDictionary();

    private static readonly FrozenDictionary<string, string> s_laterDebian = new Dictionary<string, string>(s_debian)
    {
        ["CONFIG_TMPFS_INODE64"] = "y", ["CONFIG_UNICODE"] = "y", ["CONFIG_LSM"] = "landlock,lockdown,yama,loadpin,safesetid,integrity,apparmor,selinux,smack,tomoyo,bpf",
    }.ToFrozenDictionary();
}
