using DriverLab.Linux;

namespace DriverLab.Vfs;

/// <summary>What differs between kernels in the VFS. Made from the profile once; bodies never test versions.</summary>
public sealed record VfsQuirks
{
    /// <summary>chown and writes clear setgid of a file whose group the caller is not in, also without group execution.</summary>
    /// <remarks>6.2, "attr: use consistent sgid stripping checks" (ed5a7047d201), in stable 6.1 as well.</remarks>
    public bool SgidStrippingIsConsistent { get; init; } = true;

    /// <summary>lseek on a file without the operation says ESPIPE, and works on descriptors that are no files (before 6.0 the position moved, and ESPIPE was for all such descriptors).</summary>
    public bool NoLSeekIsEspipe { get; init; } = true;

    /// <summary>O_TMPFILE leaves the entry to the file system's own open (overlayfs has it since 6.1).</summary>
    public bool TmpfileTakesFile { get; init; } = true;

    /// <summary>O_CREAT with O_DIRECTORY is EINVAL.</summary>
    /// <remarks>6.4, "open: return EINVAL for O_DIRECTORY | O_CREAT" (43b450632676), in stable 6.1 as well; before, it made a regular file or opened the directory.</remarks>
    public bool CreatDirectoryIsEinval { get; init; }

    /// <summary>fs.protected_hardlinks: only an owner may link to what it could not read and write. 1 in Debian's kernels and wherever systemd sets it.</summary>
    public bool ProtectedHardlinks { get; init; } = true;

    /// <summary>fs.protected_symlinks: in sticky, world-writable directories a link is followed only by its owner, or when the directory is the owner's.</summary>
    public bool ProtectedSymlinks { get; init; } = true;

    /// <summary>copy_file_range that would copy nothing says so before it looks at the largest offset.</summary>
    /// <remarks>Seen on 6.12.118 and 7.3.4; not on 6.1.192, 6.16.12, 6.17.13, 6.18.44 and 7.2.12.</remarks>
    public bool EmptyCopySkipsLimit { get; init; }

    /// <summary>fs.protected_regular: 1 or 2 to deny O_CREAT on somebody else's regular file in a sticky directory that others (2: the group) may write.</summary>
    public int ProtectedRegular { get; init; }

    /// <summary>fs.protected_fifos, as <see cref="ProtectedRegular"/>.</summary>
    public int ProtectedFifos { get; init; }

    /// <summary>Attributes of <c>security.*</c> may be set without CAP_SYS_ADMIN: the BPF security module's empty hook stands in for the capability check.</summary>
    /// <remarks>security/security.c: security_inode_setxattr() before 6.9; seen on Debian's 6.1, whose CONFIG_LSM ends with bpf.</remarks>
    public bool BpfLsmSkipsXattrCheck { get; init; }

    /// <summary>statx reports STATX_MNT_ID_UNIQUE (6.8).</summary>
    public bool HasUniqueMountId { get; init; }

    /// <summary>Directories with stable offsets list the newest entry first.</summary>
    /// <remarks>6.14, "libfs: Use d_children list to iterate simple_offset directories" (b9b588f22a0c), in stable 6.12 as well; 6.6 to 6.11 list by offset.</remarks>
    public bool OffsetsNewestFirst { get; init; }

    /// <summary>Attributes in memory are listed by name; before 6.2 the newest came first.</summary>
    /// <remarks>6.2, "xattr: use rbtree for simple_xattrs" (3b4c7bc01727).</remarks>
    public bool SimpleXattrsAreSorted { get; init; }

    /// <summary>truncate(2) looks at write permission before it looks at read-only mounts (6.14).</summary>
    public bool TruncateChecksPermissionFirst { get; init; }

    /// <summary>linkat with AT_EMPTY_PATH works without CAP_DAC_READ_SEARCH on a descriptor that the caller opened itself (6.10).</summary>
    public bool EmptyPathLinksOwnFiles { get; init; }

    /// <summary>setxattr and removexattr check name and flags before the path is walked (6.1 does not, stable 6.12 does).</summary>
    public bool XattrChangesCheckNameFirst { get; init; }

