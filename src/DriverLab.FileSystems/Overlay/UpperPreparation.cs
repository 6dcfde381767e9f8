using System.Buffers.Binary;
using DriverLab.FileSystems.Layers;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>What a mount does in its upper and work directories before the first operation.</summary>
/// <remarks>Linux fs/overlayfs/super.c: ovl_make_workdir(), ovl_workdir_create(), ovl_get_indexdir(); fs/overlayfs/readdir.c: ovl_workdir_cleanup().</remarks>
internal static class UpperPreparation
{
    /// <summary>Empties or makes <c>work/</c>, tries out what the upper file system can do, and leaves the mark of a volatile mount.</summary>
    /// <returns>EINVAL: the mark of an earlier volatile mount is still there. Other failures make the overlay read-only.</returns>
    public static Errno MakeWork(OverlaySuperBlock sb, Action<string> log)
    {
        var error = sb.Upper!.Mount.WantWrite();
        if (error != Errno.OK)
            return error;
        error = MakeDirectory(sb, "work"u8, keep: false, out var work, log);
        if (error != Errno.OK || work is null)
            return error;
        sb.Work.Directory = work;
        if (!sb.Work.TryAddTrap(work))
            return Errno.ELOOP;
        // Whether listings tell types is tried on the directory of the option.
        error = sb.Read(sb.Upper!.At(sb.Work.Base!), new NameCollector());
        if (error != Errno.OK)
            return error;
        TryTmpFile(sb, work, log);
        var canWhiteout = TryWhiteout(sb, work);
        if (!canWhiteout.IsOk)
            return canWhiteout.Error;
        if (!canWhiteout.Value)
            log("upper fs does not support RENAME_WHITEOUT.");
        TryXattrs(sb, work, log);
        // A file system whose entries have to be checked each time counts as a remote one, and of those more is asked.
        if (sb.Upper!.Mount.Root.NeedsRevalidation && !canWhiteout.Value)
        {
            log("upper fs missing required features.");
            return Errno.EINVAL;
        }
        if (sb.Options.Sync == SyncMode.Volatile)
        {
            error = MarkVolatile(sb);
            if (error != Errno.OK)
            {
                log("Failed to create volatile/dirty file.");
                return error;
            }
        }
        SettleIndex(sb, log);
        return Errno.OK;
    }

    private static void SettleIndex(OverlaySuperBlock sb, Action<string> log)
    {
        if (sb.Options.Index && !FileHandles.CanDecode(sb, sb.Upper!.FileSystem.Sb))
        {
            sb.Options.Index = false;
            log("upper fs does not support file handles, falling back to index=off.");
        }
        if (!sb.Options.NfsExport || sb.Options.Index)
            return;
        sb.Options.NfsExport = false;
        log("NFS export requires \"index=on\", falling back to nfs_export=off.");
    }

    // ---- work and index ---------------------------------------------------------------------------------------------------------------------

    /// <summary>A directory of mode 0 below that of the option; none when it cannot be made (the overlay is read-only then).</summary>
    private static Errno MakeDirectory(OverlaySuperBlock sb, ReadOnlySpan<byte> name, bool keep, out Dentry? made, Action<string> log)
    {
        made = null;
        var parent = sb.Work.Base!;
        var error = sb.Upper!.Mount.WantWrite();
        for (int attempt = 0; error == Errno.OK; attempt++)
        {
            var entry = Namei.LookupOne(sb.UpperMounter, parent, name);
            error = entry.Error;
            if (!entry.IsOk)
                break;
            if (entry.Value.IsNegative)
            {
                error = Namei.VfsMkdir(sb.UpperMounter, parent.Inode!, entry.Value, Mode.S_IFDIR);
                var mode = new Iattr { Valid = AttrValid.ATTR_MODE, Mode = Mode.S_IFDIR };
                if (error == Errno.OK)
                    error = Attributes.NotifyChange(sb.UpperMounter, entry.Value, ref mode); // an inherited set-group-ID bit
                if (error == Errno.OK)
                    made = entry.Value;
                break;
            }
            if (keep)
            {
                made = entry.Value;
                break;
            }
            error = attempt > 0 ? Errno.EEXIST : Clean(sb, parent, entry.Value, 0, log);
            if (error == Errno.EINVAL)
                return error;
            // What could not be removed is found again, once.
            error = attempt > 0 ? error : Errno.OK;
        }
        if (made is null)
            log($"failed to create directory {System.Text.Encoding.Latin1.GetString(sb.Options.WorkText!)}/{System.Text.Encoding.ASCII.GetString(name)} (errno: {(int)error}); mounting read-only");
        return Errno.OK;
    }

