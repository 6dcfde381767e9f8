using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>A regular file of the union.</summary>
/// <remarks>Linux fs/overlayfs/file.c: ovl_open(), ovl_file_operations.</remarks>
internal sealed class OverlayFile(OverlaySuperBlock sb, Mode mode) : OverlayInode(sb, mode)
{
    public override bool AsksForExtents => true;

    /// <summary>Copies up at once when opened for writing or to be truncated, whether or not anything is written.</summary>
    public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags)
    {
        var dentry = (OverlayDentry)path.Dentry;
        bool truncates = (flags & OpenFlags.O_TRUNC) != 0;
        bool writes = (flags & OpenFlags.O_ACCMODE) is OpenFlags.O_WRONLY or OpenFlags.O_RDWR || truncates;
        var error = VerifyData();
        if (error == Errno.OK && writes)
            error = CopyUp.Whole(dentry, truncates ? CopyUpKind.WithoutContent : CopyUpKind.Complete);
        if (error != Errno.OK)
            return error;
        flags &= ~(OpenFlags.O_CREAT | OpenFlags.O_EXCL | OpenFlags.O_NOCTTY | OpenFlags.O_TRUNC);
        var real = OpenReal(flags);
        return real.IsOk ? new OverlayOpenFile(path, flags, real.Value) : real.Error;
    }

    /// <summary>Opens the real file with the mounter's rights.</summary>
    /// <remarks>Linux fs/overlayfs/file.c: ovl_open_realfile().</remarks>
    public SysResult<OpenFile> OpenReal(OpenFlags flags)
    {
        var mask = (flags & OpenFlags.O_ACCMODE) switch
        {
            OpenFlags.O_RDONLY => AccessMode.R_OK,
            OpenFlags.O_WRONLY => AccessMode.W_OK,
            _ => AccessMode.R_OK | AccessMode.W_OK,
        };
        var error = GetData(out var data);
        if (error != Errno.OK)
            return error;
        var mounter = Overlay.Mounter.Through(data.Mount);
        error = Permissions.Check(data.Inode, mounter, mask);
        if (error != Errno.OK)
            return error;
        if (Permissions.OwnerOrCapable(data.Inode, mounter.Credentials))
            flags |= OpenFlags.O_NOATIME;
        return Files.DentryOpen(mounter, data, flags, isHeard: Overlay.Quirks.FilesBelowAreHeard, isWriter: Overlay.Quirks.FilesBelowAreWriters);
    }
}

/// <summary>An open regular file: hands everything to the real file, and changes over when the file has been copied up since.</summary>
/// <remarks>Linux fs/overlayfs/file.c: ovl_real_fdget(), ovl_read_iter(), ovl_write_iter().</remarks>
internal sealed class OverlayOpenFile(VfsPath path, OpenFlags flags, OpenFile real) : OpenFile(path, flags)
{
    // What was opened first stays open: mappings are always of that.
    private readonly OpenFile _first = real;
    private OpenFile _real = real;

    private OverlayFile File => (OverlayFile)Inode;
    private Caller Mounter => File.Overlay.Mounter;

    /// <summary>The union's mapping operations have direct I/O, so that the real file is asked when it is opened; a flag set later is refused when the file is used.</summary>
    /// <remarks>Linux fs/overlayfs/inode.c: ovl_aops; fs/overlayfs/file.c: ovl_change_flags().</remarks>
    public override bool SupportsDirect => true;

    public override bool SupportsFallocate => true;

    public override bool TakesFlagRequests => !File.Overlay.Quirks.CopiesFlags;

    public override SysResult<int> Ioctl(Caller caller, uint request, Span<byte> argument) => Ioctl(caller, request, 0);

    public override SysResult<int> Ioctl(Caller caller, uint request, long value) => TakesFlagRequests ? OldFlagRequests.Run(caller, this, request) : Errno.ENOTTY;

    /// <summary>The open file of what is the real inode now.</summary>
    private Errno GetReal(out OpenFile real)
    {
        real = _real;
        var error = File.GetData(out var data);
        if (error != Errno.OK)
            return error;
        if (ReferenceEquals(real.Inode, data.Inode))
        {
            const OpenFlags changeable = OpenFlags.O_APPEND | OpenFlags.O_NONBLOCK | OpenFlags.O_DIRECT;
            if ((Flags & OpenFlags.O_DIRECT) != 0 && !real.SupportsDirect)
                return Errno.EINVAL;
            real.Flags = (real.Flags & ~changeable) | (Flags & changeable);
            return Errno.OK;
        }
        var opened = File.OpenReal(Flags);
        if (!opened.IsOk)
            return opened.Error;
        if (!ReferenceEquals(_real, _first))
            _real.Put();
        _real = real = opened.Value;
        return Errno.OK;
    }

    public override SysResult<int> Read(Caller caller, Span<byte> buffer, ref long position) => Read(buffer, ref position, byKernel: false);

    public override SysResult<int> ReadForKernel(Caller caller, Span<byte> buffer, ref long position) => Read(buffer, ref position, byKernel: true);