    /// <summary>getxattr checks the name before the path is walked, and all calls on descriptors before the descriptor (6.13).</summary>
    public bool XattrReadsCheckNameFirst { get; init; }

    /// <summary>fallocate's modes exclude each other, and wrong combinations are EOPNOTSUPP (6.12, "fs: sort out the fallocate mode vs flag mess").</summary>
    public bool FallocateModesAreExclusive { get; init; }

    /// <summary>stat of a block device's node tells the device's smallest efficient I/O as its block size (6.15).</summary>
    public bool BlockNodesReportIoSize { get; init; }

    /// <summary>FALLOC_FL_WRITE_ZEROES exists (6.17).</summary>
    public bool HasWriteZeroes { get; init; }

    /// <summary>mountinfo lists mounts by age; before, those that arrived by propagation stand behind in reverse.</summary>
    /// <remarks>6.8, "mounts: keep list of mounts in an rbtree" (2eea9ce4310d).</remarks>
    public bool MountsListedById { get; init; }

    /// <summary>The flags of move_mount: MOVE_MOUNT_SET_GROUP came with 5.15, MOVE_MOUNT_BENEATH with 6.5.</summary>
    public Linux.Abi.MoveMountFlags MoveMountFlags { get; init; } = (Linux.Abi.MoveMountFlags)0x77;

    /// <summary>open_by_handle_at looks at its descriptor before it looks at privileges.</summary>
    /// <remarks>6.11, "fhandle: relax open_by_handle_at() permission checks" (620c266f3949).</remarks>
    public bool HandleMountComesFirst { get; init; }

    /// <summary>open_by_handle_at reads the handle before it looks at anything else (seen on 6.17, not on 6.16).</summary>
    public bool HandleIsReadFirst { get; init; }

    /// <summary>The upper half of a handle's type holds flags, of which only two are known, and a negative type is refused (seen on 6.16, not on 6.12).</summary>
    public bool HandleTypesHaveFlags { get; init; }

    /// <summary>Setting an access control list to nothing removes it.</summary>
    /// <remarks>6.2, "acl: add vfs_set_acl()" (e4cc9163032b); before, EINVAL.</remarks>
    public bool EmptyAclRemoves { get; init; }

    /// <summary>name_to_handle_at takes AT_HANDLE_FID (6.5).</summary>
    public bool HasHandleFid { get; init; }

    /// <summary>name_to_handle_at takes AT_HANDLE_MNT_ID_UNIQUE (6.12).</summary>
    public bool HandlesTellUniqueMount { get; init; }

    /// <summary>With AT_HANDLE_FID files have handles where the file system knows none (6.7; seen on 6.12 and 6.17, not on 6.16, EOPNOTSUPP).</summary>
    public bool EverythingHasHandleIds { get; init; }

    /// <summary>F_OFD_GETLK with F_UNLCK tells the owner's own locks (6.5).</summary>
    public bool OfdGetsUnlocked { get; init; }

    /// <summary>FSCONFIG_CMD_CREATE_EXCL exists (6.6).</summary>
    public bool HasCreateExclusive { get; init; }

    /// <summary>FSCONFIG_SET_FD takes descriptors of O_PATH (6.15).</summary>
    public bool FsConfigTakesPathDescriptors { get; init; }

    /// <summary>open_tree clones trees that hang nowhere, and overlayfs takes layers on the top mount of one (6.15).</summary>
    public bool ClonesDetachedTrees { get; init; }

    /// <summary>mount_setattr exists (5.12), and MOUNT_ATTR_NOSYMFOLLOW (5.14).</summary>
    public bool HasMountSetattr { get; init; }

    /// <summary>FS_IOC_GETFSUUID (6.9; seen on 6.12, not on 6.1).</summary>
    public bool FileSystemsTellUuid { get; init; }

    /// <summary>statx says of every file whether it has fs-verity, when it is configured.</summary>
    /// <remarks>Seen on 6.12.118 and 7.3.4; not on 6.1.192, 6.16.12, 6.17.13 and 7.2.12.</remarks>
    public bool StatxKnowsVerity { get; init; }

