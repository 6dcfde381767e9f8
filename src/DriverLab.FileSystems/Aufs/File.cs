using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;
using DriverLab.Vfs.Helpers;

namespace DriverLab.FileSystems.Aufs;

/// <summary>A regular file of the union.</summary>
/// <remarks>aufs fs/aufs/f_op.c, file.c.</remarks>
internal sealed class AufsFile(AufsSuperBlock sb, Mode mode) : AufsInode(sb, mode)
{
    /// <summary>Copies nothing up: a file of a branch that is not written to is opened for reading, and opened again at the first write.</summary>
    public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags)
    {
        var dentry = (AufsDentry)path.Dentry;
        if (!dentry.IsUnlinked)
        {
            if (!dentry.Top.Dentry.IsHashed)
                return Errno.ENOENT;
            var moved = OpenRules.Apply(dentry, this);
            if (moved != Errno.OK)
                return moved;
        }
        var entry = dentry.IsUnlinked ? Top : dentry.Top;
        var real = OpenReal(entry, flags);
        return real.IsOk ? new AufsOpenFile(path, flags, real.Value) : real.Error;
    }

    /// <summary>Opens an object on its branch; for reading only where the branch is not written to.</summary>
    public SysResult<OpenFile> OpenReal(in BranchEntry entry, OpenFlags flags)
    {
        flags &= ~(OpenFlags.O_CREAT | OpenFlags.O_EXCL | OpenFlags.O_NOCTTY | OpenFlags.O_TRUNC);
        if (!entry.Branch.IsWritable)
            flags = flags & ~(OpenFlags.O_ACCMODE | OpenFlags.O_APPEND) | OpenFlags.O_RDONLY | OpenFlags.O_NOATIME;
        return Files.DentryOpen(Aufs.Kernel, entry.Path, flags);
    }
}

/// <summary>Branches whose objects go up when they are opened.</summary>
/// <remarks>aufs fs/aufs/file.c: au_cmoo().</remarks>
internal static class OpenRules
{
    /// <summary>Copies or moves what is opened to the nearest writable branch above, if its branch says so and there is one.</summary>
    public static Errno Apply(AufsDentry dentry, AufsInode inode)
    {
        var branch = dentry.Top.Branch;
        var wanted = inode.IsDirectory ? BranchAttributes.CooAll : BranchAttributes.CooAll | BranchAttributes.CooReg | BranchAttributes.Moo;
        if ((branch.Attributes & wanted) == 0 || dentry.IsRoot)
            return Errno.OK;
        var sb = dentry.Sb;
        if (sb.Policies.NearestAbove(sb.IndexOf(branch) - 1) is not { } target)
            return Errno.OK;
        var source = dentry.Top;
        var error = CopyUp.To(dentry, target);
        if (error != Errno.OK || (branch.Attributes & BranchAttributes.Moo) == 0)
            return error;
        error = Namei.VfsUnlink(sb.Kernel, source.Dentry.Parent.Inode!, source.Dentry);
        if (error == Errno.OK)
            inode.RemoveReal(branch);
        return error;
    }
}

/// <summary>Something of the union that is open: a branch that it stands on cannot go.</summary>
internal abstract class AufsOpenFileBase : OpenFile
{
    private protected AufsOpenFileBase(VfsPath path, OpenFlags flags) : base(path, flags) => _ = Aufs.OpenFiles.Add(this);

    protected AufsSuperBlock Aufs => (AufsSuperBlock)Inode.Sb;

    public AufsDentry Dentry => (AufsDentry)Path.Dentry;

    /// <summary>Has been mapped since it was opened.</summary>
    public bool WasMapped { get; protected set; }

    protected override void Release() => _ = Aufs.OpenFiles.Remove(this);
}

/// <summary>An open regular file: hands everything to the file on the branch, and goes over to the copy when there is one.</summary>
internal sealed class AufsOpenFile(VfsPath path, OpenFlags flags, OpenFile real) : AufsOpenFileBase(path, flags)
{
    private OpenFile _real = real;

    private AufsFile File => (AufsFile)Inode;

    public override bool SupportsDirect => _real.SupportsDirect;

    public override bool SupportsFallocate => true;

    public override bool CopiesRangesItself => true;

