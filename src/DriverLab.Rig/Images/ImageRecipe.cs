using System.Collections.Immutable;

namespace DriverLab.Rig.Images;

/// <summary>A file that goes into an image beside what every image has.</summary>
/// <param name="Path">Where in the guest, absolute.</param>
/// <param name="Source">The file on this machine.</param>
/// <param name="Mode">Permission bits.</param>
public sealed record ImageFile(string Path, string Source, uint Mode = 0x1A4);

/// <summary>What goes into a guest image.</summary>
public sealed record ImageRecipe
{
    /// <summary>Modules that are loaded at boot, in this order; those built into the kernel, or unknown to it, are left out.</summary>
    public ImmutableArray<string> BootModules { get; init; } = DefaultBootModules;

    /// <summary>Modules that are in the image and are loaded when the kernel or a program asks for them.</summary>
    public ImmutableArray<string> SpareModules { get; init; } = DefaultSpareModules;

    /// <summary>Sets of tools, by name: <c>dmsetup</c>, <c>thin</c>, <c>btrfs</c>, <c>e2fsprogs</c>, <c>xfsprogs</c>, <c>nbd</c>, <c>ssh</c>, <c>zfs</c> (with its modules, which are built for the kernel).</summary>
    public ImmutableArray<string> Tools { get; init; } = [];

    /// <summary>More files, for example layers that scenarios read.</summary>
    public ImmutableArray<ImageFile> Files { get; init; } = [];

    /// <summary>Storage modules that nearly every scenario needs. btrfs is not here: it and raid6_pq cost a second of every boot.</summary>
    public static readonly ImmutableArray<string> DefaultBootModules =
    [
        "virtio_pci", "virtio_console", "loop", "brd", "dm-mod", "dm-zero", "dm-thin-pool", "dm-snapshot", "dm-flakey", "dm-delay", "dm-log-writes", "overlay", "aufs",
    ];

    /// <summary>Everything else of the storage stack.</summary>
    public static readonly ImmutableArray<string> DefaultSpareModules =
    [
        "virtio_blk", "virtio_rng", "ext4", "btrfs", "xfs", "squashfs", "erofs", "fuse", "nbd", "null_blk", "ublk_drv", "crc32c_generic", "crc32c_intel", "libcrc32c",
        "dm-mirror", "dm-raid", "dm-unstripe", "dm-era", "dm-dust", "dm-clone", "dm-cache", "dm-cache-smq", "dm-writecache", "dm-verity", "dm-integrity", "dm-crypt", "dm-ebs", "dm-switch", "dm-log",
    ];
}