    /// <summary>pivot_root walks its paths before it looks at privileges (seen on 7.2.12, not on 6.18.44).</summary>
    public bool PivotWalksFirst { get; init; }

    /// <summary>A file system that goes ends the newest watch first; before, that of the newest inode (seen on 7.2.12, not on 6.18.44).</summary>
    public bool UnmountTellsNewestWatchFirst { get; init; }

    /// <summary>A watch of something without names ends with the last entry that nobody uses, though another entry keeps it open (seen on 5.10, 6.1, 6.16, 6.17, 6.18 and 7.2, not on 6.12.118 and 7.3).</summary>
    public bool LastFreeEntryEndsWatches { get; init; }

    /// <summary>Reads and writes of special files are told to watches of their directory (seen on 6.16 and 6.17; not on others, of which the older ones have it from stable updates).</summary>
    public bool DirectoriesHearSpecialFiles { get; init; }

    /// <summary>The calls that set flags are the file system's alone: one without flags says so before anybody asks whether the mount is writable (seen on 5.10, not on 6.1).</summary>
    public bool FileSystemsTakeFlagCalls { get; init; }

    /// <summary>open_tree takes OPEN_TREE_NAMESPACE (seen on 7.2.12, not on 6.18.44).</summary>
    public bool HasOpenTreeNamespace { get; init; }

    /// <summary>flock looks for the descriptor before it looks at the operation (seen on 5.10, not on 6.1).</summary>
    public bool FlockLooksUpFirst { get; init; }

    /// <summary>What a file system context says of its source begins with "VFS: " (seen on 5.10, not on 6.1).</summary>
    public bool SourceErrorsNameVfs { get; init; }

    /// <summary>A read looks for the page first and for the end of the file then: where holes that are read become pages, so does the page that it did not find behind the end (ramfs on 5.10, not
    /// on 6.1).</summary>
    public bool ReadsFillPageBehindEnd { get; init; }

    /// <summary>SEEK_DATA finds data in the last page that a file can have (seen on 5.10 and 7.3.4, not on 6.1 and 6.18.44).</summary>
    public bool SeekFindsLastPage { get; init; }

    /// <summary>FICLONE between two mounts of one file system is EXDEV (seen on 5.10, not on 6.1).</summary>
    public bool CloneNeedsOneMount { get; init; }

    /// <summary>mountinfo escapes number signs in sources (seen on 6.1, not on 5.10).</summary>
    public bool MountsEscapeHash { get; init; }

    /// <summary>The plain helpers of file systems in memory exchange names, and make files without a name (ramfs on 6.1, not on 5.10).</summary>
    public bool SimpleExchangeAndTmpfile { get; init; }

    /// <summary>copy_file_range that copies by way of a pipe tells watches of the writing twice, the first time before the reading (seen on 6.1, not on 6.12).</summary>
    public bool CopyTellsWriteTwice { get; init; }

    /// <summary>Descriptors that are no files refuse chmod and chown (seen on 6.18.44, not on 6.1).</summary>
    public bool AnonInodesRefuseChanges { get; init; }

    /// <summary>A place whose mount is in no name space any more is missing, ENOENT, where a mount is to go: the check came before the one of the name space, EINVAL (seen on 6.12, not on 6.1).</summary>
    public bool DetachedPlacesAreMissing { get; init; }

    /// <summary>A move looks whether its source is the root of a mount, and a directory where one is needed, before it looks at the place (seen on 6.18.44 and 7.2.12, not on 6.17).</summary>
    public bool MovesCheckSourceFirst { get; init; }

    /// <summary>Watches hear of an open where it is done, before the file is cut off, and of the kernel's own opens; before, at the end of the system call (seen on 6.12, not on 6.1).</summary>
    public bool EveryOpenIsTold { get; init; }

    /// <summary>Sockets have user.* attributes as files do (seen on 7.2.12, not on 6.18.44).</summary>
    public bool SocketsHaveUserXattrs { get; init; }

