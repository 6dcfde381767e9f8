using System.Globalization;
using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>What a new object in the upper layer shall be.</summary>
/// <remarks>Linux fs/overlayfs/overlayfs.h: struct ovl_cattr.</remarks>
internal readonly record struct NewObject(Mode Mode, DevT Device = default, byte[]? Target = null, Dentry? Link = null);

/// <summary>The work directory: where objects are prepared before a rename makes them appear, and the whiteout that others are links of.</summary>
/// <remarks>Linux fs/overlayfs/dir.c: ovl_create_temp(), ovl_whiteout(), ovl_cleanup().</remarks>
internal sealed class WorkDirectory(OverlaySuperBlock sb)
{
    private readonly HashSet<Inode> _traps = new(ReferenceEqualityComparer.Instance);
    private bool _sharesWhiteouts = true;

    /// <summary><c>work/</c> or <c>index/</c> below the directory of the option; null: the overlay is read-only.</summary>
    public Dentry? Directory { get; set => field = Keep(field, value); }

    /// <summary><c>index/</c>, with index=on.</summary>
    public Dentry? Index { get; set => field = Keep(field, value); }

    /// <summary>The directory of the option.</summary>
    public Dentry? Base { get; set => field = Keep(field, value); }

    /// <summary>The whiteout that others are links of.</summary>
    private Dentry? SharedWhiteout { get; set => field = Keep(field, value); }

    // What the overlay keeps lives on though another one with the same work directory removes it.
    private static Dentry? Keep(Dentry? old, Dentry? wanted)
    {
        wanted?.Hold();
        old?.Release();
        return wanted;
    }

    /// <summary>O_TMPFILE works on the upper file system.</summary>
    public bool HasTmpFile { get; set; }

    /// <summary>The nameless file that was made to see whether it can be: it lives until the mount is done.</summary>
    public Inode? TriedTmpFile { get; set; }

    private Caller Mounter => sb.UpperMounter;

    // ---- traps: directories that must not appear in a layer -----------------------------------------------------------------------------

    /// <summary>Remembers a directory; false when it is there already.</summary>
    public bool TryAddTrap(Dentry directory) => _traps.Add(directory.Inode!);

    public bool IsTrap(Dentry directory) => _traps.Contains(directory.Inode!);

    /// <summary>Lets go of everything; what is on disk stays.</summary>
    public void Release() => Base = Directory = Index = SharedWhiteout = null;

    // ---- objects ------------------------------------------------------------------------------------------------------------------------

    /// <summary>An unused name in the work directory.</summary>
    public SysResult<Dentry> TempName()
    {
        var name = Encoding.ASCII.GetBytes("#" + ((OverlayFileSystem)sb.Type).NextTemp().ToString("x", CultureInfo.InvariantCulture));
        var temp = Namei.LookupOne(Mounter, Directory!, name);
        return temp.IsOk && temp.Value.IsPositive ? Errno.EIO : temp;
    }

    /// <summary>Makes an object under a temporary name.</summary>
    public SysResult<Dentry> CreateTemp(Caller caller, in NewObject wanted)
    {
        var temp = TempName();
        if (!temp.IsOk)
            return temp;
        var error = Create(caller, Directory!, temp.Value, wanted);
        return error == Errno.OK ? temp : error;
    }

    /// <summary>Makes an object at a negative entry.</summary>
    /// <remarks>Linux fs/overlayfs/dir.c: ovl_create_real().</remarks>
    public static Errno Create(Caller caller, Dentry directory, Dentry entry, in NewObject wanted)
    {
        if (entry.IsPositive)
            return Errno.ESTALE;
        var parent = directory.Inode!;
        if (wanted.Link is { } link)
            return Namei.VfsLink(caller, link, parent, entry);
        return (wanted.Mode & Mode.S_IFMT) switch
        {
            Mode.S_IFREG => Namei.VfsCreate(caller, parent, entry, wanted.Mode),
            Mode.S_IFDIR => Namei.VfsMkdir(caller, parent, entry, wanted.Mode),
            Mode.S_IFLNK => Namei.VfsSymlink(caller, parent, entry, wanted.Target),
            Mode.S_IFCHR or Mode.S_IFBLK or Mode.S_IFIFO or Mode.S_IFSOCK => Namei.VfsMknod(caller, parent, entry, wanted.Mode, wanted.Device),
            _ => Errno.EPERM,
        };
    }

