using DriverLab.FileSystems.Layers;
using DriverLab.Linux;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>The requests of chattr before 5.15: whatever they want, the file is copied up with its content, and only then the upper one is asked.</summary>
/// <remarks>Linux 5.10 fs/overlayfs/file.c: ovl_ioctl(), ovl_ioctl_set_flags().</remarks>
internal static class OldFlagRequests
{
    /// <summary>Answers a request on an open file or directory.</summary>
    /// <returns>ENOTTY, EACCES (not the owner), EROFS, then what copying up says.</returns>
    public static SysResult<int> Run(Caller caller, OpenFile file, uint request)
    {
        if (!FileAttrs.Handles(request))
            return Errno.ENOTTY;
        var dentry = (OverlayDentry)file.Path.Dentry;
        var inode = dentry.Inode!;
        if (FileAttrs.Changes(request))
        {
            if (!Permissions.OwnerOrCapable(inode, caller.Credentials))
                return Errno.EACCES;
            var error = file.Path.Mount.WantWrite();
            if (error == Errno.OK)
                error = CopyUp.Whole(dentry, CopyUpKind.Complete);
            if (error != Errno.OK)
                return error;
        }
        bool hasFlags = inode.RealInode.GetFileAttr(inode.Overlay.Mounter, inode.Real, out _) != Errno.ENOTTY;
        return hasFlags ? NotModelledException.Throw("chattr through overlayfs before 5.15, on layers that have flags") : Errno.ENOTTY;
    }
}
