using System.Runtime.CompilerServices;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>The file system of descriptors that stand for name spaces.</summary>
/// <remarks>Linux fs/nsfs.c.</remarks>
internal sealed class NamespaceSuperBlock(VfsCore core) : HiddenSuperBlock(core, "nsfs", FsMagic.NSFS)
{
    private const uint FirstNumber = 0xF0000001;
    private readonly ConditionalWeakTable<object, Dentry> _entries = [];
    private uint _given;

    /// <summary>Where opening leads to a name space: one file for each.</summary>
    /// <param name="space">The name space.</param>
    /// <param name="kind">The word of its kind, such as <c>mnt</c>.</param>
    /// <param name="open">Makes an open file for a place.</param>
    public VfsPath PlaceOf(object space, string kind, Func<VfsPath, OpenFile> open)
    {
        if (_entries.TryGetValue(space, out var known))
            return new(Mount, known);
        uint number = FirstNumber + _given++;
        var place = NewPlace($"{kind}:[{number}]", new NamespaceInode(this, open) { Ino = number, Flags = InodeFlags.S_IMMUTABLE });
        _entries.Add(space, place.Dentry);
        return place;
    }

    public override bool HasFileHandles => true;

    public override SysResult<int> EncodeHandle(Inode inode, Span<byte> handle, out byte handleType)
    {
        handleType = 0;
        return NotModelledException.Throw("handles of namespaces");
    }

    private sealed class NamespaceInode(SuperBlock sb, Func<VfsPath, OpenFile> open) : Inode(sb, Mode.S_IFREG | Mode.S_IRUSR | Mode.S_IRGRP | Mode.S_IROTH)
    {
        public override bool ListsXattrs => true;

        public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags) => open(path);
    }
}

/// <summary>A descriptor of a name space.</summary>
/// <param name="place">Its place on nsfs.</param>
/// <param name="type">Its kind.</param>
public abstract class NamespaceFile(VfsPath place, CloneFlags type) : OpenFile(place, OpenFlags.O_RDONLY)
{
    private const uint NS_GET_NSTYPE = 0xb703, TypeMask = 0xff00;

    /// <inheritdoc/>
    public override SysResult<int> Ioctl(Caller caller, uint request, long value) => request switch
    {
        NS_GET_NSTYPE => (int)type,
        _ when (request & TypeMask) == (NS_GET_NSTYPE & TypeMask) => NotModelledException.Throw("ioctls of namespaces"),
        _ => Errno.ENOTTY,
    };
}

/// <summary>A descriptor of a mount name space: keeps it, and all that is mounted there, as long as it is open.</summary>
internal sealed class MountNamespaceFile : NamespaceFile
{
    private readonly MountNamespace _space;

    private MountNamespaceFile(VfsPath place, MountNamespace space) : base(place, CloneFlags.CLONE_NEWNS)
    {
        _space = space;
        space.Hold();
    }

    /// <summary>Opens one.</summary>
    public static OpenFile Open(VfsCore core, MountNamespace space)
    {
        OpenFile At(VfsPath place) => new MountNamespaceFile(place, space);
        return At(core.NamespaceFiles.PlaceOf(space, "mnt", At));
    }

    /// <inheritdoc/>
    protected override void Release() => _space.Release();
}

/// <summary>A descriptor of a user name space.</summary>
public sealed class UserNamespaceFile : NamespaceFile
{
    private UserNamespaceFile(VfsPath place, UserNamespace space) : base(place, CloneFlags.CLONE_NEWUSER) => Space = space;

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
    public static VfsPath PlaceOf(VfsCore core, UserNamespace space) => core.NamespaceFiles.PlaceOf(space, "user", place => new UserNamespaceFile(place, space));
}