    /// <summary>Removes a leftover tree, two levels deep.</summary>
    internal static Errno Clean(OverlaySuperBlock sb, Dentry directory, Dentry entry, int level, Action<string> log)
    {
        if (!entry.IsDirectory || level > 1)
            return sb.Work.Remove(directory, entry);
        var error = Namei.VfsRmdir(sb.UpperMounter, directory.Inode!, entry);
        if (error == Errno.OK)
            return Errno.OK;
        error = CleanInside(sb, entry, level + 1, log);
        return error == Errno.OK ? sb.Work.Remove(directory, entry) : error;
    }

    private static Errno CleanInside(OverlaySuperBlock sb, Dentry directory, int level, Action<string> log)
    {
        bool isIncompat = level == 2 && directory.Name.SequenceEqual("incompat"u8);
        var names = new NameCollector();
        var error = sb.Read(sb.Upper!.At(directory), names);
        if (error != Errno.OK)
            return error;
        foreach (var name in names.Names)
        {
            if (isIncompat)
            {
                log($"overlay with incompat feature '{System.Text.Encoding.Latin1.GetString(name)}' cannot be mounted");
                return Errno.EINVAL;
            }
            var entry = Namei.LookupOnePositive(sb.UpperMounter, directory, name);
            if (!entry.IsOk)
                continue;
            error = Clean(sb, directory, entry.Value, level, log);
            if (error != Errno.OK)
                return error;
        }
        return Errno.OK;
    }

    // ---- what the upper file system can do ------------------------------------------------------------------------------------------------

    private static void TryTmpFile(OverlaySuperBlock sb, Dentry work, Action<string> log)
    {
        var temp = Namei.VfsTmpfile(sb.UpperMounter, work, Mode.S_IFREG);
        sb.Work.HasTmpFile = temp.IsOk;
        if (!temp.IsOk)
            log("upper fs does not support tmpfile.");
        else if (sb.Quirks.TmpFilesEndLate)
            sb.Work.TriedTmpFile = temp.Value.Inode;
        else
            temp.Value.Inode!.DropIfUnused();
    }

    /// <summary>Whether a rename can leave a whiteout; other failures than that end the mount.</summary>
    /// <remarks>Linux fs/overlayfs/super.c: ovl_check_rename_whiteout().</remarks>
    private static SysResult<bool> TryWhiteout(OverlaySuperBlock sb, Dentry work)
    {
        var temp = sb.Work.CreateTemp(sb.UpperMounter, new(Mode.S_IFREG));
        if (!temp.IsOk)
            return temp.Error;
        byte[] name = temp.Value.Name.ToArray();
        var target = sb.Work.TempName();
        var error = target.IsOk ? sb.Work.Rename(work, temp.Value, work, target.Value, RenameFlags.RENAME_WHITEOUT) : target.Error;
        sb.Work.Cleanup(work, temp.Value); // it has the new name, or none
        if (error != Errno.OK)
            return error == Errno.EINVAL ? false : error;
        var whiteout = Namei.LookupOnePositive(sb.UpperMounter, work, name);
        if (whiteout.IsOk)
            sb.Work.Cleanup(work, whiteout.Value);
        return whiteout.IsOk;
    }

    private static void TryXattrs(OverlaySuperBlock sb, Dentry work, Action<string> log)
    {
        var options = sb.Options;
        var error = Xattrs.VfsSetXattr(sb.UpperMounter, work, sb.Names.Opaque, "0"u8, XattrFlags.None);
        if (error == Errno.OK)
        {
            _ = Xattrs.VfsRemoveXattr(sb.UpperMounter, work, sb.Names.Opaque); // the kernel does not look either
            return;
        }
        sb.HasNoXattrs = true;
        if (sb.Quirks.OldMountErrors)
        {
            options.Index = options.Metacopy = false;
            log("upper fs does not support xattr, falling back to index=off and metacopy=off.");
            return;
        }
        log("failed to set xattr on upper");
        DropWhatNeedsXattrs(sb, log);
        if (error == Errno.EPERM && !options.UserXattr)
            log("try mounting with 'userxattr' option");
    }

    /// <remarks>Linux fs/overlayfs/super.c: ovl_make_workdir().</remarks>
    private static void DropWhatNeedsXattrs(OverlaySuperBlock sb, Action<string> log)
    {
        var options = sb.Options;
        if (sb.Quirks.FsContext && options.FollowsRedirects)
        {
            options.Redirect = RedirectMode.NoFollow;
            log("...falling back to redirect_dir=nofollow.");
        }
        if (!sb.Quirks.FsContext && (options.Index || options.Metacopy))
        {
            options.Index = options.Metacopy = false;
            log("...falling back to index=off,metacopy=off.");
        }
        if (options.Metacopy)
        {
            options.Metacopy = false;
            log("...falling back to metacopy=off.");
        }
        if (options.Index)
        {
            options.Index = false;
            log("...falling back to index=off.");
        }
        if (sb.Quirks.PersistentUuid && (options.Uuid is UuidMode.On or UuidMode.Auto))
        {
            options.Uuid = UuidMode.Null;
            log("...falling back to uuid=null.");
        }
        if (options.Xino == XinoMode.Auto)
        {
            options.Xino = XinoMode.Off;
            log("...falling back to xino=off.");
        }
    }

