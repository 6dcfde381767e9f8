using DriverLab.Linux;

namespace DriverLab.FileSystems.Overlay;

/// <summary>How an own xattr name (<c>trusted.overlay.x</c>) of the caller is treated when it goes through the mount.</summary>
public enum PrivateXattrs
{
    /// <summary>EOPNOTSUPP for get, set and remove.</summary>
    Refused,
    /// <summary>Stored one level deeper: <c>trusted.overlay.overlay.x</c>.</summary>
    Escaped,
}

/// <summary>What overlayfs does differently from one kernel line to the next, and what the kernel was configured with. Bodies never test versions.</summary>
/// <remarks>Each member names the change. Where a change reached stable lines too, the member says from which patch level.</remarks>
public sealed record OverlayQuirks
{
    // ---- configuration (CONFIG_OVERLAY_FS_*, also module parameters) ----------------------------------------------------------

    /// <summary>CONFIG_OVERLAY_FS_REDIRECT_DIR: <c>redirect_dir=on</c> without being asked.</summary>
    public required bool RedirectDirDefault { get; init; }
    /// <summary>CONFIG_OVERLAY_FS_REDIRECT_ALWAYS_FOLLOW: <c>redirect_dir=off</c> still follows.</summary>
    public required bool RedirectAlwaysFollow { get; init; }
    /// <summary>CONFIG_OVERLAY_FS_INDEX.</summary>
    public required bool IndexDefault { get; init; }
    /// <summary>CONFIG_OVERLAY_FS_NFS_EXPORT.</summary>
    public required bool NfsExportDefault { get; init; }
    /// <summary>CONFIG_OVERLAY_FS_XINO_AUTO.</summary>
    public required bool XinoAutoDefault { get; init; }
    /// <summary>CONFIG_OVERLAY_FS_METACOPY.</summary>
    public required bool MetacopyDefault { get; init; }
    /// <summary>Module parameter redirect_max: longest absolute redirect, in bytes.</summary>
    public int RedirectMax { get; init; } = 256;

    // ---- versions -------------------------------------------------------------------------------------------------------------

    /// <summary>5.11: <c>userxattr</c>, <c>uuid=off|on</c> (6.18 knows them; 5.10 answers EINVAL).</summary>
    public required bool UserXattr { get; init; }
    /// <summary>5.10: <c>volatile</c>.</summary>
    public required bool Volatile { get; init; }
    /// <summary>6.2: O_TMPFILE through the mount (6.1.192 answers EOPNOTSUPP).</summary>
    public required bool TmpFile { get; init; }
    /// <summary>6.5: options through fs_context: layers are resolved while the string is parsed, generic words (<c>ro</c>) are accepted, <c>::</c> starts data-only layers,
    /// the redirect mode is normalised before it is shown.</summary>
    public required bool FsContext { get; init; }
    /// <summary>6.6: <c>uuid=null|auto|on</c>, the uuid xattr on the upper root, an own f_fsid.</summary>
    public required bool PersistentUuid { get; init; }
    /// <summary>6.6: <c>verity</c>, and digests in the marks of files without data.</summary>
    public required bool HasVerity { get; init; }
    /// <summary>6.7: own xattrs of nested overlays are escaped; regular-file whiteouts marked by xattr.</summary>
    public required PrivateXattrs PrivateXattrs { get; init; }
    /// <summary>6.8: a directory must say <c>opaque=x</c> for its xattr whiteouts to count; <c>lowerdir+</c> and <c>datadir+</c>.</summary>
    public required bool AppendLayers { get; init; }
    /// <summary>6.12 up to the change of 7.0: copying up metadata only also waits for the disk.</summary>
    public required bool MetadataFsync { get; init; }
    /// <summary>5.15: flags of chattr are copied up; append-only and immutable are kept in an xattr.</summary>
    public required bool CopiesFlags { get; init; }
    /// <summary>6.13: layers by descriptor through fsconfig(2).</summary>
    public required bool LayersByDescriptor { get; init; }
    /// <summary>6.2: lists are asked of the real inode, and one on a file system without them has none.</summary>
    public required bool AsksInodesForLists { get; init; }
    /// <summary>6.15: <c>override_creds</c>.</summary>
    public required bool OverrideCreds { get; init; }
    /// <summary>Before 6.16: data-only layers need metacopy=on, verity implies it, and an index entry without data is followed without metacopy too.</summary>
    public required bool DataLayersNeedMetacopy { get; init; }
    /// <summary>7.0, sent to stable lines (seen in 6.12.117 and 6.18.44; not in 6.1.192): <c>fsync=auto|strict|volatile</c>; <c>volatile</c> is shown as <c>fsync=volatile</c>.</summary>
    public required bool FsyncOption { get; init; }

