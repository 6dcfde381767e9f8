using System.Buffers.Binary;
using System.Text;

namespace DriverLab.Rig.Images.Tools;

/// <summary>What a 64-bit little-endian ELF program or library asks for.</summary>
/// <remarks>elf(5): program headers PT_INTERP, PT_DYNAMIC and PT_LOAD; dynamic entries DT_NEEDED and DT_STRTAB.</remarks>
internal static class ElfFile
{
    private const int Load = 1, Dynamic = 2, Interpreter = 3, ProgramHeaderSize = 56;
    private const long Needed = 1, StringTable = 5;

    /// <summary>Names of the libraries that it needs, and the path of its loader; nothing for a file that is no ELF file.</summary>
    public static (IReadOnlyList<string> Needed, string? Loader) Read(ReadOnlySpan<byte> file)
    {
        if (file.Length < 64 || !file[..6].SequenceEqual("\u007fELF\u0002\u0001"u8))
            return ([], null);
        var headers = file[(int)BinaryPrimitives.ReadInt64LittleEndian(file[0x20..])..];
        int count = BinaryPrimitives.ReadUInt16LittleEndian(file[0x38..]);
        string? loader = null;
        ReadOnlySpan<byte> entries = default;
        for (int i = 0; i < count; i++)
        {
            var header = headers.Slice(i * ProgramHeaderSize, ProgramHeaderSize);
            int type = BinaryPrimitives.ReadInt32LittleEndian(header);
            var content = file.Slice((int)BinaryPrimitives.ReadInt64LittleEndian(header[8..]), type is Dynamic or Interpreter ? (int)BinaryPrimitives.ReadInt64LittleEndian(header[32..]) : 0);
            if (type == Dynamic)
                entries = content;
            else if (type == Interpreter)
                loader = Text(content, 0);
        }
        List<long> names = [];
        long table = 0;
        for (; entries.Length >= 16; entries = entries[16..])
        {
            long tag = BinaryPrimitives.ReadInt64LittleEndian(entries), value = BinaryPrimitives.ReadInt64LittleEndian(entries[8..]);
            if (tag == Needed)
                names.Add(value);
            else if (tag == StringTable)
                table = value;
        }
        if (names.Count == 0)
            return ([], loader);
        var strings = file[(int)OffsetOf(headers, count, table)..];
        var needed = new List<string>();
        foreach (long name in names)
            needed.Add(Text(strings, (int)name));
        return (needed, loader);
    }

    private static long OffsetOf(ReadOnlySpan<byte> headers, int count, long address)
    {
        for (int i = 0; i < count; i++)
        {
            var header = headers.Slice(i * ProgramHeaderSize, ProgramHeaderSize);
            long start = BinaryPrimitives.ReadInt64LittleEndian(header[16..]), size = BinaryPrimitives.ReadInt64LittleEndian(header[32..]);
            if (BinaryPrimitives.ReadInt32LittleEndian(header) == Load && address >= start && address < start + size)
                return address - start + BinaryPrimitives.ReadInt64LittleEndian(header[8..]);
        }
        throw new RigException($"an ELF file has its string table at {address:x}, which no part of it covers");
    }

    private static string Text(ReadOnlySpan<byte> bytes, int at)
    {
        bytes = bytes[at..];
        int end = bytes.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? bytes : bytes[..end]);
    }
}