    /// <summary><c>work/incompat/volatile/dirty</c>: stays after umount, and no mount succeeds until somebody removes it.</summary>
    private static Errno MarkVolatile(OverlaySuperBlock sb)
    {
        var at = sb.Work.Directory!;
        foreach (string name in new[] { "incompat", "volatile", "dirty" })
        {
            var entry = Namei.LookupOne(sb.UpperMounter, at, System.Text.Encoding.ASCII.GetBytes(name));
            if (!entry.IsOk)
                return entry.Error;
            if (entry.Value.IsNegative)
            {
                var error = WorkDirectory.Create(sb.UpperMounter, at, entry.Value, new(name == "dirty" ? Mode.S_IFREG : Mode.S_IFDIR));
                if (error != Errno.OK)
                    return error;
            }
            at = entry.Value;
        }
        return Errno.OK;
    }

    // ---- uuid, index ------------------------------------------------------------------------------------------------------------------------

    /// <summary>Reads the upper root's UUID, or gives a new overlay one. An old overlay (its root is impure already) gets none.</summary>
    public static UInt128 TakeUuid(OverlaySuperBlock sb, Action<string> log)
    {
        var root = sb.Upper!.Mount.Root;
        Span<byte> uuid = stackalloc byte[16];
        var got = Xattrs.VfsGetXattr(sb.UpperMounter, root, sb.Names.Uuid, uuid);
        bool isNew = false;
        var error = got.Error;
        if (got.IsOk && got.Value != 16)
            error = Errno.EINVAL;
        if (error == Errno.ENODATA)
        {
            if (sb.Options.Uuid == UuidMode.Auto)
            {
                if (sb.GetOwnXattr(root, sb.Names.Impure, default) > 0)
                {
                    sb.Options.Uuid = UuidMode.Null;
                    return default;
                }
                sb.Options.Uuid = UuidMode.On;
            }
            sb.Core.World.Stream("overlay uuid").Fill(uuid);
            uuid[6] = (byte)((uuid[6] & 0x0f) | 0x40);
            uuid[8] = (byte)((uuid[8] & 0x3f) | 0x80);
            isNew = true;
            error = Xattrs.VfsSetXattr(sb.UpperMounter, root, sb.Names.Uuid, uuid, XattrFlags.None);
        }
        if (error == Errno.OK)
            return BinaryPrimitives.ReadUInt128BigEndian(uuid);
        sb.Options.Uuid = UuidMode.Null;
        log($"failed to {(isNew ? "set" : "get")} uuid ({PathText.Of(root)}, err={(got.IsOk ? got.Value : -(int)error)}); falling back to uuid=null.");
        return default;
    }

    /// <summary>Ties the upper root to the lower one and the index to the upper root; the index then also serves as work directory.</summary>
    /// <returns>ESTALE: they belonged to others before. ENOTDIR: the index is no directory.</returns>
    public static Errno TakeIndex(OverlaySuperBlock sb, Action<string> log)
    {
        var upperRoot = sb.Upper!.Mount.Root;
        var error = VerifyOrSet(sb, upperRoot, sb.Names.Origin, sb.Lowers[0].Mount.Root, isUpper: false);
        if (error != Errno.OK)
        {
            log("failed to verify upper root origin");
            return error;
        }
        sb.Work.Directory = null;
        error = MakeDirectory(sb, "index"u8, keep: true, out var index, log);
        if (error == Errno.OK && index is { IsDirectory: false })
            return Errno.ENOTDIR;
        if (error == Errno.OK && index is not null)
        {
            sb.Work.Index = sb.Work.Directory = index;
            error = sb.Work.TryAddTrap(index) ? VerifyOrSet(sb, index, sb.Names.Upper, upperRoot, isUpper: true) : Errno.ELOOP;
            if (error != Errno.OK)
                log("failed to verify index dir 'upper' xattr");
            else
                error = IndexCleanup.Run(sb, index, log);
        }
        if (error != Errno.OK || index is null)
            log("try deleting index dir or mounting with '-o index=off' to disable inodes index.");
        return error;
    }

    private static Errno VerifyOrSet(OverlaySuperBlock sb, Dentry holder, byte[] name, Dentry real, bool isUpper)
    {
        var expected = FileHandles.Encode(sb, real, isUpper);
        var error = FileHandles.Compare(sb, holder, name, expected);
        if (error == Errno.ENODATA)
            return Xattrs.VfsSetXattr(sb.UpperMounter, holder, name, expected, XattrFlags.None);
        return isUpper || sb.Quirks.SaysWhichRootDoesNotFit ? FileHandles.Verify(sb, holder, name, real, isUpper) : error;
    }
}
