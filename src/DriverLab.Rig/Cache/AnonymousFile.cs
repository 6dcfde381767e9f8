using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace DriverLab.Rig.Cache;

/// <summary>A file without a name: it takes space in a folder's file system until it is closed, and is gone with this process whatever ends it. Other programs of this user open it by <see cref="Path"/>.</summary>
/// <remarks>open(2) with O_TMPFILE; memfd_create(2); proc(5) /proc/PID/fd.</remarks>
public sealed partial class AnonymousFile : IDisposable
{
    private const int ORdWr = 2, OCloExec = 0x80000, OTmpFile = 0x410000, SeekData = 3, SeekHole = 4;
    private readonly SafeFileHandle handle;

    /// <summary>Makes one in the file system of a folder.</summary>
    /// <exception cref="RigException">The folder is not writable, or its file system is full.</exception>
    public AnonymousFile(string folder)
    {
        int fd = Open(folder, ORdWr | OCloExec | OTmpFile, 0x180);
        int error = Marshal.GetLastPInvokeError();
        handle = fd >= 0 ? new(fd, ownsHandle: true) : throw new RigException($"no file can be made in {folder}: {Marshal.GetPInvokeErrorMessage(error)}; free space or permissions are needed there, or choose another cache folder with DRIVERLAB_CACHE=DIR");
        Path = PathOf(fd);
    }

    private AnonymousFile(int fd) => (handle, Path) = (new(fd, ownsHandle: true), PathOf(fd));

    /// <summary>Makes one that lives in memory.</summary>
    /// <exception cref="RigException">The kernel has no memory or no descriptor left.</exception>
    public static AnonymousFile InMemory(string name, long bytes)
    {
        const uint closeOnExec = 1;
        int fd = MemFdCreate(name, closeOnExec);
        if (fd < 0)
            throw new RigException($"no file can be made in memory: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        var file = new AnonymousFile(fd);
        file.SetLength(bytes);
        return file;
    }

    private static string PathOf(int fd) => string.Create(CultureInfo.InvariantCulture, $"/proc/{Environment.ProcessId}/fd/{fd}");

    /// <summary>Where programs of this user find it.</summary>
    public string Path { get; }

    /// <summary>The open file.</summary>
    public SafeFileHandle Handle => handle;

    /// <summary>Gives it a size; what was not written takes no space.</summary>
    public void SetLength(long bytes) => RandomAccess.SetLength(handle, bytes);

    /// <summary>Makes this empty file the copy of another; holes stay holes.</summary>
    /// <exception cref="IOException">No space is left, or the source was cut meanwhile.</exception>
    public void CopyFrom(SafeFileHandle source)
    {
        long length = RandomAccess.GetLength(source);
        SetLength(length);
        var buffer = new byte[256 << 10];
        for (long at = 0; at < length && (at = Seek(source, at, SeekData)) >= 0;)
        {
            for (long end = Seek(source, at, SeekHole); at < end;)
            {
                int read = RandomAccess.Read(source, buffer.AsSpan(0, (int)Math.Min(buffer.Length, end - at)), at);
                if (read == 0)
                    throw new EndOfStreamException($"the file ends at {at}, and was to be {length} bytes: somebody cut it while it was copied");
                RandomAccess.Write(handle, buffer.AsSpan(0, read), at);
                at += read;
            }
        }
    }

    /// <summary>Closes it: it is gone when nobody else has it open.</summary>
    public void Dispose() => handle.Dispose();

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "memfd_create", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MemFdCreate(string name, uint flags);

    /// <summary>lseek(2); -1 where nothing is left to find.</summary>
    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    private static partial long Seek(SafeFileHandle file, long offset, int whence);
}
