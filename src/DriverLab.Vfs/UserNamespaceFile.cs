using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>A descriptor of a user name space.</summary>
/// <remarks>Linux fs/nsfs.c. What stat and reads say of it is not modelled.</remarks>
public sealed class UserNamespaceFile : OpenFile
{
    private UserNamespaceFile(VfsPath place, UserNamespace space) : base(place, OpenFlags.O_RDONLY) => Space = space;

    /// <summary>The name space.</summary>
    public UserNamespace Space { get; }

    /// <summary>Opens one.</summary>
    public static OpenFile Open(VfsCore core, UserNamespace space)
    {
        var file = new UserNamespaceFile(PlaceOf(core, space), space);
        file.Path.Hold();
        return file;
    }

    /// <summary>Where opening leads to the name space: the magic links of /proc.</summary>
    public static VfsPath PlaceOf(VfsCore core, UserNamespace space)
    {
        var any = core.AnonPlace("user");
        var entry = any.Dentry.Sb.NewDentry(any.Dentry.Parent, [.. "user"u8]);
        entry.Instantiate(new NamespaceInode(any.Dentry.Sb, space) { Ino = core.NextIno() });
        return new(any.Mount, entry);
    }

    private sealed class NamespaceInode(SuperBlock sb, UserNamespace space) : Inode(sb, Mode.S_IFREG | Mode.S_IRUSR | Mode.S_IRGRP | Mode.S_IROTH)
    {
        public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags) => new UserNamespaceFile(path, space);
    }
}
