namespace DriverLab.Simulation;

/// <summary>Faults that can be put into the emulator on purpose, each by name, to prove that comparing finds them. For tests only; none is ever on by itself.</summary>
public enum Mutation
{
    /// <summary>Suite vfs: anybody who may write a sticky directory removes anybody's names.</summary>
    StickyIgnored,
    /// <summary>Suite vfs: the group's permission bits are never looked at.</summary>
    GroupClassIgnored,
    /// <summary>Suite vfs: a path walk asks no directory for search permission.</summary>
    SearchPermissionSkipped,
    /// <summary>Suite vfs: a path walk follows 41 symbolic links.</summary>
    OneLinkMore,
    /// <summary>Suite vfs: chown leaves the set-user-ID bit.</summary>
    ChownKeepsSetuid,
    /// <summary>Suite vfs: writing leaves the set-group-ID bit.</summary>
    WriteKeepsSetgid,
    /// <summary>Suite vfs: children of a set-group-ID directory get the caller's group.</summary>
    SetgidNotInherited,
    /// <summary>Suite vfs: mkdir takes nothing off the mode.</summary>
    MkdirIgnoresUmask,
    /// <summary>Suite vfs: a rename between two names of one inode removes the old name.</summary>
    RenameOntoItselfMoves,
    /// <summary>Suite vfs: RENAME_NOREPLACE replaces.</summary>
    NoReplaceIgnored,
    /// <summary>Suite vfs: unlink leaves the link count.</summary>
    UnlinkKeepsLinkCount,
    /// <summary>Suite vfs: link leaves the change time of the file.</summary>
    LinkKeepsChangeTime,
    /// <summary>Suite vfs: everybody may read trusted.* attributes.</summary>
    TrustedVisibleToAll,
    /// <summary>Suite vfs: O_CREAT|O_EXCL opens what is there.</summary>
    ExclusiveOpenSucceeds,
    /// <summary>Suite vfs: O_APPEND writes at the position.</summary>
    AppendWritesInPlace,
    /// <summary>Suite vfs: every read moves the access time, relatime or not.</summary>
    RelatimeAlwaysUpdates,
    /// <summary>Suite vfs: umount succeeds under open files.</summary>
    UmountIgnoresOpenFiles,
    /// <summary>Suite vfs: a read-only mount lets writes through.</summary>
    ReadOnlyMountWrites,
    /// <summary>Suite vfs: a tmpfs takes more pages than its size option says.</summary>
    TmpfsWithoutLimit,
    /// <summary>Suite vfs: a tmpfs makes more inodes than nr_inodes says.</summary>
    TmpfsInodesWithoutLimit,
    /// <summary>Suite vfs: a truncation that keeps the length keeps what was allocated behind it.</summary>
    TruncateKeepsPreallocated,
    /// <summary>Suite vfs: O_CREAT opens anybody's device or socket in a sticky directory.</summary>
    StickyCreateAllowed,
    /// <summary>Suite vfs: copy_file_range beyond the largest offset copies nothing, and says so.</summary>
    CopyRangeLimitIgnored,
    /// <summary>Suite vfs: calls on extended attributes look at the name before the descriptor on every kernel.</summary>
    XattrNameBeforeDescriptor,
    /// <summary>Suite overlay: reading a directory of the union is EINVAL.</summary>
    OverlayDirectoryReadIsEinval,
    /// <summary>Suite block: a loop device reads and writes from the file's start whatever its offset.</summary>
    LoopOffsetIgnored,
    /// <summary>Suite block: a loop device is as long as its file.</summary>
    LoopSizeLimitIgnored,
    /// <summary>Suite block: a discard of a loop device does nothing.</summary>
    DiscardKeepsData,
    /// <summary>Suite dm: linear maps one sector further.</summary>
    LinearOffByOne,
    /// <summary>Suite dm: striped deals chunks out from the last device to the first.</summary>
    StripesInReverse,
    /// <summary>Suite dm: an open mapped device is removed.</summary>
    BusyDeviceRemoved,
    /// <summary>Suite dm: a table with a gap is accepted.</summary>
    TableGapAccepted,
    /// <summary>Suite dm: the event counter stands still.</summary>
    EventsNotCounted,
    /// <summary>Suite dm: a flakey device is never down.</summary>
    FlakeyAlwaysUp,
    /// <summary>Suite dm: a thin device writes into blocks that it shares with a snapshot.</summary>
    ThinSharingIgnored,
    /// <summary>Suite dm: a thin pool counts its reserve of metadata as free.</summary>
    ThinReserveForgotten,
    /// <summary>Suite dm: full btree nodes of thin metadata always split in two.</summary>
    ThinNodesNeverEvenOut,
    /// <summary>Suite dm: a full thin pool queues writes even if it should fail them.</summary>
    ThinFullPoolQueues,
    /// <summary>Suite dm: a write to a chunk that a snapshot has not copied goes to the origin.</summary>
    SnapshotWritesOrigin,
    /// <summary>Suite overlay: lookup merges below an opaque directory.</summary>
    OpaqueNotSeen,
    /// <summary>Suite overlay: a directory made over a whiteout is not opaque.</summary>
    OpaqueNotSet,
    /// <summary>Suite overlay: lookup goes on below a whiteout.</summary>
    WhiteoutNotSeen,
    /// <summary>Suite overlay: unlink of a lower file leaves no whiteout.</summary>
    WhiteoutNotMade,
    /// <summary>Suite overlay: copy-up leaves extended attributes behind.</summary>
    CopyUpLosesXattrs,
    /// <summary>Suite overlay: copy-up leaves its traces in the parent's times.</summary>
    CopyUpTouchesParent,
    /// <summary>Suite overlay: a lower directory is renamed without redirects.</summary>
    LowerDirectoryRenamed,
    /// <summary>Suite overlay: a merged listing shows names that are whited out.</summary>
    WhiteoutsListed,
    /// <summary>Suite overlay: a merged directory shows the upper directory's link count.</summary>
    MergedLinksCounted,
}

/// <summary>The faults that are switched on in one world. Empty everywhere but in the tests of the comparer.</summary>
public sealed class MutationSet
{
    /// <summary>No fault.</summary>
    public static readonly MutationSet None = new();

    private readonly ulong _bits;

    /// <summary>Switches faults on; there are fewer than 64.</summary>
    public MutationSet(params ReadOnlySpan<Mutation> mutations)
    {
        foreach (var mutation in mutations)
            _bits |= 1UL << (int)mutation;
    }

    /// <summary>True when this fault is on.</summary>
    public bool Has(Mutation mutation) => (_bits >> (int)mutation & 1) != 0;
}
