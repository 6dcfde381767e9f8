using DriverLab.Linux;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Layers;

/// <summary>A file system that layers live on; several layers may share it.</summary>
/// <remarks>Linux fs/overlayfs/ovl_entry.h: struct ovl_sb.</remarks>
public sealed class LayerFileSystem(SuperBlock sb, DevT pseudoDev)
{
    public SuperBlock Sb { get; } = sb;

    /// <summary>st_dev of files whose inode numbers cannot be told from those of other file systems.</summary>
    public DevT PseudoDev { get; } = pseudoDev;

    /// <summary>Its UUID is missing or shared with another: handles cannot be trusted.</summary>
    public bool HasBadUuid { get; set; }

    /// <summary>Some lower layer is on it.</summary>
    public bool IsLower { get; set; }
}

/// <summary>One directory tree of a union.</summary>
/// <remarks>Linux fs/overlayfs/ovl_entry.h: struct ovl_layer.</remarks>
public sealed class Layer(int index, int fsId, LayerFileSystem fileSystem, Mount mount)
{
    /// <summary>0 is the writable one; lower layers count from 1, top first.</summary>
    public int Index { get; } = index;

    /// <summary>Number of the file system among those of the union; the writable layer's is 0.</summary>
    public int FsId { get; } = fsId;
    public LayerFileSystem FileSystem { get; } = fileSystem;

    /// <summary>A mount of the tree that nobody else sees.</summary>
    public Mount Mount { get; } = mount;

    /// <summary>Reachable through redirects only.</summary>
    public bool IsDataOnly { get; init; }

    /// <summary>Some directory of it was seen to hold whiteouts marked by xattr.</summary>
    public bool HasXattrWhiteouts { get; set; }

    /// <summary>The place of an entry of this layer.</summary>
    public VfsPath At(Dentry dentry) => new(Mount, dentry);
}

/// <summary>An entry in one layer.</summary>
/// <remarks>Linux fs/overlayfs/ovl_entry.h: struct ovl_path.</remarks>
public readonly record struct LayerPath(Layer Layer, Dentry Dentry)
{
    public Inode Inode => Dentry.Inode!;
    public VfsPath Path => new(Layer.Mount, Dentry);
}
