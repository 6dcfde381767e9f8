using DriverLab.FileSystems.Layers;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>Makes the inode numbers of directory entries agree with what stat shows.</summary>
/// <remarks>Linux fs/overlayfs/readdir.c: ovl_cache_update_ino().</remarks>
internal static class EntryNumbers
{
    /// <summary>Looks an entry of a listing up in the union. One that has gone meanwhile becomes hidden.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="entries">Its listing.</param>
    /// <param name="entry">The entry of the listing.</param>
    /// <param name="isReal">The listing is the upper directory's own: what cannot be looked up ends it on every kernel.</param>
    public static Errno Find(OverlayDentry directory, MergeList entries, ref MergeEntry entry, bool isReal = false)
    {
        var sb = directory.Sb;
        if (!sb.IsSameDev && !entry.IsDoubtful)
        {
            entry.Ino = entry.RealIno;
            return Errno.OK;
        }
        var name = entries.NameOf(entry);
        OverlayDentry? found;
        if (name.SequenceEqual("."u8))
        {
            found = directory;
        }
        else if (name.SequenceEqual(".."u8))
        {
            found = directory.Parent;
        }
        else
        {
            var looked = Namei.LookupOnePositive(sb.Mounter, directory, name);
            if (!looked.IsOk && looked.Error != Errno.ENOENT)
                sb.Log($"failed to look up ({System.Text.Encoding.Latin1.GetString(name)}) for ino (-{(int)looked.Error})");
            if (!looked.IsOk && sb.Quirks.ListsWhatItCannotLookUp && !isReal)
            {
                entry.Ino = entry.RealIno;
                entry.IsDoubtful = false;
                return Errno.OK;
            }
            if (!looked.IsOk)
            {
                // The listing stops here; the next one leaves the name out.
                entry.IsHidden = true;
                entry.IsDoubtful = false;
                return looked.Error == Errno.ENOENT ? Errno.OK : looked.Error;
            }
            found = (OverlayDentry)looked.Value;
        }
        entry.IsDoubtful = false;
        entry.Ino = NumberOf(sb, found, entry.RealIno);
        return Errno.OK;
    }

    /// <summary>The number that stat shows, given the one that the layer reported.</summary>
    public static ulong NumberOf(OverlaySuperBlock sb, OverlayDentry dentry, ulong realIno)
    {
        var inode = dentry.Inode!;
        if (inode.HasOrigin)
            return StatIno(sb, dentry, realIno);
        if (sb.XinoBits > 0 && inode.Upper is null && sb.TryMapIno(realIno, inode.Lowers[0].Layer.FsId, out ulong mapped))
            return mapped;
        return realIno;
    }

    /// <summary>st_ino.</summary>
    public static ulong StatIno(OverlaySuperBlock sb, OverlayDentry dentry, ulong otherwise)
    {
        // The number needs no mount of the overlay.
        var error = dentry.Inode!.GetAttr(sb.Mounter, default, StatxMask.STATX_INO, AtFlags.None, out var stat);
        return error == Errno.OK ? stat.Ino : otherwise;
    }
}

/// <summary>Numbers of a directory's entries that are not those of its upper objects, as they were when it was last read; what was linked in since then is not among them.</summary>
/// <param name="Version">The directory's version at that time.</param>
/// <param name="Changed">Numbers by name.</param>
internal sealed record ImpureNumbers(long Version, Dictionary<string, ulong> Changed);

/// <summary>Passes the entries of a real directory on, with the numbers of copied-up objects and of the parent put right.</summary>
/// <remarks>Linux fs/overlayfs/readdir.c: ovl_iterate_real(), ovl_fill_real(), ovl_cache_get_impure().</remarks>
internal sealed class RealDirectoryFilter(OverlayDirectoryFile file) : DirContext
{
    private readonly OverlayDentry _directory = file.Entry;
    private DirContext _target = null!;
    private Dictionary<string, ulong>? _numbers;
    private ulong _parentIno;

    public Errno Run(OpenFile real, DirContext target)
    {
        var sb = _directory.Sb;
        _target = target;
        _parentIno = _directory.Parent.IsMerged ? EntryNumbers.StatIno(sb, _directory.Parent, 0) : 0;
        _numbers = null;
        if (file.IsImpureUpper)
        {
            var error = ReadNumbers(sb);
            if (error != Errno.OK)
                return error;
            _numbers = ((OverlayDirectory)_directory.Inode!).Numbers?.Changed;
        }
        var result = Files.IterateDir(sb.Mounter, real, this);
        target.Position = Position;
        return result;
    }

    public override bool Emit(ReadOnlySpan<byte> name, ulong ino, DirentType type)
    {
        if (_parentIno != 0 && name.SequenceEqual(".."u8))
            ino = _parentIno;
        else if (_numbers is not null && _numbers.TryGetValue(Key(name), out ulong changed))
            ino = changed;
        else if (_directory.Sb.XinoBits > 0 && _directory.Inode!.Upper is null
            && _directory.Sb.TryMapIno(ino, _directory.Inode.Lowers[0].Layer.FsId, out ulong mapped))
            ino = mapped;
        _target.Position = Position;
        return _target.Emit(name, ino, type);
    }

    /// <summary>Finds the entries whose number is not their own; when there are none left the directory is impure no more.</summary>
    private Errno ReadNumbers(OverlaySuperBlock sb)
    {
        var inode = (OverlayDirectory)_directory.Inode!;
        if (inode.Numbers is { } known && known.Version == inode.Version)
            return Errno.OK;
        inode.Numbers = null;
        var entries = new MergeList();
        var receiver = new MergeReceiver(_directory, entries, forEmptiness: true);
        var error = receiver.ReadLayer(sb.Upper!, inode.Upper!, isLowest: true);
        if (error != Errno.OK)
            return error;
        entries.Seal();
        var changed = new Dictionary<string, ulong>();
        for (int i = 0; i < entries.Count; i++)
        {
            ref var entry = ref entries[i];
            var name = entries.NameOf(entry);
            if (name.SequenceEqual("."u8) || name.SequenceEqual(".."u8))
                continue;
            error = EntryNumbers.Find(_directory, entries, ref entry, isReal: true);
            if (error != Errno.OK)
                return error;
            if (entry.Ino != entry.RealIno)
                changed.Add(Key(name), entry.Ino);
        }
        if (changed.Count > 0)
        {
            inode.Numbers = new(inode.Version, changed);
            return Errno.OK;
        }
        if (sb.Upper!.Mount.WantWrite() == Errno.OK)
            _ = Xattrs.VfsRemoveXattr(sb.UpperMounter, inode.Upper!, sb.Names.Impure); // best effort, as in the kernel
        inode.IsImpure = false;
        return Errno.OK;
    }

    private static string Key(ReadOnlySpan<byte> name) => System.Text.Encoding.Latin1.GetString(name);
}
