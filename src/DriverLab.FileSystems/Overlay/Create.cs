using DriverLab.FileSystems.Layers;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>Makes new names: directly in the upper directory, or prepared in the work directory and swapped with the whiteout that stands there.</summary>
/// <remarks>Linux fs/overlayfs/dir.c: ovl_create_object(), ovl_create_or_link(), ovl_create_upper(), ovl_create_over_whiteout().</remarks>
internal static class Creation
{
    /// <summary>Makes a file, directory, node or link owned by the caller.</summary>
    public static Errno NewObject(Caller caller, OverlayDentry dentry, NewObject wanted)
    {
        var sb = dentry.Sb;
        var error = PrepareParent(dentry);
        if (error != Errno.OK)
            return error;
        var inode = OverlayInode.OfMode(sb, wanted.Mode);
        Vfs.Helpers.Simple.InitOwner(inode, caller, dentry.Parent.Inode!);
        wanted = wanted with { Mode = inode.Mode };
        var creator = sb.CreatorFor(inode.Uid, inode.Gid);
        var upper = dentry.IsWhiteout ? OverWhiteout(creator, dentry, wanted) : InUpper(creator, dentry, wanted);
        if (!upper.IsOk)
            return upper.Error;
        dentry.HasUpperAlias = true;
        var made = InodeMaking.Get(sb, upper.Value, [], null, inode);
        if (!made.IsOk)
            return made.Error;
        Attach(dentry, made.Value);
        return Errno.OK;
    }

    /// <summary>Gives an inode another name; the source is copied up first.</summary>
    /// <remarks>Linux fs/overlayfs/dir.c: ovl_link().</remarks>
    public static Errno Link(OverlayDentry old, OverlayDentry dentry)
    {
        var sb = dentry.Sb;
        var error = CopyUp.Whole(old, CopyUpKind.Metadata);
        if (error == Errno.OK)
            error = PrepareParent(dentry);
        if (error == Errno.OK)
            error = IndexDirectory.NlinkStart(old);
        if (error == Errno.OK && old.Inode!.LacksUpperData)
            error = Redirects.Set(sb, old, isSameDirectory: false);
        if (error == Errno.OK && old.HasOrigin)
            error = dentry.Parent.Inode!.MakeImpure();
        if (error != Errno.OK)
            return error;
        var inode = old.Inode!;
        var wanted = new NewObject(inode.Mode, Link: inode.Upper);
        var upper = dentry.IsWhiteout ? OverWhiteout(sb.UpperMounter, dentry, wanted) : InUpper(sb.UpperMounter, dentry, wanted);
        if (!upper.IsOk)
            return upper.Error;
        dentry.HasUpperAlias = true;
        inode.Nlink++; // and nothing else: what another name of the upper file has changed stays unseen
        // The new name is looked up when it is wanted. A copied-up file whose origin could not be stored (userxattr, and no such attributes for its kind or file system) is found as a file of
        // the upper layer alone then, with that layer's inode number; and a handle leads to the names known before. Seen on 6.1, 6.12 and 6.18.
        dentry.Instantiate(inode);
        dentry.Drop();
        IndexDirectory.NlinkEnd(inode);
        return Errno.OK;
    }

    /// <summary>Makes a nameless file in the upper layer.</summary>
    /// <remarks>Linux fs/overlayfs/dir.c: ovl_tmpfile(), since 6.1.</remarks>
    public static Errno TmpFile(Caller caller, OverlayDentry dentry, Mode mode)
    {
        var sb = dentry.Sb;
        if (!sb.Work.HasTmpFile)
            return Errno.EOPNOTSUPP;
        var error = PrepareParent(dentry);
        if (error != Errno.OK)
            return error;
        var inode = OverlayInode.OfMode(sb, (mode & Mode.S_IALLUGO) | Mode.S_IFREG);
        Vfs.Helpers.Simple.InitOwner(inode, caller, dentry.Parent.Inode!);
        var upper = Namei.VfsTmpfile(sb.CreatorFor(inode.Uid, inode.Gid), dentry.Parent.Upper!, inode.Mode);
        if (!upper.IsOk)
            return upper.Error;
        dentry.HasUpperAlias = true;
        var made = InodeMaking.Get(sb, upper.Value, [], null, inode);
        if (!made.IsOk)
            return made.Error;
        made.Value.Nlink = 0;
        dentry.Instantiate(made.Value);
        made.Value.NoteEntry(dentry);
        return Errno.OK;
    }

    private static Errno PrepareParent(OverlayDentry dentry)
    {
        var error = dentry.Parent.Upper is null ? CopyUp.Whole(dentry.Parent, CopyUpKind.Metadata) : Errno.OK;
        return error == Errno.OK ? dentry.Sb.Upper!.Mount.WantWrite() : error;
    }

