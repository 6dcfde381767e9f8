using System.Buffers.Binary;
using System.Text;

namespace DriverLab.Rig.Images;

/// <summary>What a kernel module says about itself in its <c>.modinfo</c> section.</summary>
/// <param name="Name">Its name with underscores.</param>
/// <param name="Dependencies">Modules whose symbols it uses, in its order.</param>
/// <param name="Before">Modules that it asks for before itself without needing their symbols (<c>softdep=pre:</c>).</param>
/// <param name="Aliases">Names under which the kernel may ask for it, patterns left out.</param>
/// <remarks>Debian's packages carry no modules.dep (depmod makes it when the package is installed), so the sections are read directly.</remarks>
public sealed record ModuleInfo(string Name, IReadOnlyList<string> Dependencies, IReadOnlyList<string> Before, IReadOnlyList<string> Aliases)
{
    /// <summary>Reads a 64-bit little-endian module.</summary>
    /// <exception cref="RigException">It is none.</exception>
    public static ModuleInfo Parse(string file, ReadOnlySpan<byte> elf)
    {
        string name = Normal(Path.GetFileName(file).Split('.')[0]);
        List<string> dependencies = [], before = [], aliases = [];
        foreach (string entry in Encoding.UTF8.GetString(Section(file, elf)).Split('\0', StringSplitOptions.RemoveEmptyEntries))
        {
            if (entry.StartsWith("depends=", StringComparison.Ordinal))
                dependencies.AddRange(entry[8..].Split(',', StringSplitOptions.RemoveEmptyEntries).Select(Normal));
            else if (entry.StartsWith("softdep=pre:", StringComparison.Ordinal))
                before.AddRange(entry[12..].Split("post:")[0].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Normal));
            else if (entry.StartsWith("alias=", StringComparison.Ordinal) && entry.AsSpan(6).IndexOfAny('*', '?', '[') < 0)
                aliases.Add(Normal(entry[6..]));
        }
        return new(name, dependencies, before, aliases);
    }

    /// <summary>The kernel writes names with dashes or underscores as it likes.</summary>
    public static string Normal(string name) => name.Replace('-', '_');

    private static ReadOnlySpan<byte> Section(string file, ReadOnlySpan<byte> elf)
    {
        const int headerSize = 64, sectionSize = 64;
        if (elf.Length < headerSize || !elf[..6].SequenceEqual("\u007fELF\u0002\u0001"u8))
            throw new RigException($"{file} is no kernel module (no 64-bit ELF header)");
        long table = BinaryPrimitives.ReadInt64LittleEndian(elf[0x28..]);
        int count = BinaryPrimitives.ReadUInt16LittleEndian(elf[0x3C..]), names = BinaryPrimitives.ReadUInt16LittleEndian(elf[0x3E..]);
        if (table < headerSize || table + ((long)count * sectionSize) > elf.Length || names >= count)
            throw new RigException($"{file} is a damaged kernel module (its section table lies outside the file)");
        var nameTable = Content(elf, elf.Slice((int)table + (names * sectionSize), sectionSize));
        for (int i = 0; i < count; i++)
        {
            var section = elf.Slice((int)table + (i * sectionSize), sectionSize);
            int nameAt = BinaryPrimitives.ReadInt32LittleEndian(section);
            if (nameAt >= 0 && nameAt < nameTable.Length && nameTable[nameAt..].StartsWith(".modinfo\0"u8))
                return Content(elf, section);
        }
        return default;
    }

    private static ReadOnlySpan<byte> Content(ReadOnlySpan<byte> elf, ReadOnlySpan<byte> section)
    {
        long offset = BinaryPrimitives.ReadInt64LittleEndian(section[0x18..]), size = BinaryPrimitives.ReadInt64LittleEndian(section[0x20..]);
        return offset >= 0 && size >= 0 && offset + size <= elf.Length ? elf.Slice((int)offset, (int)size) : default;
    }
}
