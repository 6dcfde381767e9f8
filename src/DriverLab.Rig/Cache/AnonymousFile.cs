using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace DriverLab.Rig.Cache;

/// <summary>A file without a name: it takes space in a folder's file system until it is closed, and is gone with this process whatever ends it. Other programs of this user open it by <see cref="Path"/>.</summary>
/// <remarks>open(2) with O_TMPFILE; proc(5) /proc/PID/fd.</remarks>
public sealed partial class AnonymousFile : IDisposable
{
    private const int ORdWr = 2, OCloExec = 0x80000, OTmpFile = 0x410000;
    private readonly SafeFileHandle handle;

    /// <summary>Makes one in the file system of a folder.</summary>
    /// <exception cref="RigException">The folder is not writable, or its file system is full.</exception>
    public AnonymousFile(string folder)
    {
        int fd = Open(folder, ORdWr | OCloExec | OTmpFile, 0x180);
        int error = Marshal.GetLastPInvokeError();
        handle = fd >= 0 ? new(fd, ownsHandle: true) : throw new RigException($"no file can be made in {folder}: {Marshal.GetPInvokeErrorMessage(error)}; free space or permissions are needed there, or choose another cache folder with DRIVERLAB_CACHE=DIR");
        Path = string.Create(CultureInfo.InvariantCulture, $"/proc/{Environment.ProcessId}/fd/{fd}");
    }

    /// <summary>Where programs of this user find it.</summary>
    public string Path { get; }

    /// <summary>The open file.</summary>
    public SafeFileHandle Handle => handle;

    /// <summary>Gives it a size; what was not written takes no space.</summary>
    public void SetLength(long bytes) => RandomAccess.SetLength(handle, bytes);

    /// <summary>Closes it: it is gone when nobody else has it open.</summary>
    public void Dispose() => handle.Dispose();

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags, uint mode);
}
