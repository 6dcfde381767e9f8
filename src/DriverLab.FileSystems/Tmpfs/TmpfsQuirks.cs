using DriverLab.Linux;

namespace DriverLab.FileSystems.Tmpfs;

/// <summary>When a file of tmpfs tells that it is made of huge pages.</summary>
public enum HugePages
{
    /// <summary>Never (seen on 6.16 and 6.17).</summary>
    None,
    /// <summary>With every <c>huge=</c> but never (seen on 5.10).</summary>
    AllOptions,
    /// <summary>With huge=always, and with huge=within_size from the size of a huge page on (seen on 6.1 and 6.12).</summary>
    FromWholeSize,
    /// <summary>With huge=always, and with huge=within_size when there is more than one page (seen on 7.2 and 7.3).</summary>
    FromTwoPages,
}

/// <summary>What differs between kernels in tmpfs.</summary>
public sealed record TmpfsQuirks
{
    /// <summary><c>user.*</c> attributes, charged to the inodes' account (6.6, "tmpfs: track free_ispace instead of free_inodes").</summary>
    public bool HasUserXattrs { get; init; }

    /// <summary>Directory entries have offsets of their own (6.6, "shmem: stable directory offsets").</summary>
    public bool HasStableOffsets { get; init; }

    /// <summary>The first offset that an entry gets: 3 since 6.14 (and in stable 6.12), 2 before.</summary>
    public uint FirstOffset { get; init; }

    /// <summary>A replaced or exchanged name passes its offset on (6.10, "libfs: Fix simple_offset_rename_exchange()" and its follow-ups, in stable 6.6 as well).</summary>
    public bool RenameKeepsOffset { get; init; }

    /// <summary>
    /// The entry of a whiteout that a rename left stays when it is removed: it was never looked up, and only a lookup marked entries to be dropped (until 6.17, where tmpfs marks all of its entries).
    /// </summary>
    public bool WhiteoutNamesStay { get; init; }

    /// <summary>A whiteout gets its offset behind the name that was moved (a fix of 2026: seen on 6.12.118, 6.18.44 and 7.2, not on 6.16 and 6.17).</summary>
    public bool WhiteoutOffsetComesLast { get; init; }

    /// <summary>O_DIRECT is accepted (6.6, "tmpfs: trivial support for direct IO").</summary>
    public bool HasDirectIo { get; init; }

    /// <summary>Birth time and inode flags (6.0, "tmpfs: support for file creation time", "tmpfs: add support for an i_flags").</summary>
    public bool HasBirthTime { get; init; }

    /// <summary>The <c>noswap</c> option (6.4).</summary>
    public bool HasNoSwap { get; init; }

    /// <summary>A remount must say <c>noswap</c> again (seen on 6.16, not on 6.12.118, 6.17 and 6.18.44).</summary>
    public bool NoSwapIsRepeated { get; init; }

    /// <summary>Inode numbers have 64 bits by default, and /proc/mounts always says how many (CONFIG_TMPFS_INODE64).</summary>
    public bool HasInode64 { get; init; }

    /// <summary>The <c>casefold</c> and <c>strict_encoding</c> options (6.13).</summary>
    public bool HasCasefold { get; init; }

    /// <summary>They can be given (CONFIG_UNICODE).</summary>
    public bool HasUnicode { get; init; }

    /// <summary><c>casefold</c> may be said once only (seen on 7.3, not on 7.2).</summary>
    public bool CasefoldComesOnce { get; init; }

    /// <summary>Which files are made of huge pages, and tell that as their block size.</summary>
    public HugePages HugePages { get; init; }

    /// <summary>The memory policy <c>prefer (many)</c> (5.15).</summary>
    public bool HasPreferMany { get; init; }

    /// <summary>The memory policy <c>weighted interleave</c> (6.9).</summary>
    public bool HasWeightedInterleave { get; init; }

