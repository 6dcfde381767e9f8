using System.CommandLine;
using DriverLab.ThinTools;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Restore;

namespace DriverLab.Cli.Commands.Thin;

/// <summary><c>driverlab thin restore</c>.</summary>
internal static class RestoreVerb
{
    public static Command Create(TextWriter output, TextWriter error)
    {
        var input = new Option<string>("--input", "-i") { Description = "The XML of thin dump or thin_dump.", Required = true };
        var target = new Option<string>("--output", "-o") { Description = "A device, or an existing file that is large enough.", Required = true };
        var quiet = ThinOptions.Quiet();
        var transaction = ThinOptions.TransactionId();
        var blockSize = ThinOptions.DataBlockSize();
        var blockCount = ThinOptions.DataBlockCount();
        var command = new Command("restore", "Write metadata from XML. The output is overwritten; it counts as metadata only when all is written.") { input, target, quiet, transaction, blockSize, blockCount };
        command.SetAction(parsed =>
        {
            using var xml = OpenInput(parsed.GetValue(input)!);
            using var device = FileDevice.OpenWrite(parsed.GetValue(target)!);
            var overrides = new PoolOverrides { TransactionId = parsed.GetValue(transaction), DataBlockSizeSectors = parsed.GetValue(blockSize), DataBlockCount = parsed.GetValue(blockCount) };
            var warnings = MetadataRestore.Run(xml, parsed.GetValue(input)!, device, overrides);
            foreach (var warning in parsed.GetValue(quiet) ? [] : warnings)
                error.WriteLine($"driverlab: {warning}");
            if (!parsed.GetValue(quiet))
                output.WriteLine("restored");
            return 0;
        });
        return command;
    }

    private static FileStream OpenInput(string path)
    {
        try
        {
            return new(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1, FileOptions.SequentialScan);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ThinToolException($"{path} cannot be read: {e.Message}");
        }
    }
}
