using System.CommandLine;
using DriverLab.ThinTools;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Model;
using DriverLab.ThinTools.Report;

namespace DriverLab.Cli.Commands.Thin;

/// <summary><c>driverlab thin ls</c>.</summary>
internal static class ListVerb
{
    private const ulong SectorBytes = 512;
    private static readonly string[] s_suffixes = ["", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

    /// <summary>Fields by name: what of a device, given the block size in bytes.</summary>
    private static readonly Dictionary<string, Func<DeviceUsage, ulong, string>> s_fields = new()
    {
        ["DEV"] = (u, _) => u.Description.Id.ToString(),
        ["MAPPED_BLOCKS"] = (u, _) => u.Description.MappedBlocks.ToString(),
        ["EXCLUSIVE_BLOCKS"] = (u, _) => u.ExclusiveBlocks.ToString(),
        ["SHARED_BLOCKS"] = (u, _) => u.SharedBlocks.ToString(),
        ["MAPPED_SECTORS"] = (u, size) => (u.Description.MappedBlocks * size / SectorBytes).ToString(),
        ["EXCLUSIVE_SECTORS"] = (u, size) => (u.ExclusiveBlocks * size / SectorBytes).ToString(),
        ["SHARED_SECTORS"] = (u, size) => (u.SharedBlocks * size / SectorBytes).ToString(),
        ["MAPPED_BYTES"] = (u, size) => (u.Description.MappedBlocks * size).ToString(),
        ["EXCLUSIVE_BYTES"] = (u, size) => (u.ExclusiveBlocks * size).ToString(),
        ["SHARED_BYTES"] = (u, size) => (u.SharedBlocks * size).ToString(),
        ["MAPPED"] = (u, size) => Human(u.Description.MappedBlocks * size),
        ["EXCLUSIVE"] = (u, size) => Human(u.ExclusiveBlocks * size),
        ["SHARED"] = (u, size) => Human(u.SharedBlocks * size),
        ["TRANSACTION"] = (u, _) => u.Description.TransactionId.ToString(),
        ["CREATE_TIME"] = (u, _) => u.Description.CreationTime.ToString(),
        ["SNAP_TIME"] = (u, _) => u.Description.SnapshotTime.ToString(),
    };

    public static Command Create(TextWriter output)
    {
        var input = ThinOptions.Input();
        var format = new Option<string>("--format", "-o") { Description = "Fields, separated by commas: " + string.Join(", ", s_fields.Keys), DefaultValueFactory = _ => "DEV,MAPPED,CREATE_TIME,SNAP_TIME" };
        var noHeaders = new Option<bool>("--no-headers") { Description = "Without the line of names." };
        var snapshot = ThinOptions.Snapshot("List");
        var command = new Command("ls", "List thin devices: how much they map, how much of it they share.") { input, format, noHeaders, snapshot };
        command.SetAction(parsed =>
        {
            string[] names = parsed.GetValue(format)!.Split(',');
            if (names.FirstOrDefault(name => !s_fields.ContainsKey(name)) is { } unknown)
                throw new ThinToolException($"--format: there is no field '{unknown}'; expected some of {string.Join(", ", s_fields.Keys)}");
            using var device = FileDevice.OpenRead(parsed.GetValue(input)!, parsed.GetValue(snapshot));
            var metadata = parsed.GetValue(snapshot) ? ThinMetadata.OpenSnapshot(device) : ThinMetadata.Open(device);
            ulong blockBytes = metadata.Superblock.DataBlockSizeSectors.Value * SectorBytes;
            var rows = Usage(metadata, device, names).Select(usage => names.Select(name => s_fields[name](usage, blockBytes)).ToArray()).ToList();
            if (!parsed.GetValue(noHeaders))
                rows.Insert(0, names);
            Print(rows, names.Length, output);
            return 0;
        });
        return command;
    }

    /// <summary>Counting what is shared means reading every mapping; without those fields the details are enough.</summary>
    private static IReadOnlyList<DeviceUsage> Usage(ThinMetadata metadata, FileDevice device, string[] names) =>
        names.Any(name => name.Contains("EXCLUSIVE", StringComparison.Ordinal) || name.Contains("SHARED", StringComparison.Ordinal))
            ? DeviceUsage.Count(metadata, ThinMetadata.Open(device).Pool.DataBlockCount)
            : DeviceUsage.FromDetails(metadata);

    private static void Print(List<string[]> rows, int columns, TextWriter output)
    {
        var widths = Enumerable.Range(0, columns).Select(i => rows.Max(row => row[i].Length)).ToArray();
        foreach (var row in rows)
            output.Write(string.Concat(row.Select((cell, i) => cell.PadLeft(widths[i]) + " ")) + "\n");
    }

    /// <summary>At most four digits, rounded: 8192KiB, then 8MiB.</summary>
    private static string Human(ulong bytes)
    {
        int unit = 0;
        while (bytes > 8192)
        {
            bytes = (bytes + 512) / 1024;
            unit++;
        }
        return bytes + s_suffixes[unit];
    }
}
