using System.Globalization;
using System.Text;
using DriverLab.Linux;

namespace DriverLab.StorageDrivers.DeviceMapper;

/// <summary>What a new ext4 is like; the defaults are those of mke2fs.</summary>
internal sealed record Ext4Options
{
    /// <summary>Bytes of the device for each inode.</summary>
    public long BytesPerInode { get; init; } = 16384;

    /// <summary>Share of the blocks that is kept for the superuser, in percent.</summary>
    public int ReservedPercent { get; init; } = 5;

    /// <summary>False makes a file system without a journal.</summary>
    public bool HasJournal { get; init; } = true;

    /// <summary>The label, 16 bytes of UTF-8 at the most.</summary>
    public string Label { get; init; } = "";

    /// <summary>Reads words of mke2fs: <c>-i BYTES</c>, <c>-m PERCENT</c>, <c>-L LABEL</c>, <c>-O ^has_journal</c>.</summary>
    /// <returns>EINVAL: another word, a value that is none.</returns>
    public static DriverResult<Ext4Options> Parse(IEnumerable<string> arguments)
    {
        var options = new Ext4Options();
        string[] words = string.Join(' ', arguments).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        for (int i = 0; i < words.Length; i += 2)
        {
            string value = i + 1 < words.Length ? words[i + 1] : "";
            switch (words[i])
            {
                case "-i" when long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out long bytes) && bytes is >= 4096 and <= 1L << 26:
                    options = options with { BytesPerInode = bytes };
                    break;
                case "-m" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int percent) && percent <= 50:
                    options = options with { ReservedPercent = percent };
                    break;
                case "-L" when Encoding.UTF8.GetByteCount(value) is > 0 and <= 16:
                    options = options with { Label = value };
                    break;
                case "-O" when value == "^has_journal":
                    options = options with { HasJournal = false };
                    break;
                default:
                    return new DriverError("option", $"dm.mkfsarg={words[i]} {value}".TrimEnd(), Errno.EINVAL, "an ext4 is made with -i BYTES, -m PERCENT, -L LABEL and -O ^has_journal");
            }
        }
        return options;
    }
}
