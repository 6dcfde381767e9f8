using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Layers.Tar;

namespace DriverLab.StorageDrivers.Layers;

/// <summary>Files as entries of archives.</summary>
internal static class TreeEntry
{
    /// <summary>A file's type; null for a socket, which lives as long as the program that made it.</summary>
    public static TarType? TypeOf(Mode mode) => (mode & Mode.S_IFMT) switch
    {
        Mode.S_IFREG => TarType.File,
        Mode.S_IFDIR => TarType.Directory,
        Mode.S_IFLNK => TarType.Symlink,
        Mode.S_IFCHR => TarType.Char,
        Mode.S_IFBLK => TarType.Block,
        Mode.S_IFIFO => TarType.Fifo,
        _ => null,
    };

    /// <summary>An entry.</summary>
    /// <param name="path">Its path, without a slash at the end.</param>
    /// <param name="type">Its type, or that of a further name of a file.</param>
    /// <param name="stat">What the kernel says of the file.</param>
    /// <param name="target">Where a link leads.</param>
    /// <param name="xattrs">Its attributes.</param>
    public static TarEntry Of(byte[] path, TarType type, in Statx stat, byte[] target, List<Xattr> xattrs) => new()
    {
        Name = type == TarType.Directory ? [.. path, (byte)'/'] : path,
        Type = type,
        Permissions = stat.Mode & Mode.S_IALLUGO,
        Uid = stat.Uid,
        Gid = stat.Gid,
        Size = type == TarType.File ? (long)stat.Size : 0,
        Mtime = stat.ModificationTime,
        LinkName = target,
        Device = type is TarType.Char or TarType.Block ? stat.Rdev : default,
        Xattrs = xattrs,
    };
}