    /// <summary>A rename looks whether one of the two lies above the other before it looks at slashes behind the names (seen on 7.2 and 7.3, not on 6.17).</summary>
    public bool RenameChecksAncestorsFirst { get; init; }

    /// <summary>Watches are told of flags of chattr that are set (seen on 7.2.12, not on 6.18.44).</summary>
    public bool FlagsAreTold { get; init; }

    /// <summary>The flags that FS_IOC_FSSETXATTR knows: all others are refused before anything else is looked at (seen on 6.17, not on 6.16, where the file system refuses what it does not have).</summary>
    public uint KnownFileFlags { get; init; } = uint.MaxValue;

    /// <summary>Those of them that FS_IOC_FSGETXATTR alone tells: setting them does nothing (seen on 6.17; more of them on 7.2).</summary>
    public uint ToldFileFlags { get; init; }

    /// <summary>A copy of an unbindable mount, for another name space, can be bound (seen on 6.17 and 6.18.44, not on 6.16 and 7.2).</summary>
    public bool CopiesAreBindable { get; init; }

    /// <summary>The slaves of a mount that is not shared any more become the newest of their new master; before, its oldest (seen on 6.17, not on 6.16).</summary>
    public bool SlavesMoveToFront { get; init; }

    /// <summary>move_mount looks for the target before it looks for the mount (seen on 6.16.12, not on 6.12.118).</summary>
    public bool MoveMountFindsTargetFirst { get; init; }

    /// <summary>A mount cannot be given the map of a user namespace that has none.</summary>
    public bool EmptyMapsAreRefused { get; init; }

    /// <summary>A file without a name is refused, as one with a name is, to a caller whose ids mean nothing on the mount or to the file system.</summary>
    /// <remarks>Seen on 6.12.118, 6.18.44, 7.2.12 and 7.3.4; not on 6.16.12 and 6.17.13.</remarks>
    public bool NamelessFilesNeedOwners { get; init; }

    /// <summary>tmpfs has mounts with maps of owners (6.3).</summary>
    public bool TmpfsAllowsMappings { get; init; }

