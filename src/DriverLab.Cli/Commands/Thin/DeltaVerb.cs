using System.CommandLine;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Model;
using DriverLab.ThinTools.Report;

namespace DriverLab.Cli.Commands.Thin;

/// <summary><c>driverlab thin delta</c>.</summary>
internal static class DeltaVerb
{
    public static Command Create(TextWriter output)
    {
        var input = ThinOptions.Input();
        var left = new Option<ulong>("--thin1", "--snap1") { Description = "The left device.", Required = true };
        var right = new Option<ulong>("--thin2", "--snap2") { Description = "The right device.", Required = true };
        var verbose = new Option<bool>("--verbose") { Description = "With the data blocks of each range." };
        var snapshot = ThinOptions.Snapshot("Compare in");
        var snapshotBlock = ThinOptions.SnapshotBlock();
        var command = new Command("delta", "Compare two thin devices: what is the same, different, or mapped in one only.") { input, left, right, verbose, snapshot, snapshotBlock };
        command.SetAction(parsed =>
        {
            using var device = FileDevice.OpenRead(parsed.GetValue(input)!, parsed.GetValue(snapshot));
            var metadata = parsed.GetValue(snapshot) ? ThinMetadata.OpenSnapshot(device, parsed.GetValue(snapshotBlock)) : ThinMetadata.Open(device);
            ulong thin1 = parsed.GetValue(left), thin2 = parsed.GetValue(right);
            var ranges = MetadataDelta.Run(metadata, thin1, thin2);
            using var stream = ThinOptions.OpenOutput(null, output);
            MetadataDelta.Write(stream, metadata.Pool, thin1, thin2, ranges, parsed.GetValue(verbose));
            return 0;
        });
        return command;
    }
}
