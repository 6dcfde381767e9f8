using System.CommandLine;
using DriverLab.ThinTools;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Repair;
using DriverLab.ThinTools.Restore;

namespace DriverLab.Cli.Commands.Thin;

/// <summary><c>driverlab thin repair</c>.</summary>
internal static class RepairVerb
{
    public static Command Create(TextWriter error)
    {
        var input = new Option<string>("--input", "-i") { Description = "The damaged metadata; it is only read.", Required = true };
        var target = new Option<string>("--output", "-o") { Description = "A device, or an existing file that is large enough.", Required = true };
        var quiet = ThinOptions.Quiet();
        var transaction = ThinOptions.TransactionId();
        var blockSize = ThinOptions.DataBlockSize();
        var blockCount = ThinOptions.DataBlockCount();
        var command = new Command("repair", "Save what can be read of damaged metadata into another device or file, and say what is lost.") { input, target, quiet, transaction, blockSize, blockCount };
        command.SetAction(parsed =>
        {
            string from = parsed.GetValue(input)!, to = parsed.GetValue(target)!;
            if (Path.GetFullPath(from) == Path.GetFullPath(to))
                throw new ThinToolException($"{to} is the damaged metadata itself; repair writes to another device or file");
            using var damaged = FileDevice.OpenRead(from);
            using var device = FileDevice.OpenWrite(to);
            var report = MetadataRepair.Run(damaged, device, new() { TransactionId = parsed.GetValue(transaction), DataBlockSizeSectors = parsed.GetValue(blockSize), DataBlockCount = parsed.GetValue(blockCount) });
            foreach (var damage in parsed.GetValue(quiet) ? [] : report.Lost)
                error.WriteLine($"lost {damage.Reason}: {damage}");
            foreach (var note in parsed.GetValue(quiet) ? [] : report.Notes)
                error.WriteLine($"driverlab: {note}");
            return 0;
        });
        return command;
    }
}
