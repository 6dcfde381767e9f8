using System.Collections.Immutable;

namespace DriverLab.Rig.Images.Tools;

/// <summary>Programs from Debian's packages that an initramfs may have beside busybox.</summary>
/// <param name="Name">How recipes and labs name it.</param>
/// <param name="Packages">The packages with the programs.</param>
/// <param name="Libraries">Packages with the shared libraries that the programs need; what is not needed is left out.</param>
/// <param name="Programs">The programs, by their path in the package.</param>
public sealed record ToolSet(string Name, ImmutableArray<string> Packages, ImmutableArray<string> Libraries, ImmutableArray<string> Programs)
{
    /// <summary>dmsetup.</summary>
    public static readonly ToolSet Dmsetup = new("dmsetup", ["dmsetup"], ["libdevmapper1.02.1", "libselinux1", "libudev1", "libpcre2-8-0", "libc6"], ["sbin/dmsetup"]);

    /// <summary>The thin provisioning tools: one program under many names.</summary>
    public static readonly ToolSet Thin = new("thin", ["thin-provisioning-tools"], ["libaio1", "libexpat1", "libgcc-s1", "libstdc++6", "libc6"],
        ["usr/sbin/thin_check", "usr/sbin/thin_dump", "usr/sbin/thin_ls", "usr/sbin/thin_delta", "usr/sbin/thin_repair", "usr/sbin/thin_restore", "usr/sbin/thin_rmap", "usr/sbin/thin_metadata_size", "usr/sbin/thin_trim", "usr/sbin/cache_check", "usr/sbin/era_check"]);

    /// <summary>btrfs-progs; the C library loads libgcc_s by itself when scrub ends its threads.</summary>
    public static readonly ToolSet Btrfs = new("btrfs", ["btrfs-progs"], ["libblkid1", "libuuid1", "liblzo2-2", "libzstd1", "zlib1g", "libudev1", "libgcc-s1", "libc6"], ["bin/btrfs", "sbin/mkfs.btrfs", "lib/x86_64-linux-gnu/libgcc_s.so.1"]);

    /// <summary>e2fsprogs.</summary>
    public static readonly ToolSet E2fsprogs = new("e2fsprogs", ["e2fsprogs"], ["libext2fs2", "libcom-err2", "libblkid1", "libuuid1", "libss2", "libc6"],
        ["sbin/mke2fs", "sbin/mkfs.ext4", "sbin/e2fsck", "sbin/fsck.ext4", "sbin/tune2fs", "sbin/resize2fs", "sbin/dumpe2fs", "sbin/debugfs", "usr/bin/chattr", "usr/bin/lsattr"]);

    /// <summary>xfsprogs.</summary>
    public static readonly ToolSet Xfsprogs = new("xfsprogs", ["xfsprogs"], ["libblkid1", "libuuid1", "libinih1", "liburcu8", "libedit2", "libtinfo6", "libbsd0", "libmd0", "libc6", "libdevmapper1.02.1", "libselinux1", "libudev1", "libpcre2-8-0"], ["sbin/mkfs.xfs", "usr/sbin/xfs_io", "sbin/xfs_repair"]);

    /// <summary>nbd-client, which makes a connection and gives it to the kernel.</summary>
    public static readonly ToolSet Nbd = new("nbd", ["nbd-client"],
        ["libgnutls30", "libnl-3-200", "libnl-genl-3-200", "libp11-kit0", "libidn2-0", "libunistring2", "libtasn1-6", "libnettle8", "libhogweed6", "libgmp10", "libffi8", "libc6"], ["sbin/nbd-client"]);

    /// <summary>A small SSH server, and the file transfer program that scp and sftp talk to.</summary>
    public static readonly ToolSet Ssh = new("ssh", ["dropbear-bin", "openssh-sftp-server"], ["libtomcrypt1", "libtommath1", "libgmp10", "libcrypt1", "zlib1g", "libc6", "libselinux1", "libpcre2-8-0", "libssl3"], ["usr/sbin/dropbear", "usr/lib/openssh/sftp-server"]);

    /// <summary>OpenZFS's programs. Debian has them in contrib; an image with them has the modules too, see <see cref="Images.Zfs.ZfsModules"/>.</summary>
    public static readonly ToolSet Zfs = new(Images.Zfs.ZfsModules.Name, ["zfsutils-linux"],
        ["libnvpair3linux", "libuutil3linux", "libzfs4linux", "libzpool5linux", "libblkid1", "libuuid1", "libssl3", "libtirpc3", "libgssapi-krb5-2", "libkrb5-3", "libk5crypto3", "libkrb5support0", "libcom-err2", "libkeyutils1", "libudev1", "zlib1g", "libc6"],
        ["sbin/zpool", "sbin/zfs"]);

    /// <summary>All that can be named.</summary>
    public static readonly ImmutableArray<ToolSet> All = [Btrfs, Dmsetup, E2fsprogs, Nbd, Ssh, Thin, Xfsprogs, Zfs];

    /// <summary>The set of a name.</summary>
    /// <exception cref="RigUsageException">There is none.</exception>
    public static ToolSet Of(string name) =>
        All.FirstOrDefault(set => set.Name == name) ?? throw new RigUsageException($"'{name}' is no set of tools; expected one of {string.Join(", ", All.Select(set => set.Name))}");
}
