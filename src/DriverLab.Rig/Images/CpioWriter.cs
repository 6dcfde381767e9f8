using System.Globalization;
using System.Text;

namespace DriverLab.Rig.Images;

/// <summary>Writes an initramfs archive in the <c>newc</c> format. The same entries give the same bytes: no times, owner 0, numbers by order.</summary>
/// <remarks>Linux Documentation/driver-api/early-userspace/buffer-format.rst.</remarks>
public sealed class CpioWriter(Stream stream)
{
    private const uint Directory = 0x4000, Regular = 0x8000, SymbolicLink = 0xA000;
    private readonly HashSet<string> directories = [""];
    private int number;
    private long written;

    /// <summary>Adds a folder and the folders above it that are not there yet.</summary>
    public void AddDirectory(string path, uint mode = 0x1ED)
    {
        path = path.Trim('/');
        if (directories.Contains(path))
            return;
        AddParents(path);
        _ = directories.Add(path);
        Header(path, Directory | mode, 0);
    }

    /// <summary>Adds a file.</summary>
    public void AddFile(string path, ReadOnlySpan<byte> content, uint mode)
    {
        path = path.Trim('/');
        AddParents(path);
        Header(path, Regular | mode, content.Length);
        Write(content);
        Pad();
    }

    /// <summary>Adds a symbolic link.</summary>
    public void AddLink(string path, string target)
    {
        path = path.Trim('/');
        AddParents(path);
        byte[] text = Encoding.UTF8.GetBytes(target);
        Header(path, SymbolicLink | 0x1FF, text.Length);
        Write(text);
        Pad();
    }

    /// <summary>Ends the archive.</summary>
    public void Finish()
    {
        number = -1;
        Header("TRAILER!!!", 0, 0);
        // Round up to a block of 512 bytes, as cpio does.
        Write(new byte[(int)(-written & 511)]);
    }

    private void AddParents(string path)
    {
        int slash = path.LastIndexOf('/');
        if (slash > 0)
            AddDirectory(path[..slash]);
    }

    private void Header(string path, uint mode, long size)
    {
        byte[] name = Encoding.UTF8.GetBytes(path + "\0");
        number++;
        uint links = (mode & Directory) != 0 && (mode & Regular) == 0 ? 2u : 1u;
        Span<uint> fields = [(uint)number, mode, 0, 0, links, 0, checked((uint)size), 0, 0, 0, 0, (uint)name.Length, 0];
        var text = new StringBuilder("070701");
        foreach (uint field in fields)
            _ = text.Append(field.ToString("X8", CultureInfo.InvariantCulture));
        Write(Encoding.ASCII.GetBytes(text.ToString()));
        Write(name);
        Pad();
    }

    private void Pad() => Write(new byte[(int)(-written & 3)]);

    private void Write(ReadOnlySpan<byte> bytes)
    {
        stream.Write(bytes);
        written += bytes.Length;
    }
}