    /// <summary>The quirks of a kernel.</summary>
    public static VfsQuirks Of(KernelProfile profile) => new()
    {
        NoLSeekIsEspipe = profile.AtLeast(6, 0),
        TmpfileTakesFile = profile.AtLeast(6, 1),
        CreatDirectoryIsEinval = profile.AtLeast(6, 1),
        ProtectedHardlinks = profile.Config.GetValueOrDefault("fs.protected_hardlinks", "1") != "0",
        ProtectedSymlinks = profile.Config.GetValueOrDefault("fs.protected_symlinks", "1") != "0",
        EmptyCopySkipsLimit = (profile.AtLeast(6, 12) && !profile.AtLeast(6, 13)) || profile.AtLeast(7, 3),
        ProtectedRegular = int.Parse(profile.Config.GetValueOrDefault("fs.protected_regular", "0"), System.Globalization.CultureInfo.InvariantCulture),
        ProtectedFifos = int.Parse(profile.Config.GetValueOrDefault("fs.protected_fifos", "0"), System.Globalization.CultureInfo.InvariantCulture),
        BpfLsmSkipsXattrCheck = !profile.AtLeast(6, 9) && profile.Config.GetValueOrDefault("CONFIG_LSM", "").Contains("bpf", StringComparison.Ordinal),
        TruncateChecksPermissionFirst = profile.AtLeast(6, 14),
        EmptyPathLinksOwnFiles = profile.AtLeast(6, 10),
        XattrChangesCheckNameFirst = profile.AtLeast(6, 12),
        XattrReadsCheckNameFirst = profile.AtLeast(6, 13),
        FallocateModesAreExclusive = profile.AtLeast(6, 12),
        BlockNodesReportIoSize = profile.AtLeast(6, 15),
        DetachedPlacesAreMissing = profile.AtLeast(6, 5),
        MovesCheckSourceFirst = profile.AtLeast(6, 18),
        EveryOpenIsTold = profile.AtLeast(6, 5),
        SocketsHaveUserXattrs = profile.AtLeast(7, 0),
        RenameChecksAncestorsFirst = profile.AtLeast(7, 0),
        HasWriteZeroes = profile.AtLeast(6, 17),
        OffsetsNewestFirst = profile.AtLeast(6, 12),
        SimpleXattrsAreSorted = profile.AtLeast(6, 2),
        HasUniqueMountId = profile.AtLeast(6, 8),
        MoveMountFlags = (Linux.Abi.MoveMountFlags)(profile.AtLeast(6, 5) ? 0x377 : profile.AtLeast(5, 15) ? 0x177 : 0x77),
        HandleMountComesFirst = profile.AtLeast(6, 11),
        HandleIsReadFirst = profile.AtLeast(6, 17),
        HandleTypesHaveFlags = profile.AtLeast(6, 13),
        EmptyAclRemoves = profile.AtLeast(6, 2),
        HasHandleFid = profile.AtLeast(6, 5),
        HandlesTellUniqueMount = profile.AtLeast(6, 12),
        EverythingHasHandleIds = profile.AtLeast(6, 17) || profile.AtLeast(6, 7) && !profile.AtLeast(6, 13),
        OfdGetsUnlocked = profile.AtLeast(6, 5),
        HasCreateExclusive = profile.AtLeast(6, 6),
        FsConfigTakesPathDescriptors = profile.AtLeast(6, 15),
        ClonesDetachedTrees = profile.AtLeast(6, 15),
        MountsListedById = profile.AtLeast(6, 8),
        StatxKnowsVerity = ((profile.AtLeast(6, 7) && !profile.AtLeast(6, 13)) || profile.AtLeast(7, 3)) && profile.Config.GetValueOrDefault("CONFIG_FS_VERITY") == "y",
        PivotWalksFirst = profile.AtLeast(7, 0),
        UnmountTellsNewestWatchFirst = profile.AtLeast(7, 0),
        LastFreeEntryEndsWatches = !(profile.AtLeast(6, 12) && !profile.AtLeast(6, 13)) && !profile.AtLeast(7, 3),
        DirectoriesHearSpecialFiles = profile.AtLeast(6, 13) && !profile.AtLeast(6, 18),
        FileSystemsTakeFlagCalls = !profile.AtLeast(5, 13),
        HasOpenTreeNamespace = profile.AtLeast(7, 0),
        FlockLooksUpFirst = !profile.AtLeast(6, 0),
        SourceErrorsNameVfs = !profile.AtLeast(5, 14),
        ReadsFillPageBehindEnd = !profile.AtLeast(5, 12),
        SeekFindsLastPage = !profile.AtLeast(5, 12) || profile.AtLeast(7, 3),
        CloneNeedsOneMount = !profile.AtLeast(5, 18),
        MountsEscapeHash = profile.AtLeast(5, 12),
        SimpleExchangeAndTmpfile = profile.AtLeast(5, 17),
        CopyTellsWriteTwice = !profile.AtLeast(6, 8),
        AnonInodesRefuseChanges = profile.AtLeast(6, 16),
        FlagsAreTold = profile.AtLeast(7, 0),
        KnownFileFlags = profile.AtLeast(7, 0) ? 0x800FFFFB : profile.AtLeast(6, 17) ? 0x8001FFFB : uint.MaxValue,
        ToldFileFlags = profile.AtLeast(7, 0) ? 0x800E0002 : profile.AtLeast(6, 17) ? 0x80000002 : 0,
        CopiesAreBindable = profile.AtLeast(6, 17) && !profile.AtLeast(7, 0),
        SlavesMoveToFront = profile.AtLeast(6, 17),
        MoveMountFindsTargetFirst = profile.AtLeast(6, 15),
        NamelessFilesNeedOwners = (profile.AtLeast(6, 12) && !profile.AtLeast(6, 13)) || profile.AtLeast(6, 18),
        EmptyMapsAreRefused = profile.AtLeast(6, 9),
        TmpfsAllowsMappings = profile.AtLeast(6, 3),
        HasMountSetattr = profile.AtLeast(5, 12),
        FileSystemsTellUuid = profile.AtLeast(6, 9),
    };
}