    /// <summary>The branch's open file, on the object that counts now.</summary>
    private Errno GetReal(bool forWriting, out OpenFile real)
    {
        real = _real;
        if (File.Reals.Length == 0)
            return Errno.ESTALE;
        var error = Errno.OK;
        if (forWriting)
            error = CopyUp.ForChange(Dentry, File);
        else if (!Dentry.IsUnlinked && File.IsPseudoLinked && !Aufs.Options.NoPlink && !ReferenceEquals(Dentry.Top.Branch, File.Top.Branch) && File.Top.Branch.IsWritable)
            error = CopyUp.LinkUp(Dentry, File);
        if (error != Errno.OK)
            return error;
        var entry = Dentry.IsUnlinked ? File.Top : Dentry.Top;
        if (!ReferenceEquals(_real.Inode, entry.Inode) || forWriting && !_real.CanWrite)
        {
            var opened = File.OpenReal(entry, Flags);
            if (!opened.IsOk)
                return opened.Error;
            _real.Put();
            _real = opened.Value;
        }
        const OpenFlags changeable = OpenFlags.O_APPEND | OpenFlags.O_NONBLOCK | OpenFlags.O_DIRECT;
        if (_real.CanWrite)
            _real.Flags = _real.Flags & ~changeable | Flags & changeable;
        real = _real;
        return Errno.OK;
    }

    public override SysResult<int> Read(Caller caller, Span<byte> buffer, ref long position)
    {
        var error = GetReal(false, out var real);
        if (error != Errno.OK)
            return error;
        var read = real.Read(caller, buffer, ref position);
        File.CopyAttributes();
        return read;
    }

    /// <summary>A write of nothing copies up too.</summary>
    public override SysResult<int> Write(Caller caller, ReadOnlySpan<byte> data, ref long position)
    {
        var error = GetReal(true, out var real);
        if (error != Errno.OK)
            return error;
        var written = real.Write(caller, data, ref position);
        File.CopyAttributes();
        return written;
    }

    public override SysResult<long> LSeek(Caller caller, long offset, SeekWhence whence) =>
        Simple.LSeek(this, offset, whence, long.MaxValue, File.Reals.Length > 0 ? (Dentry.IsUnlinked ? File.Top : Dentry.Top).Inode.Size : 0);

    /// <summary>Descriptors that cannot write have nothing to sync; the others copy up.</summary>
    public override Errno Fsync(Caller caller, bool dataOnly)
    {
        if (!CanWrite)
            return Errno.OK;
        var error = GetReal(true, out var real);
        return error == Errno.OK ? real.Fsync(caller, dataOnly) : error;
    }

    public override Errno Fallocate(Caller caller, FallocFlags mode, long offset, long length)
    {
        var error = GetReal(true, out var real);
        if (error == Errno.OK)
            error = real.Fallocate(caller, mode, offset, length);
        File.CopyAttributes();
        return error;
    }

    /// <returns>EXDEV (the files are on different file systems; the target is copied up by then).</returns>
    public override SysResult<long> CopyFileRange(Caller caller, long offset, OpenFile target, long targetOffset, long length)
    {
        if (target is not AufsOpenFile to)
            return Errno.EXDEV;
        var error = GetReal(false, out var source);
        OpenFile? real = null;
        if (error == Errno.OK)
            error = to.GetReal(true, out real);
        if (error != Errno.OK)
            return error;
        var copied = FileCopy.Range(caller, source, offset, real!, targetOffset, length);
        to.File.CopyAttributes();
        return copied;
    }

    /// <summary>A shared mapping through a descriptor that may write copies up, whatever its protection is; a private one never does.</summary>
    /// <remarks>aufs fs/aufs/f_op.c: aufs_mmap().</remarks>
    public override SysResult<OpenFile> MapTarget(Caller caller, bool isShared)
    {
        var error = GetReal(isShared && CanWrite, out var real);
        if (error != Errno.OK)
            return error;
        var mapped = real.MapTarget(caller, isShared);
        if (!mapped.IsOk)
            return mapped;
        WasMapped = true;
        return new AufsMapping(this, mapped.Value);
    }

    public override Errno Flush(Caller caller) => _real.Flush(caller);

    protected override void Release()
    {
        base.Release();
        _real.Put();
    }

    /// <summary>What a mapping holds: the branch's file, and with it the union's, which stays open as long as the mapping is there.</summary>
    private sealed class AufsMapping : OpenFile
    {
        private readonly AufsOpenFile _union;
        private readonly OpenFile _file;

        public AufsMapping(AufsOpenFile union, OpenFile file) : base(file.Path, OpenFlags.O_PATH)
        {
            (_union, _file) = (union, file);
            union.Hold();
            Path.Hold();
        }

        public override Errno MapRead(long offset, Span<byte> buffer) => _file.MapRead(offset, buffer);

        public override Errno MapWrite(long offset, ReadOnlySpan<byte> data) => _file.MapWrite(offset, data);

        public override Errno Fsync(Caller caller, bool dataOnly) => _file.Fsync(caller, dataOnly);

        protected override void Release()
        {
            _file.Put();
            _union.Put();
        }
    }
}