    /// <summary>rmdir of a directory of the upper layer alone that was removed behind the mount's back is ENOENT, not ESTALE (seen on 7.2.12, not on 6.18.44).</summary>
    public required bool MissingUpperIsEnoent { get; init; }
    /// <summary>A rename asks for both names of the upper layer as that of a path does: what was removed there is ENOENT, a directory moved below the other EINVAL or ENOTEMPTY; all ESTALE before (seen on 7.2, not on 6.17).</summary>
    public required bool StartsRenamesTogether { get; init; }
    /// <summary><c>uuid=off</c> is kept with layers on several file systems too, and without an upper layer (seen on 7.2.12, not on 6.17 and 6.18.44).</summary>
    public required bool KeepsUuidOff { get; init; }

    /// <summary>Of a file that was copied up while it was open the lower one ends before the upper one (seen on 6.12, not on 6.1 and 6.16).</summary>
    public required bool FirstFileEndsFirst { get; init; }

    /// <summary>A lowerdir= that ends with a backslash is refused (seen on 7.3, not on 7.2).</summary>
    public required bool RefusesDanglingBackslash { get; init; }

    /// <summary>What cannot be cleaned up is told in the log, and is no error (seen on 6.17, not on 6.16).</summary>
    public required bool CleanupAlwaysSucceeds { get; init; }

    /// <summary>Watches of a layer hear of its files being opened, read and written through the union (seen on 6.12, not on 6.1).</summary>
    public required bool FilesBelowAreHeard { get; init; }

    /// <summary>What is open for writing through the union keeps its layer from becoming read-only (seen on 6.12, not on 6.1).</summary>
    public required bool FilesBelowAreWriters { get; init; }

    /// <summary>close(2) is passed on to the real file, and fails with flags that that one does not take (seen on 6.1, not on 5.10).</summary>
    public required bool FlushesLayers { get; init; }

    /// <summary>A new directory below a merged one is opaque whatever the options are (seen on 5.10, not on 6.1).</summary>
    public required bool NewDirectoriesAreOpaque { get; init; }
    /// <summary>Reading a merged directory shows names whose inode number cannot be found out (seen on 5.10; 6.1 ends with the error or leaves them out).</summary>
    public required bool ListsWhatItCannotLookUp { get; init; }
    /// <summary>No workdir is ENOMEM, and an upper layer on a mount that is read-only is EROFS (seen on 5.10; EINVAL on 6.1).</summary>
    public required bool OldMountErrors { get; init; }

    /// <summary>A nameless file of the mounter's is a file, not an entry: one made while mounting takes its inode until mount(2) returns (seen on 6.1, not on 5.10).</summary>
    public required bool TmpFilesEndLate { get; init; }

    /// <summary>The upper object of a file that was copied up is the entry that it had while it was nameless, below the work directory, until it is looked up again: that is where watches hear of
    /// it (seen on 5.10, 6.16 and 6.17, not on 6.1, 6.12.118, 6.18.44 and 7.2).</summary>
    public required bool KeepsNamelessEntries { get; init; }

