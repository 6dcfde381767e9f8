using DriverLab.FileSystems.Layers;
using DriverLab.Linux;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>What a mount does with the index that it finds: leftovers, and entries that nothing stands behind any more, go; an entry that makes no sense ends the mount.</summary>
/// <remarks>
/// Linux fs/overlayfs/readdir.c: ovl_indexdir_cleanup(); fs/overlayfs/namei.c: ovl_verify_index(). Directories have entries only with <c>nfs_export</c>, and are not checked without it;
/// with it, entries of what was removed become whiteouts.
/// </remarks>
internal static class IndexCleanup
{
    /// <summary>Goes through the index directory.</summary>
    /// <returns>EINVAL: a name is no file handle; ENODATA: an entry does not say where it comes from; before 6.17 also what keeps a leftover from going, such as ENOTEMPTY.</returns>
    public static Errno Run(OverlaySuperBlock sb, Dentry index, Action<string> log)
    {
        var names = new NameCollector();
        var error = sb.Read(sb.Upper!.At(index), names);
        foreach (var name in names.Names)
        {
            if (error != Errno.OK)
                break;
            var entry = Namei.LookupOnePositive(sb.UpperMounter, index, name);
            if (entry.IsOk)
                error = name[0] == '#' ? UpperPreparation.Clean(sb, index, entry.Value, 1, log) : Entry(sb, index, entry.Value, log);
        }
        if (error != Errno.OK)
            log($"failed index dir cleanup (-{(int)error})");
        return error;
    }

    private static Errno Entry(OverlaySuperBlock sb, Dentry index, Dentry entry, Action<string> log)
    {
        var error = Verify(sb, entry, out bool isOrphan);
        if (error is not (Errno.OK or Errno.ENOENT))
            log($"failed to verify index ({PathText.Of(entry)}, ftype={(int)entry.Inode!.Type:x}, err=-{(int)error})");
        if (isOrphan)
            log($"orphan index entry ({PathText.Of(entry)}, ftype={(int)entry.Inode!.Type:x}, nlink={entry.Inode.Nlink})");
        if (error is not (Errno.ESTALE or Errno.ENOENT))
            return error;
        if (error == Errno.ENOENT && sb.Options.NfsExport)
            return sb.Work.CleanupAndWhiteout(index, entry);
        sb.Work.Cleanup(index, entry);
        return Errno.OK;
    }

    /// <returns>ESTALE: it belongs to another lower file, or to none; ENOENT: no name is left.</returns>
    private static Errno Verify(OverlaySuperBlock sb, Dentry entry, out bool isOrphan)
    {
        isOrphan = false;
        byte[] handle = OriginHandle.FromIndexName(entry.Name);
        if (OriginHandle.Check(handle) != OriginHandle.Fault.None)
            return Errno.EINVAL;
        if (entry.Inode!.IsWhiteout || entry.IsDirectory && !sb.Options.NfsExport)
            return Errno.OK;
        if (entry.IsDirectory)
            return VerifyDirectory(sb, entry, handle, out isOrphan);
        Span<byte> stored = stackalloc byte[OriginHandle.MaxSize];
        int length = sb.GetOwnXattr(entry, sb.Names.Origin, stored);
        if (length <= 0)
            return Errno.ENODATA;
        if (!stored[..length].SequenceEqual(handle))
            return Errno.ESTALE;
        if (entry.Inode.Nlink != 1)
            return Errno.OK;
        var error = FileHandles.DecodeLower(sb, handle, entry, out var origin);
        if (error != Errno.OK || origin is not { } found)
            return error == Errno.OK ? Errno.ESTALE : error;
        isOrphan = IndexDirectory.NlinkOf(sb, found.Dentry, entry, 0) == 0;
        return isOrphan ? Errno.ENOENT : Errno.OK;
    }

    /// <summary>A directory's entry is checked by the upper directory that it names.</summary>
    private static Errno VerifyDirectory(OverlaySuperBlock sb, Dentry entry, byte[] handle, out bool isOrphan)
    {
        var error = IndexDirectory.UpperOf(sb, entry, inLayer: false, out var upper);
        isOrphan = error == Errno.ESTALE;
        if (isOrphan)
            return Errno.ENOENT;
        if (error == Errno.OK && upper is null)
            return Errno.ESTALE;
        return error == Errno.OK ? FileHandles.Compare(sb, upper!, sb.Names.Origin, handle) : error;
    }
}
