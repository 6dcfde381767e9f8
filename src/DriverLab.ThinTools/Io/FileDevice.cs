using System.Runtime.InteropServices;
using DriverLab.Formats.PersistentData;
using Microsoft.Win32.SafeHandles;

namespace DriverLab.ThinTools.Io;

/// <summary>A regular file or a block device. A block device is opened exclusively unless it may be in use: one that a pool holds is refused as busy.</summary>
public sealed class FileDevice : MetadataDevice
{
    private readonly SafeFileHandle _handle;

    private FileDevice(SafeFileHandle handle, string name, ulong length)
    {
        _handle = handle;
        Name = name;
        LengthBytes = length;
    }

    public override string Name { get; }

    public override ulong BlockCount => LengthBytes / MetadataBlock.Size;

    public ulong LengthBytes { get; }

    /// <summary>Opens for reading.</summary>
    /// <param name="path">A regular file or a block device.</param>
    /// <param name="mayBeInUse">True for the metadata snapshot of a live pool.</param>
    public static FileDevice OpenRead(string path, bool mayBeInUse = false) => Open(path, mayBeInUse ? OpenFlags.None : OpenFlags.Exclusive);

    /// <summary>Opens for reading and writing.</summary>
    public static FileDevice OpenWrite(string path) => Open(path, OpenFlags.Write | OpenFlags.Exclusive);

    public override bool TryRead(ulong first, Span<byte> into)
    {
        try
        {
            for (long at = (long)first * MetadataBlock.Size; into.Length > 0;)
            {
                int read = RandomAccess.Read(_handle, into, at);
                if (read <= 0)
                    return false;
                into = into[read..];
                at += read;
            }
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    public override void Write(ulong first, ReadOnlySpan<byte> blocks)
    {
        try
        {
            RandomAccess.Write(_handle, blocks, (long)first * MetadataBlock.Size);
        }
        catch (IOException e)
        {
            throw new ThinToolException($"{Name}: {blocks.Length / MetadataBlock.Size} blocks at {first} cannot be written: {e.Message}");
        }
    }

    public override void Flush()
    {
        try
        {
            RandomAccess.FlushToDisk(_handle);
        }
        catch (IOException e)
        {
            throw new ThinToolException($"{Name}: what was written cannot be made safe: {e.Message}");
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _handle.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>The open file, for calls that are not about metadata blocks.</summary>
    internal SafeFileHandle Handle => _handle;

    internal static FileDevice Open(string path, OpenFlags flags)
    {
        if (Directory.Exists(path))
            throw new ThinToolException($"{path} is a folder; expected a file or a block device");
        int number = (flags.HasFlag(OpenFlags.Write) ? Libc.O_RDWR : 0) | Libc.O_CLOEXEC;
        // O_EXCL without O_CREAT means something for block devices only: the kernel refuses one that is mounted or held.
        bool isDevice = path.StartsWith("/dev/", StringComparison.Ordinal) || (File.Exists(path) && !IsRegular(path));
        if (flags.HasFlag(OpenFlags.Exclusive) && isDevice)
            number |= Libc.O_EXCL;
        int fd = Libc.Open(path, number);
        if (fd < 0)
            throw new ThinToolException(Libc.Explain(path, Marshal.GetLastPInvokeError()));
        var handle = new SafeFileHandle(fd, ownsHandle: true);
        long length = Libc.Seek(fd, 0, Libc.SEEK_END);
        if (length >= 0)
            return new(handle, path, (ulong)length);
        handle.Dispose();
        throw new ThinToolException($"{path} has no size (is it a pipe?); expected a file or a block device");
    }

    private static bool IsRegular(string path) => (File.GetAttributes(path) & (FileAttributes.Device | FileAttributes.Directory)) == 0;
}

[Flags]
internal enum OpenFlags
{
    None = 0,
    Write = 1,
    Exclusive = 2,
}