    /// <summary>Removes an object, best effort.</summary>
    /// <remarks>Linux fs/overlayfs/dir.c: ovl_cleanup() holds the entry meanwhile, so that it does not stay as a negative one.</remarks>
    public void Cleanup(Dentry directory, Dentry entry) => _ = Remove(directory, entry); // told in the log

    /// <summary>As <see cref="Cleanup"/>.</summary>
    /// <returns>What the file system says; nothing where the kernel forgets it.</returns>
    public Errno Remove(Dentry directory, Dentry entry)
    {
        entry.SetFlag(DentryFlags.StaysNegative, false);
        var error = entry.IsDirectory
            ? Namei.VfsRmdir(Mounter, directory.Inode!, entry)
            : Namei.VfsUnlink(Mounter, directory.Inode!, entry);
        if (error != Errno.OK)
            sb.Log($"cleanup of '{PathText.Of(entry)}' failed (-{(int)error})");
        return sb.Quirks.CleanupAlwaysSucceeds ? Errno.OK : error;
    }

    /// <summary>Renames within the upper file system; both directories are ours, so no ancestor checks are needed.</summary>
    public Errno Rename(Dentry oldDirectory, Dentry old, Dentry newDirectory, Dentry target, RenameFlags flags) =>
        Namei.VfsRename(Mounter, oldDirectory.Inode!, old, newDirectory.Inode!, target, flags);

    // ---- whiteouts --------------------------------------------------------------------------------------------------------------------------

    /// <summary>A whiteout under a temporary name: a link of the shared one as long as links can be made.</summary>
    /// <remarks>Linux fs/overlayfs/dir.c: ovl_whiteout().</remarks>
    public SysResult<Dentry> NewWhiteout()
    {
        var temp = TempName();
        if (!temp.IsOk && (SharedWhiteout is null || !sb.Quirks.UnnamedWhiteoutsEndSharing))
            return temp;
        if (SharedWhiteout is null)
        {
            var error = Namei.VfsWhiteout(Mounter, Directory!.Inode!, temp.Value);
            if (error != Errno.OK)
                return error;
            SharedWhiteout = temp.Value;
            if (_sharesWhiteouts)
            {
                temp = TempName();
                if (!temp.IsOk)
                    return temp;
            }
        }
        if (_sharesWhiteouts)
        {
            var error = temp.IsOk ? Namei.VfsLink(Mounter, SharedWhiteout, Directory!.Inode!, temp.Value) : temp.Error;
            if (error == Errno.OK)
                return temp;
            if (error != Errno.EMLINK)
            {
                int shown = -(int)error;
                string number = sb.Quirks.LinkErrorBits switch { 32 => $"{unchecked((uint)shown)}", 64 => $"{unchecked((ulong)shown)}", _ => $"{shown}" };
                sb.Log($"Failed to link whiteout - disabling whiteout inode sharing(nlink={SharedWhiteout.Inode!.Nlink}, err={number})");
                _sharesWhiteouts = false;
            }
        }
        var last = SharedWhiteout;
        SharedWhiteout = null;
        return last;
    }

    /// <summary>Puts a whiteout where an upper entry is or would be; what was there goes.</summary>
    /// <remarks>Linux fs/overlayfs/dir.c: ovl_cleanup_and_whiteout().</remarks>
    public Errno CleanupAndWhiteout(Dentry directory, Dentry entry)
    {
        var whiteout = NewWhiteout();
        if (!whiteout.IsOk)
            return whiteout.Error;
        if (whiteout.Value.IsUnlinked)
        {
            sb.Log("failed to lock workdir+upperdir");
            return Errno.EIO;
        }
        bool isDirectory = entry.IsDirectory;
        var error = Rename(Directory!, whiteout.Value, directory, entry, isDirectory ? RenameFlags.RENAME_EXCHANGE : RenameFlags.None);
        if (error != Errno.OK)
            Cleanup(Directory!, whiteout.Value);
        else if (isDirectory)
            Cleanup(Directory!, entry);
        return error;
    }
}
