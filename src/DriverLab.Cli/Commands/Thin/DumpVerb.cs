using System.CommandLine;
using DriverLab.ThinTools;
using DriverLab.ThinTools.Dump;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Model;
using DriverLab.ThinTools.Repair;
using DriverLab.ThinTools.Restore;
using DriverLab.ThinTools.Text;
using DriverLab.ThinTools.Trees;

namespace DriverLab.Cli.Commands.Thin;

/// <summary><c>driverlab thin dump</c>.</summary>
internal static class DumpVerb
{
    public static Command Create(TextWriter output, TextWriter error)
    {
        var input = ThinOptions.Input();
        var format = new Option<string>("--format", "-f") { Description = "xml or human_readable.", DefaultValueFactory = _ => "xml" };
        var repair = new Option<bool>("--repair", "-r") { Description = "Damage is no failure: dump what can be read, from the newest roots that can be found." };
        var snapshot = ThinOptions.Snapshot("Dump");
        var snapshotBlock = ThinOptions.SnapshotBlock();
        var file = new Option<string?>("--output", "-o") { Description = "Write to this file." };
        var devices = new Option<ulong[]>("--dev-id") { Description = "Only this device; may be repeated.", DefaultValueFactory = _ => [] };
        var transaction = ThinOptions.TransactionId();
        var blockSize = ThinOptions.DataBlockSize();
        var blockCount = ThinOptions.DataBlockCount();
        var skip = new Option<bool>("--skip-mappings") { Description = "Devices without their mappings." };
        var command = new Command("dump", "Print metadata as XML, byte for byte as thin_dump does.") { input, format, repair, snapshot, snapshotBlock, file, devices, skip, transaction, blockSize, blockCount };
        command.SetAction(parsed =>
        {
            using var device = FileDevice.OpenRead(parsed.GetValue(input)!, parsed.GetValue(snapshot));
            Func<IMetadataVisitor, IReadOnlyList<Damage>> dump;
            var options = new DumpOptions { SkipMappings = parsed.GetValue(skip), Devices = parsed.GetValue(devices)! };
            if (parsed.GetValue(repair))
            {
                var overrides = new PoolOverrides { TransactionId = parsed.GetValue(transaction), DataBlockSizeSectors = parsed.GetValue(blockSize), DataBlockCount = parsed.GetValue(blockCount) };
                dump = visitor =>
                {
                    var report = MetadataRepair.Dump(device, overrides, options, visitor);
                    foreach (var note in report.Notes)
                        error.WriteLine($"driverlab: {note}");
                    return report.Lost;
                };
            }
            else
            {
                var metadata = parsed.GetValue(snapshot) ? ThinMetadata.OpenSnapshot(device, parsed.GetValue(snapshotBlock)) : ThinMetadata.Open(device);
                dump = visitor => MetadataDump.Run(metadata, options, visitor);
            }
            using var stream = ThinOptions.OpenOutput(parsed.GetValue(file), output);
            IReadOnlyList<Damage> skipped;
            switch (parsed.GetValue(format))
            {
                case "xml":
                    using (var xml = new XmlDumper(stream))
                        skipped = dump(xml);
                    break;
                case "human_readable":
                    using (var text = new HumanReadableDumper(stream))
                        skipped = dump(text);
                    break;
                default:
                    throw new ThinToolException($"--format {parsed.GetValue(format)}: expected xml or human_readable");
            }
            foreach (var damage in skipped)
                error.WriteLine($"skipped {damage.Reason}: {damage}");
            // Details without a mapping tree hold nothing to dump.
            if (skipped.All(damage => damage.Reason == DamageReason.DeviceWithoutMappings) || parsed.GetValue(repair))
                return 0;
            error.WriteLine("driverlab: the metadata is damaged and the dump is not whole; --repair takes it so");
            return ThinOptions.Failed;
        });
        return command;
    }
}
