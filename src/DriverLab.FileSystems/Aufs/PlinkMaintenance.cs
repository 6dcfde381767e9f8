using System.Globalization;
using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Aufs;

/// <summary>/proc/fs/aufs: one file, by which <c>auplink</c> keeps others away while it makes pseudo-links real.</summary>
/// <remarks>aufs fs/aufs/procfs.c.</remarks>
internal sealed class PlinkMaintenanceDirectory(SuperBlock proc, AufsFileSystem type) : Inode(proc, Mode.S_IFDIR | (Mode)0x16D)
{
    public override Errno Lookup(Caller caller, Dentry dentry)
    {
        dentry.Add(dentry.Name.SequenceEqual("plink_maint"u8) ? new PlinkMaintenanceNode(Sb, type) : null);
        return Errno.OK;
    }
}

internal sealed class PlinkMaintenanceNode(SuperBlock proc, AufsFileSystem type) : Inode(proc, Mode.S_IFREG | Mode.S_IWUSR)
{
    /// <returns>EACCES (without CAP_SYS_ADMIN).</returns>
    public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags) =>
        caller.Credentials.Capable(Capabilities.CAP_SYS_ADMIN) ? new PlinkMaintenanceFile(path, flags, type) : Errno.EACCES;

    /// <summary>Opening with O_TRUNC, as shells do, changes nothing.</summary>
    public override Errno SetAttr(Caller caller, Dentry dentry, ref Iattr attr) => Errno.OK;
}

/// <summary>The open control file: <c>si=ID</c> begins the maintenance of a union, <c>clean</c> forgets its list of pseudo-links, closing ends it. The union lives on as long.</summary>
internal sealed class PlinkMaintenanceFile(VfsPath path, OpenFlags flags, AufsFileSystem type) : OpenFile(path, flags)
{
    private AufsSuperBlock? _union;

    /// <returns>EINVAL (another text, no such union, nothing begun), EBUSY (somebody maintains it).</returns>
    public override SysResult<int> Write(Caller caller, ReadOnlySpan<byte> data, ref long position)
    {
        string text = Encoding.ASCII.GetString(data).TrimEnd('\n', '\0');
        Errno error;
        if (text.StartsWith("si=", StringComparison.Ordinal) && ulong.TryParse(text.AsSpan(3), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong id))
            error = Begin(id);
        else
            error = text == "clean" && _union is not null ? Clean(_union) : Errno.EINVAL;
        return error == Errno.OK ? data.Length : error;
    }

    private Errno Begin(ulong id)
    {
        if (type.Instances.Find(u => u.Id == id) is not { } union)
            return Errno.EINVAL;
        if (_union is not null || union.IsInMaintenance)
            return Errno.EBUSY;
        union.IsInMaintenance = true;
        union.ActiveCount++;
        _union = union;
        return Errno.OK;
    }

    /// <summary>The entries on the branches stay.</summary>
    private static Errno Clean(AufsSuperBlock union)
    {
        foreach (var inode in union.Inodes)
        {
            inode.IsPseudoLinked = false;
            inode.CopyAttributes();
        }
        return Errno.OK;
    }

    protected override void Release()
    {
        if (_union is null)
            return;
        _union.IsInMaintenance = false;
        _union.Deactivate();
    }
}
