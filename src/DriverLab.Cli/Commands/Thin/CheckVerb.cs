using System.CommandLine;
using DriverLab.Cli.Output;
using DriverLab.ThinTools;
using DriverLab.ThinTools.Check;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Trees;

namespace DriverLab.Cli.Commands.Thin;

/// <summary><c>driverlab thin check</c>.</summary>
internal static class CheckVerb
{
    private const int MostShown = 100;

    public static Command Create(TextWriter output, TextWriter error)
    {
        var input = ThinOptions.Input();
        var quiet = ThinOptions.Quiet();
        var json = ThinOptions.Json();
        var snapshot = ThinOptions.Snapshot("Check");
        var snapshotBlock = ThinOptions.SnapshotBlock();
        var superblock = new Option<bool>("--super-block-only") { Description = "Check only the superblock." };
        var skip = new Option<bool>("--skip-mappings") { Description = "Check the devices, not their mappings; then reference counts are not checked either." };
        var ignore = new Option<bool>("--ignore-non-fatal-errors") { Description = "Leaked blocks are no failure." };
        var clear = new Option<bool>("--clear-needs-check-flag") { Description = "Clear the needs_check flag when nothing is wrong." };
        var repair = new Option<bool>("--auto-repair") { Description = "Give leaked blocks back and clear the needs_check flag, when nothing worse is wrong." };
        var mappingRoot = new Option<ulong?>("--override-mapping-root") { Description = "Use this block as the root of the mapping tree." };
        var detailsRoot = new Option<ulong?>("--override-details-root") { Description = "Use this block as the root of the details tree." };
        var command = new Command("check", "Check metadata: every block, every mapping, every reference count.") { input, quiet, json, snapshot, snapshotBlock, superblock, skip, ignore, clear, repair, mappingRoot, detailsRoot };
        command.SetAction(parsed =>
        {
            var options = new CheckOptions
            {
                SuperblockOnly = parsed.GetValue(superblock),
                SkipMappings = parsed.GetValue(skip),
                MetadataSnapshot = parsed.GetValue(snapshot),
                MappingRoot = parsed.GetValue(mappingRoot),
                DetailsRoot = parsed.GetValue(detailsRoot),
            };
            var fixes = new Fixes(parsed.GetValue(clear) || parsed.GetValue(repair), parsed.GetValue(repair), parsed.GetValue(ignore));
            if (fixes.ClearFlag && (options.SuperblockOnly || options.SkipMappings || options.MetadataSnapshot || options.MappingRoot is not null || options.DetailsRoot is not null || fixes.IgnoreLeaks))
                throw new ThinToolException("--clear-needs-check-flag and --auto-repair need a whole check: leave out --super-block-only, --skip-mappings, --metadata-snap, --override-… and --ignore-non-fatal-errors");
            return Run(parsed.GetValue(input)!, options, fixes, parsed.GetValue(quiet) ? null : parsed.GetValue(json) ? new JsonReport(output) : new TextReport(output, error));
        });
        return command;
    }

    private static int Run(string path, CheckOptions options, Fixes fixes, ICheckPrinter? printer)
    {
        CheckReport report;
        try
        {
            using (var device = FileDevice.OpenRead(path, options.MetadataSnapshot))
                report = MetadataCheck.Run(device, options);
        }
        catch (ThinToolException) when (printer is null)
        {
            return ThinOptions.Failed;
        }
        bool ok = report.Worst is null or Severity.Note || (report.Worst is Severity.Leak && (fixes.IgnoreLeaks || fixes.Leaks));
        var done = new List<string>();
        if (ok && fixes.ClearFlag && (report.NeedsCheck || report.Worst is Severity.Leak))
        {
            using var device = FileDevice.OpenWrite(path);
            if (report.Worst is Severity.Leak)
            {
                MetadataFix.Leaks(device);
                done.Add("leaked blocks were given back");
            }
            if (MetadataFix.ClearNeedsCheck(device))
                done.Add("the needs_check flag was cleared");
        }
        printer?.Print(report, done, ok);
        return ok ? 0 : ThinOptions.Failed;
    }

    private sealed record Fixes(bool ClearFlag, bool Leaks, bool IgnoreLeaks);

    private interface ICheckPrinter
    {
        void Print(CheckReport report, IReadOnlyList<string> done, bool ok);
    }

    private sealed class TextReport(TextWriter output, TextWriter error) : ICheckPrinter
    {
        public void Print(CheckReport report, IReadOnlyList<string> done, bool ok)
        {
            output.WriteLine($"TRANSACTION_ID={report.TransactionId}");
            output.WriteLine($"METADATA_FREE_BLOCKS={report.MetadataFreeBlocks}");
            foreach (var damage in report.Damages.OrderByDescending(damage => damage.Severity).Take(MostShown))
                output.WriteLine($"{damage.Severity.ToString().ToLowerInvariant()} {damage.Reason}: {damage}");
            if (report.Damages.Count > MostShown)
                output.WriteLine($"… and {report.Damages.Count - MostShown} more; --json shows all");
            foreach (var sentence in done)
                output.WriteLine(sentence);
            if (report.NeedsCheck && !done.Any(sentence => sentence.Contains("needs_check", StringComparison.Ordinal)))
                output.WriteLine("the needs_check flag is set: kernels write to this pool only after --clear-needs-check-flag");
            error.WriteLine((ok ? "nothing is wrong" : report.Worst is Severity.Leak ? "blocks are leaked; --auto-repair gives them back" : "the metadata is damaged; driverlab thin repair saves what can be saved into another device")
                + (report.Mappings is { } mappings ? $": {report.DeviceCount} devices, {mappings} mappings, {report.MetadataBlocksInUse} metadata blocks" : ""));
        }
    }

    private sealed class JsonReport(TextWriter output) : ICheckPrinter
    {
        public void Print(CheckReport report, IReadOnlyList<string> done, bool ok)
        {
            foreach (var damage in report.Damages)
            {
                output.WriteLine(JsonLines.Object("damage", w =>
                {
                    w.WriteString("reason", damage.Reason.ToString());
                    w.WriteString("severity", damage.Severity.ToString().ToLowerInvariant());
                    w.WriteNumber("block", damage.Block);
                    w.WriteString("path", damage.Path);
                    w.WriteString("text", damage.Text);
                    if (damage.LostFrom is { } from)
                        w.WriteNumber("lost_from", from);
                    if (damage.LostTo is { } to)
                        w.WriteNumber("lost_to", to);
                }));
            }
            output.WriteLine(JsonLines.Object("summary", w =>
            {
                w.WriteBoolean("ok", ok);
                w.WriteNumber("transaction_id", report.TransactionId);
                w.WriteNumber("metadata_free_blocks", report.MetadataFreeBlocks);
                w.WriteBoolean("needs_check", report.NeedsCheck);
                w.WriteNumber("devices", report.DeviceCount);
                if (report.Mappings is { } mappings)
                    w.WriteNumber("mappings", mappings);
                if (report.MetadataBlocksInUse is { } blocks)
                    w.WriteNumber("metadata_blocks", blocks);
                foreach (var severity in Enum.GetValues<Severity>())
                    w.WriteNumber(severity.ToString().ToLowerInvariant(), report.Damages.Count(damage => damage.Severity == severity));
                w.WriteStartArray("done");
                foreach (var sentence in done)
                    w.WriteStringValue(sentence);
                w.WriteEndArray();
            }));
        }
    }
}