    /// <summary>Watches hear of a copy-up writing the content (seen on 6.1, not on 6.12).</summary>
    public required bool CopiesAreHeard { get; init; }

    /// <summary>A copy-up in the work directory is made before the directories are locked, so that the copy is there when they turn out not to fit (seen on 6.12, not on 6.1).</summary>
    public required bool CopiesBeforeLocking { get; init; }
    /// <summary>Such a copy is left where it is (seen on 6.12 to 6.17, not on 7.2).</summary>
    public required bool LeavesMisplacedCopies { get; init; }

    /// <summary>A copy-up does not take the place of what has got its name meanwhile, such as the whiteout of a removed directory (seen on 6.12.118 and 7.3, not on 6.17 and 7.2).</summary>
    public required bool KeepsTakenNames { get; init; }

    /// <summary>
    /// The stored number of links counts though the lower file has one name only, which the index has with nfs_export=on; else the entry of the index is counted as a name from the next mount
    /// on (seen on 6.12.118 and 7.3, not on 6.17 and 7.2).
    /// </summary>
    public required bool StoredLinksAlwaysCount { get; init; }

    /// <summary>Where no name can be had for another whiteout, because the work directory is gone, that ends the sharing, and the shared one itself is used (seen on 6.17 and 6.18.44, not on 6.16 and 7.2).</summary>
    public required bool UnnamedWhiteoutsEndSharing { get; init; }

    /// <summary>Bits of the number without a sign that the log shows for the error of a whiteout that could not be linked: none (until 6.16), 64 (seen on 6.17), 32 (seen on 7.2).</summary>
    public required int LinkErrorBits { get; init; }

    /// <summary><c>xino=auto</c> is not given up for a layer without handles, UUID or extended attributes (seen on 5.10, not on 6.1).</summary>
    public required bool KeepsXinoAuto { get; init; }

    /// <summary>The log says in which directory a lookup met a layer inside of another (seen on 6.17, not on 6.16, which says nothing).</summary>
    public required bool SaysWhereLookupsFail { get; init; }

    /// <summary>The log tells of a file without data whose data is nowhere (seen on 6.1, not on 5.10).</summary>
    public required bool TellsOfMissingData { get; init; }

    /// <summary>Of an upper root that comes from another lower one the log tells which (seen on 6.1, not on 6.12).</summary>
    public required bool SaysWhichRootDoesNotFit { get; init; }

    /// <summary>Options that need trusted attributes are refused to a mounter who cannot have these (seen on 6.12, not on 6.1).</summary>
    public required bool UnprivilegedOptionsAreChecked { get; init; }

    /// <summary>5.11: the superuser of any user name space mounts it.</summary>
    public required bool IsForUserNamespaces { get; init; }

    /// <summary>An overlay's own mounts can have a map of owners (seen on 7.3.4, not on 7.2.12).</summary>
    public required bool AllowsMappings { get; init; }

