using System.Text;
using DriverLab.FileSystems.Tmpfs;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Devtmpfs;

/// <summary>The file system of /dev: nodes appear and go as devices do.</summary>
/// <remarks>Linux drivers/base/devtmpfs.c: devtmpfs_create_node(), devtmpfs_delete_node().</remarks>
public sealed class DevTmpFileSystem : FileSystemType
{
    private readonly Caller _kernel = new(Credentials.Root, default, default, null!, new FdTable());
    private readonly TmpfsSuperBlock _sb;

    /// <summary>Makes the one instance.</summary>
    public DevTmpFileSystem(VfsCore core)
    {
        var context = new MountContext(core, _kernel, "devtmpfs"u8.ToArray(), MountFlags.None, "mode=0755"u8.ToArray());
        var quirks = TmpfsQuirks.Of(core.Profile);
        _sb = new TmpfsSuperBlock(context, this, TmpfsOptions.Parse(context, quirks).Value, quirks);
        _sb.ActiveCount++; // the kernel's own hold: the instance outlives its mounts
    }

    /// <inheritdoc/>
    public override string Name => "devtmpfs";

    /// <inheritdoc/>
    public override SysResult<Dentry> Mount(MountContext context) => _sb.Root;

    /// <summary>Makes a node; directories in the name are made too.</summary>
    public void Add(string name, Mode mode, DevT device)
    {
        var parent = _sb.Root;
        var rest = name.AsSpan();
        for (int slash; (slash = rest.IndexOf('/')) >= 0; rest = rest[(slash + 1)..])
        {
            var directory = Find(parent, rest[..slash]);
            if (directory.IsNegative)
                _ = parent.Inode!.Mkdir(_kernel, directory, (Mode)0x1ED | Mode.S_IFDIR); // in memory, for root: cannot fail
            parent = directory;
        }
        var dentry = Find(parent, rest);
        if (dentry.IsNegative)
            _ = parent.Inode!.Mknod(_kernel, dentry, mode, device); // likewise
    }

    /// <summary>Takes a node away, and the directories that it leaves empty. A node with another number is not ours and stays.</summary>
    public void Remove(string name, DevT device)
    {
        var dentry = _sb.Root;
        foreach (string part in name.Split('/'))
        {
            dentry = Find(dentry, part);
            if (dentry.IsNegative)
                return;
        }
        if (dentry.Inode!.Rdev != device)
            return;
        var parent = dentry.Parent;
        _ = parent.Inode!.Unlink(_kernel, dentry); // cannot fail
        Forget(dentry);
        while (!parent.IsRoot && !parent.HasPositiveChild)
        {
            var empty = parent;
            parent = empty.Parent;
            _ = parent.Inode!.Rmdir(_kernel, empty); // it is empty
            empty.Inode!.Flags |= InodeFlags.S_DEAD;
            Forget(empty);
        }
    }

    private static void Forget(Dentry dentry)
    {
        MountTree.DetachAt(dentry);
        dentry.Drop();
        dentry.Inode!.DropIfUnused();
    }

    private Dentry Find(Dentry parent, ReadOnlySpan<char> name)
    {
        Span<byte> bytes = stackalloc byte[Encoding.UTF8.GetMaxByteCount(name.Length)];
        return Namei.LookupHash(_kernel, parent, bytes[..Encoding.UTF8.GetBytes(name, bytes)]).Value;
    }
}
