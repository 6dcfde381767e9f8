using DriverLab.Linux;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>
/// The mark of a file without data: empty, or a digest that the file with the data must have (fs-verity). No file system here has digests, so that one that is noted never fits.
/// </summary>
/// <remarks>Linux fs/overlayfs/overlayfs.h: struct ovl_metacopy; fs/overlayfs/util.c: ovl_check_metacopy_xattr(), ovl_validate_verity().</remarks>
internal static class Verity
{
    private const int MinSize = 4, MaxSize = MinSize + 64;
    private const int VersionAt = 0, LengthAt = 1, AlgorithmAt = 3;

    /// <summary>Is this a file without data?</summary>
    /// <returns>EIO: the mark is no mark.</returns>
    public static Errno FindMark(OverlaySuperBlock sb, Dentry real, out bool isMarked)
    {
        int size = sb.GetOwnXattr(real, sb.Names.Metacopy, default);
        isMarked = size >= 0;
        return size is > 0 and < MinSize && sb.Quirks.HasVerity ? Fault(sb, real, "too small xattr") : Errno.OK;
    }

    /// <summary>Checks, where the mount wants it, that the data is that of the digest in the mark.</summary>
    /// <returns>EIO (no digest where one is required, a bad mark, data without digest), ERANGE (a mark that is too long).</returns>
    public static Errno Validate(OverlaySuperBlock sb, Dentry marked, Dentry data)
    {
        if (sb.Options.Verity == VerityMode.Off)
            return Errno.OK;
        Span<byte> mark = stackalloc byte[MaxSize];
        var read = Xattrs.VfsGetXattr(sb.Mounter, marked, sb.Names.Metacopy, mark);
        if (!read.IsOk)
        {
            sb.Log($"failed to get metacopy (-{(int)read.Error})");
            return read.Error;
        }
        if (read.Value is > 0 and < MinSize)
            return Fault(sb, marked, "too small xattr");
        bool hasDigest = false;
        if (read.Value > MinSize)
        {
            if (mark[VersionAt] != 0)
                return Fault(sb, marked, "unsupported version");
            if (mark[LengthAt] != read.Value)
                return Fault(sb, marked, "invalid xattr size");
            hasDigest = mark[AlgorithmAt] != 0;
        }
        if (!hasDigest)
            return sb.Options.Verity == VerityMode.Require ? Fault(sb, marked, "no digest specified") : Errno.OK;
        sb.Log($"lower file '{PathText.Name(data)}' has no fs-verity digest");
        return Errno.EIO;
    }

    private static Errno Fault(OverlaySuperBlock sb, Dentry marked, string what)
    {
        sb.Log($"metacopy file '{PathText.Name(marked)}' has {what}");
        return Errno.EIO;
    }
}