    /// <summary>The record for a kernel. With an empty configuration the upstream defaults hold (follow always, everything else off).</summary>
    public static OverlayQuirks For(KernelProfile profile)
    {
        bool upstream = !profile.Config.ContainsKey("CONFIG_OVERLAY_FS");
        return new()
        {
            RedirectDirDefault = profile.Has("CONFIG_OVERLAY_FS_REDIRECT_DIR"),
            RedirectAlwaysFollow = upstream || profile.Has("CONFIG_OVERLAY_FS_REDIRECT_ALWAYS_FOLLOW"),
            IndexDefault = profile.Has("CONFIG_OVERLAY_FS_INDEX"),
            NfsExportDefault = profile.Has("CONFIG_OVERLAY_FS_NFS_EXPORT"),
            XinoAutoDefault = profile.Has("CONFIG_OVERLAY_FS_XINO_AUTO"),
            MetacopyDefault = profile.Has("CONFIG_OVERLAY_FS_METACOPY"),
            UnprivilegedOptionsAreChecked = profile.AtLeast(6, 5),
            AllowsMappings = profile.AtLeast(7, 3),
            IsForUserNamespaces = profile.AtLeast(5, 11),
            UserXattr = profile.AtLeast(5, 11),
            Volatile = profile.AtLeast(5, 10),
            TmpFile = profile.AtLeast(6, 2),
            FsContext = profile.AtLeast(6, 5),
            PersistentUuid = profile.AtLeast(6, 6),
            HasVerity = profile.AtLeast(6, 6),
            PrivateXattrs = profile.AtLeast(6, 7) ? PrivateXattrs.Escaped : PrivateXattrs.Refused,
            AppendLayers = profile.AtLeast(6, 8),
            MetadataFsync = profile.AtLeast(6, 12) && !HasFsyncOption(profile),
            CopiesFlags = profile.AtLeast(5, 15),
            LayersByDescriptor = profile.AtLeast(6, 13),
            AsksInodesForLists = profile.AtLeast(6, 2),
            OverrideCreds = profile.AtLeast(6, 15),
            DataLayersNeedMetacopy = !profile.AtLeast(6, 16),
            FsyncOption = HasFsyncOption(profile),
            FlushesLayers = profile.AtLeast(5, 11),
            FirstFileEndsFirst = profile.AtLeast(6, 6) && !profile.AtLeast(6, 13),
            RefusesDanglingBackslash = profile.AtLeast(7, 3),
            CleanupAlwaysSucceeds = profile.AtLeast(6, 17),
            FilesBelowAreWriters = profile.AtLeast(6, 7),
            FilesBelowAreHeard = profile.AtLeast(6, 8),
            NewDirectoriesAreOpaque = !profile.AtLeast(5, 12),
            ListsWhatItCannotLookUp = !profile.AtLeast(5, 12),
            OldMountErrors = !profile.AtLeast(5, 12),
            TmpFilesEndLate = profile.AtLeast(6, 1),
            KeepsNamelessEntries = !profile.AtLeast(6, 1) || profile.AtLeast(6, 13) && !profile.AtLeast(6, 18),
            CopiesAreHeard = !profile.AtLeast(6, 8),
            KeepsXinoAuto = !profile.AtLeast(5, 12),
            UnnamedWhiteoutsEndSharing = profile.AtLeast(6, 17) && !profile.AtLeast(7, 0),
            LinkErrorBits = profile.AtLeast(7, 0) ? 32 : profile.AtLeast(6, 17) ? 64 : 0,
            SaysWhereLookupsFail = profile.AtLeast(6, 17),
            TellsOfMissingData = profile.AtLeast(5, 12),
            SaysWhichRootDoesNotFit = !profile.AtLeast(6, 12),
            MissingUpperIsEnoent = profile.AtLeast(7, 0),
            StartsRenamesTogether = profile.AtLeast(7, 0),
            KeepsUuidOff = profile.AtLeast(7, 0),
            KeepsTakenNames = profile.AtLeast(7, 3) || profile.Version is { Major: 6, Minor: 12 },
            StoredLinksAlwaysCount = profile.AtLeast(7, 3) || profile.Version is { Major: 6, Minor: 12 },
            CopiesBeforeLocking = profile.AtLeast(6, 7),
            LeavesMisplacedCopies = profile.AtLeast(6, 7) && !profile.AtLeast(6, 19),
        };
    }

    private static bool HasFsyncOption(KernelProfile profile) =>
        profile.AtLeast(7, 0)
        || (profile.Version is { Major: 6, Minor: 12 or 18 } && IsLateEnough(profile.Version));

    // A profile that names only the line means its newest patch level.
    private static bool IsLateEnough(KernelVersion version) => version.Patch == 0 || version.Patch >= (version.Minor == 12 ? 90 : 30);
}
