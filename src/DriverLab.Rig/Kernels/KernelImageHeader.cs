using System.Buffers.Binary;
using System.Text;

namespace DriverLab.Rig.Kernels;

/// <summary>Reads the version string in the head of an x86 kernel image.</summary>
/// <remarks>Linux Documentation/arch/x86/boot.rst: magic <c>HdrS</c> at 0x202, offset of the string minus 0x200 at 0x20E.</remarks>
public static class KernelImageHeader
{
    /// <summary>The string, for example <c>6.1.0-56-cloud-amd64 (…) #1 SMP … Debian 6.1.192-2 (2026-…)</c>.</summary>
    /// <exception cref="RigUsageException">The file is no x86 kernel image.</exception>
    public static string Version(string file)
    {
        var head = new byte[64 << 10];
        int length;
        try
        {
            using var stream = File.OpenRead(file);
            length = stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RigUsageException($"kernel image {file} cannot be read: {e.Message}");
        }
        if (length < 0x210 || !head.AsSpan(0x202, 4).SequenceEqual("HdrS"u8))
            throw new RigUsageException($"{file} is no x86-64 kernel image (no boot header); expected a bzImage such as /boot/vmlinuz-*");
        int start = BinaryPrimitives.ReadUInt16LittleEndian(head.AsSpan(0x20E)) + 0x200;
        if (start >= length)
            throw new RigUsageException($"{file} is a damaged kernel image: its version string would be at offset {start}");
        var text = head.AsSpan(start, Math.Min(512, length - start));
        int end = text.IndexOf((byte)0);
        return Encoding.ASCII.GetString(end < 0 ? text : text[..end]);
    }

    /// <summary>Release and version number out of the string: Debian's tail <c>Debian 6.1.192-2</c> knows the point release that the release string hides.</summary>
    public static (string Release, Linux.KernelVersion Version) Parse(string text)
    {
        string release = text.Split(' ')[0];
        int debian = text.IndexOf(" Debian ", StringComparison.Ordinal);
        if (debian >= 0 && Linux.KernelVersion.TryParse(text.AsSpan(debian + 8), out var packaged))
            return (release, packaged);
        return Linux.KernelVersion.TryParse(release, out var version) ? (release, version) : (release, default);
    }
}