    private static void Attach(OverlayDentry dentry, OverlayInode inode)
    {
        dentry.Instantiate(inode);
        inode.NoteEntry(dentry);
        dentry.Rehash();
    }

    /// <summary>The name is free in the upper directory.</summary>
    private static SysResult<Dentry> InUpper(Caller creator, OverlayDentry dentry, in NewObject wanted)
    {
        var sb = dentry.Sb;
        var parent = dentry.Parent.Inode!;
        var entry = Namei.LookupOne(sb.UpperMounter, parent.Upper!, dentry.Name);
        if (!entry.IsOk)
            return entry;
        var error = WorkDirectory.Create(creator, parent.Upper!, entry.Value, wanted);
        if (error != Errno.OK)
            return error;
        if (entry.Value.IsDirectory && parent.IsMerged && (sb.Quirks.NewDirectoriesAreOpaque || !sb.AllowsOfflineChanges))
            _ = SetOpaque(dentry, entry.Value, Errno.EIO); // an optimisation that may fail
        parent.NoteChange(concernsNumbers: false);
        return entry;
    }

    /// <summary>A whiteout stands at the name: the new object takes its place in one step, a directory as an opaque one.</summary>
    private static SysResult<Dentry> OverWhiteout(Caller creator, OverlayDentry dentry, NewObject wanted)
    {
        var sb = dentry.Sb;
        var work = sb.Work;
        if (work.Directory is null)
            return Errno.EROFS;
        var parent = dentry.Parent.Inode!;
        var whiteout = Namei.LookupOne(sb.UpperMounter, parent.Upper!, dentry.Name);
        if (!whiteout.IsOk)
            return whiteout;
        if (whiteout.Value.IsNegative || !sb.IsWhiteout(whiteout.Value))
            return Errno.ESTALE;
        var inherited = wanted.Link is null && (wanted.Mode & Mode.S_IFMT) != Mode.S_IFLNK ? parent.Acls?.Default : null;
        PosixAcl? access = null;
        if (inherited is not null)
        {
            var mode = wanted.Mode;
            access = inherited.ForNew(ref mode);
            wanted = wanted with { Mode = mode };
        }
        var made = work.CreateTemp(creator, wanted);
        if (!made.IsOk)
            return made;
        var fresh = made.Value;
        var error = RestoreMode(sb, fresh, wanted);
        if (error == Errno.OK && access is not null)
            error = SetAcl(sb, fresh, PosixAcl.AccessName, access);
        if (error == Errno.OK && inherited is not null && fresh.IsDirectory)
            error = SetAcl(sb, fresh, PosixAcl.DefaultName, inherited);
        bool isDirectory = fresh.IsDirectory && wanted.Link is null;
        if (error == Errno.OK && isDirectory && !sb.Core.IsMutated(Mutation.OpaqueNotSet))
            error = SetOpaque(dentry, fresh, Errno.EIO);
        if (error == Errno.OK)
            error = work.Rename(work.Directory, fresh, parent.Upper!, whiteout.Value, isDirectory ? RenameFlags.RENAME_EXCHANGE : RenameFlags.None);
        if (error != Errno.OK)
        {
            work.Cleanup(work.Directory, fresh);
            return error;
        }
        if (isDirectory)
            work.Cleanup(work.Directory, whiteout.Value);
        parent.NoteChange(concernsNumbers: false);
        return fresh;
    }

    /// <remarks>Linux fs/overlayfs/dir.c: ovl_set_upper_acl().</remarks>
    private static Errno SetAcl(OverlaySuperBlock sb, Dentry fresh, ReadOnlySpan<byte> name, PosixAcl acl)
    {
        var value = new byte[acl.Write(default).Value];
        _ = acl.Write(value); // it has its size
        return Xattrs.VfsSetXattr(sb.UpperMounter, fresh, name, value, XattrFlags.None);
    }

    /// <summary>The work directory may have changed the mode (set-group-ID).</summary>
    private static Errno RestoreMode(OverlaySuperBlock sb, Dentry fresh, in NewObject wanted)
    {
        if (wanted.Link is not null || fresh.Inode!.IsSymlink || fresh.Inode.Mode == wanted.Mode)
            return Errno.OK;
        var attr = new Iattr { Valid = AttrValid.ATTR_MODE, Mode = wanted.Mode };
        return Attributes.NotifyChange(sb.UpperMounter, fresh, ref attr);
    }

    /// <summary>Marks an upper directory as hiding what is below.</summary>
    /// <remarks>Linux fs/overlayfs/dir.c: ovl_set_opaque_xerr().</remarks>
    public static Errno SetOpaque(OverlayDentry dentry, Dentry upper, Errno withoutXattrs)
    {
        var error = dentry.Sb.CheckSetXattr(upper, dentry.Sb.Names.Opaque, "y"u8, withoutXattrs);
        if (error == Errno.OK)
            dentry.IsOpaque = true;
        return error;
    }
}