    /// <summary>fallocate stamps a file as modified, and takes set-IDs and capabilities away (5.19, "fs: use file_modified in tmpfs fallocate", 15f242bb65f6).</summary>
    public bool FallocateIsModification { get; init; }

    /// <summary>fallocate refuses a range that reaches into the last page that a file can have (seen on 7.3.4, not on 7.2.12).</summary>
    public bool FallocateStopsAtLastPage { get; init; }

    /// <summary>A hole that the kernel itself reads, for a loop device, becomes a page (SGP_CACHE; gone with 5.18, "tmpfs: do not allocate pages on read").</summary>
    public bool KernelReadsFillHoles { get; init; }

    /// <summary>Setting an extended attribute stamps the file's change (seen on 6.1, not on 5.10).</summary>
    public bool XattrsStampChange { get; init; }

    /// <summary>statx leaves the times of changes out unless one of them is asked for (6.13, multigrain timestamps).</summary>
    public bool HasMultigrainTimes { get; init; }

    /// <summary>A uid or gid that is no number is complained of twice (6.11, fs_param_is_uid(); seen on 6.12, not on 6.1).</summary>
    public bool BadIdsAreToldTwice { get; init; }

    /// <summary>An option without a name, <c>=5</c>, is an unknown parameter: tmpfs read its options itself (seen on 6.12, not on 6.16).</summary>
    public bool EmptyNamesAreUnknown { get; init; }

    /// <summary>POSIX ACLs are compiled in (CONFIG_TMPFS_POSIX_ACL).</summary>
    public bool HasAcl { get; init; }

    /// <summary>The quirks of a kernel.</summary>
    public static TmpfsQuirks Of(KernelProfile profile) => new()
    {
        BadIdsAreToldTwice = profile.AtLeast(6, 11),
        EmptyNamesAreUnknown = !profile.AtLeast(6, 13),
        HasUserXattrs = profile.AtLeast(6, 6),
        HasStableOffsets = profile.AtLeast(6, 6),
        FirstOffset = profile.AtLeast(6, 12) ? 3u : 2u,
        RenameKeepsOffset = profile.AtLeast(6, 6),
        WhiteoutNamesStay = !profile.AtLeast(6, 17),
        WhiteoutOffsetComesLast = profile.AtLeast(6, 18) || profile.AtLeast(6, 12) && !profile.AtLeast(6, 13),
        HasDirectIo = profile.AtLeast(6, 6),
        HasBirthTime = profile.AtLeast(6, 0),
        FallocateIsModification = profile.AtLeast(5, 19),
        FallocateStopsAtLastPage = profile.AtLeast(7, 3),
        KernelReadsFillHoles = !profile.AtLeast(5, 18),
        XattrsStampChange = profile.AtLeast(6, 0),
        HasMultigrainTimes = profile.AtLeast(6, 13),
        HasNoSwap = profile.AtLeast(6, 4),
        NoSwapIsRepeated = profile.AtLeast(6, 4) && !profile.AtLeast(6, 17) && !(profile.AtLeast(6, 12) && !profile.AtLeast(6, 13)),
        HasInode64 = profile.Has("CONFIG_TMPFS_INODE64"),
        HasCasefold = profile.AtLeast(6, 13),
        HasUnicode = profile.Has("CONFIG_UNICODE"),
        CasefoldComesOnce = profile.AtLeast(7, 3),
        HugePages = profile.AtLeast(7, 0) ? HugePages.FromTwoPages : profile.AtLeast(6, 13) ? HugePages.None : profile.AtLeast(6, 0) ? HugePages.FromWholeSize : HugePages.AllOptions,
        HasPreferMany = profile.AtLeast(5, 15),
        HasWeightedInterleave = profile.AtLeast(6, 9),
        HasAcl = !profile.Config.TryGetValue("CONFIG_TMPFS_POSIX_ACL", out var acl) || acl == "y",
    };
}
