using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Contracts.Tests;

/// <summary>The section 2 names of the calls with text paths, relative to the working directory: what most tests need.</summary>
/// <remarks>A character of a path is one byte (Latin-1), so that every byte can be written.</remarks>
internal static class Calls
{
    /// <summary>Permission bits as one writes them: <c>Oct(755)</c>.</summary>
    public static Mode Oct(int digits) => (Mode)Convert.ToInt32(digits.ToString(System.Globalization.CultureInfo.InvariantCulture), 8);

    /// <summary>The bytes of a path.</summary>
    public static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text);

    extension(IKernel kernel)
    {
        public SysResult<Fd> Open(string path, OpenFlags flags) => kernel.OpenAt(Fd.Cwd, Bytes(path), flags, Oct(644));

        public SysResult<Fd> Open(string path, OpenFlags flags, Mode mode) => kernel.OpenAt(Fd.Cwd, Bytes(path), flags, mode);

        public Errno Mkdir(string path) => kernel.MkdirAt(Fd.Cwd, Bytes(path), Oct(755));

        public Errno Mkdir(string path, Mode mode) => kernel.MkdirAt(Fd.Cwd, Bytes(path), mode);

        public Errno Mknod(string path, Mode mode, DevT device = default) => kernel.MknodAt(Fd.Cwd, Bytes(path), mode, device);

        public Errno Unlink(string path) => kernel.UnlinkAt(Fd.Cwd, Bytes(path), AtFlags.None);

        public Errno Rmdir(string path) => kernel.UnlinkAt(Fd.Cwd, Bytes(path), AtFlags.AT_REMOVEDIR);

        public Errno Link(string from, string to) => kernel.LinkAt(Fd.Cwd, Bytes(from), Fd.Cwd, Bytes(to), AtFlags.None);

        public Errno Link(string from, string to, AtFlags flags) => kernel.LinkAt(Fd.Cwd, Bytes(from), Fd.Cwd, Bytes(to), flags);

        public Errno Symlink(string target, string path) => kernel.SymlinkAt(Bytes(target), Fd.Cwd, Bytes(path));

        public SysResult<int> ReadLink(string path, Span<byte> buffer) => kernel.ReadLinkAt(Fd.Cwd, Bytes(path), buffer);

        public Errno Rename(string from, string to) => kernel.Rename(from, to, RenameFlags.None);

        public Errno Rename(string from, string to, RenameFlags flags) => kernel.RenameAt2(Fd.Cwd, Bytes(from), Fd.Cwd, Bytes(to), flags);

        public Errno Stat(string path, out Statx result) => kernel.Statx(Fd.Cwd, Bytes(path), AtFlags.None, StatxMask.STATX_BASIC_STATS, out result);

        public Errno Lstat(string path, out Statx result) => kernel.Statx(Fd.Cwd, Bytes(path), AtFlags.AT_SYMLINK_NOFOLLOW, StatxMask.STATX_BASIC_STATS, out result);

        public Errno Fstat(Fd fd, out Statx result) => kernel.Statx(fd, default, AtFlags.AT_EMPTY_PATH, StatxMask.STATX_BASIC_STATS, out result);

        public Errno Access(string path, AccessMode mode) => kernel.FaccessAt(Fd.Cwd, Bytes(path), mode, AtFlags.None);

        public Errno Chmod(string path, int digits) => kernel.FchmodAt(Fd.Cwd, Bytes(path), Oct(digits));

        public Errno Chown(string path, uint uid, uint gid) => kernel.FchownAt(Fd.Cwd, Bytes(path), uid, gid, AtFlags.None);

        public Errno Lchown(string path, uint uid, uint gid) => kernel.FchownAt(Fd.Cwd, Bytes(path), uid, gid, AtFlags.AT_SYMLINK_NOFOLLOW);

        public Errno Utimens(string path, Timespec atime, Timespec mtime) => kernel.UtimensAt(Fd.Cwd, Bytes(path), atime, mtime, AtFlags.None);

        public Errno Truncate(string path, long length) => kernel.Truncate(Bytes(path), length);

        public Errno Chdir(string path) => kernel.Chdir(Bytes(path));

        public Errno Chroot(string path) => kernel.Chroot(Bytes(path));

        public SysResult<int> GetXattr(string path, string name, Span<byte> value) => kernel.GetXattr(Bytes(path), Bytes(name), value, AtFlags.None);

        public Errno SetXattr(string path, string name, string value) => kernel.SetXattr(path, name, value, XattrFlags.None);

        public Errno SetXattr(string path, string name, string value, XattrFlags flags) => kernel.SetXattr(Bytes(path), Bytes(name), Bytes(value), flags, AtFlags.None);

        public SysResult<int> ListXattr(string path, Span<byte> names) => kernel.ListXattr(Bytes(path), names, AtFlags.None);

        public Errno RemoveXattr(string path, string name) => kernel.RemoveXattr(Bytes(path), Bytes(name), AtFlags.None);

        public Errno Mount(string source, string target, string type, MountFlags flags = MountFlags.None, string data = "")
            => kernel.Mount(Bytes(source), Bytes(target), Bytes(type), flags, Bytes(data));

        public Errno Bind(string source, string target) => kernel.Mount(source, target, "", MountFlags.MS_BIND);

        public Errno Umount(string target, UmountFlags flags = UmountFlags.None) => kernel.Umount(Bytes(target), flags);

        public Errno StatFs(string path, out StatFs result) => kernel.StatFs(Bytes(path), out result);
    }
}
