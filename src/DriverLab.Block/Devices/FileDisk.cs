using System.Runtime.InteropServices;
using DriverLab.Linux;
using Microsoft.Win32.SafeHandles;

namespace DriverLab.Block.Devices;

/// <summary>A disk whose sectors are those of a file of the machine that runs the emulator. A flush is an fsync of that file, a discard punches a hole into it where its file system can.</summary>
public sealed partial class FileDisk : BlockDevice, IDisposable
{
    private readonly SafeFileHandle _file;

    /// <summary>A disk over an open file; the size is the file's, in whole sectors. The disk owns the handle.</summary>
    public FileDisk(BlockLayer layer, DevT number, string name, SafeFileHandle file, bool readOnly) : base(layer, number, name)
    {
        _file = file;
        SetCapacity(RandomAccess.GetLength(file) >> 9);
        DiskReadOnly = readOnly;
        Limits.WriteCache = true;
        Limits.NonRotational = true;
        Limits.MaxSectors = Limits.MaxHwSectors = 2560;
        if (readOnly)
            return;
        Limits.MaxDiscardSectors = Limits.MaxHwDiscardSectors = Limits.MaxWriteZeroesSectors = QueueLimits.MaxBioSectors;
        Limits.DiscardGranularity = 4096;
    }

    /// <inheritdoc/>
    public override void SubmitBio(Bio bio)
    {
        bio = Layer.SplitToLimits(bio);
        var scope = Layer.EnterWorker();
        BlkStatus status;
        try
        {
            status = Handle(bio);
        }
        catch (IOException)
        {
            status = BlkStatus.IoError;
        }
        Layer.LeaveWorker(scope);
        bio.End(status);
    }

    private BlkStatus Handle(Bio bio)
    {
        if (bio.Has(BioFlags.PreFlush))
            RandomAccess.FlushToDisk(_file);
        if (bio.Sectors == 0)
            return BlkStatus.OK;
        switch (bio.Op)
        {
            case BioOp.Read:
                int read = RandomAccess.Read(_file, bio.Span, bio.Sector << 9);
                bio.Span[read..].Clear();
                return BlkStatus.OK;
            case BioOp.Write when DiskReadOnly:
                return BlkStatus.IoError;
            case BioOp.Write:
                RandomAccess.Write(_file, bio.Span, bio.Sector << 9);
                if (bio.Has(BioFlags.Fua))
                    RandomAccess.FlushToDisk(_file);
                return BlkStatus.OK;
            case BioOp.Discard or BioOp.WriteZeroes when !DiskReadOnly:
                return Punch(bio.Sector << 9, (long)bio.Sectors << 9);
            case BioOp.Flush or BioOp.Discard or BioOp.SecureErase or BioOp.WriteZeroes:
            default:
                return BlkStatus.NotSupported;
        }
    }

    /// <summary>Frees a range of the file, in bytes. A file system that cannot is not asked again.</summary>
    private BlkStatus Punch(long start, long length)
    {
        const int keepSize = 1, punchHole = 2;
        if (FileAllocate(_file, keepSize | punchHole, start, length) == 0)
            return BlkStatus.OK;
        if ((Errno)Marshal.GetLastPInvokeError() != Errno.EOPNOTSUPP)
            return BlkStatus.IoError;
        Limits.MaxDiscardSectors = Limits.MaxHwDiscardSectors = Limits.MaxWriteZeroesSectors = Limits.DiscardGranularity = 0;
        return BlkStatus.NotSupported;
    }

    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    private static partial int FileAllocate(SafeFileHandle file, int mode, long offset, long length);

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();
}