    private SysResult<int> Read(Span<byte> buffer, ref long position, bool byKernel)
    {
        if (buffer.IsEmpty)
            return 0;
        var error = GetReal(out var real);
        if (error != Errno.OK)
            return error;
        var read = byKernel ? real.ReadForKernel(Mounter, buffer, ref position) : Files.IterRead(Mounter, real, buffer, ref position);
        if (File.Upper is not null && (Flags & OpenFlags.O_NOATIME) == 0)
        {
            File.MtimeNs = File.RealInode.MtimeNs;
            File.CtimeNs = File.RealInode.CtimeNs;
            Files.TouchAtime(Path);
        }
        return read;
    }

    public override SysResult<int> Write(Caller caller, ReadOnlySpan<byte> data, ref long position)
    {
        if (data.IsEmpty)
            return 0;
        File.CopyAttributes();
        var error = Attributes.FileRemovePrivs(caller, this);
        OpenFile? real = null;
        if (error == Errno.OK)
            error = GetReal(out real);
        if (error != Errno.OK)
            return error;
        var written = Files.IterWrite(Mounter, real!, data, ref position);
        File.CopyAttributes();
        return written;
    }

    public override SysResult<long> LSeek(Caller caller, long offset, SeekWhence whence)
    {
        if (offset == 0 && whence == SeekWhence.SEEK_CUR)
            return Position;
        if (offset == 0 && whence == SeekWhence.SEEK_SET)
            return Position = 0;
        var error = GetReal(out var real);
        if (error != Errno.OK)
            return error;
        real.Position = Position;
        var moved = real.LSeek(Mounter, offset, whence);
        Position = real.Position;
        return moved;
    }

    /// <summary>Lower files are never synced.</summary>
    public override Errno Fsync(Caller caller, bool dataOnly)
    {
        if (!File.Overlay.Options.ShouldSync)
            return Errno.OK;
        var error = GetReal(out var real);
        return error == Errno.OK && File.Upper is not null ? real.Fsync(Mounter, dataOnly) : error;
    }

    public override Errno Fallocate(Caller caller, FallocFlags mode, long offset, long length)
    {
        File.CopyAttributes();
        var error = Attributes.FileRemovePrivs(caller, this);
        OpenFile? real = null;
        if (error == Errno.OK)
            error = GetReal(out real);
        if (error != Errno.OK)
            return error;
        error = real!.Fallocate(Mounter, mode, offset, length);
        if (error == Errno.OK)
            Files.Hear(real, InotifyMask.IN_MODIFY);
        File.CopyAttributes();
        return error;
    }

    public override bool CopiesAcrossInstances => true;

    /// <remarks>The real files go through all of copy_file_range(2) again: fs/overlayfs/file.c: ovl_copyfile(), which calls vfs_copy_file_range().</remarks>
    public override SysResult<long> CopyFileRange(Caller caller, long offset, OpenFile target, long targetOffset, long length) =>
        Between(caller, target, (source, real) => FileCopy.Range(Mounter, source, offset, real, targetOffset, length));

    public override SysResult<long> RemapFileRange(Caller caller, long offset, OpenFile target, long targetOffset, long length) =>
        Between(caller, target, (source, real) => source.RemapFileRange(Mounter, offset, real, targetOffset, length));

    private SysResult<long> Between(Caller caller, OpenFile target, Func<OpenFile, OpenFile, SysResult<long>> operation)
    {
        if (target is not OverlayOpenFile overlayTarget)
            return Errno.EXDEV;
        overlayTarget.File.CopyAttributes();
        var error = Attributes.FileRemovePrivs(caller, target);
        OpenFile? source = null, real = null;
        if (error == Errno.OK)
            error = overlayTarget.GetReal(out real);
        if (error == Errno.OK)
            error = GetReal(out source);
        if (error != Errno.OK)
            return error;
        var done = operation(source!, real!);
        overlayTarget.File.CopyAttributes();
        return done;
    }

    /// <summary>The pages of the file that was the real one when this was opened: a mapping never changes over.</summary>
    /// <remarks>Linux fs/overlayfs/file.c: ovl_mmap().</remarks>
    public override SysResult<OpenFile> MapTarget(Caller caller, bool isShared) => _first.MapTarget(Mounter, isShared);

    public override Errno Flush(Caller caller)
    {
        if (!File.Overlay.Quirks.FlushesLayers)
            return Errno.OK;
        var error = GetReal(out var real);
        return error == Errno.OK ? real.Flush(Mounter) : error;
    }

    protected override void Release()
    {
        // What is closed last ends first.
        var core = Inode.Sb.Core;
        bool isCopied = !ReferenceEquals(_real, _first);
        if (isCopied && File.Overlay.Quirks.FirstFileEndsFirst)
            core.CloseLate(_real);
        core.CloseLate(_first);
        if (isCopied && !File.Overlay.Quirks.FirstFileEndsFirst)
            core.CloseLate(_real);
    }
}
