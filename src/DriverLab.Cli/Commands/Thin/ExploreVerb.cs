using System.CommandLine;
using DriverLab.ThinTools;
using DriverLab.ThinTools.Explore;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Model;

namespace DriverLab.Cli.Commands.Thin;

/// <summary><c>driverlab thin explore</c>.</summary>
internal static class ExploreVerb
{
    public static Command Create(TextWriter output, TextWriter error)
    {
        var input = ThinOptions.Input();
        var file = new Option<string?>("--output", "-o") { Description = "Write the page to this file; without it, to the standard output." };
        var snapshot = ThinOptions.Snapshot("Draw");
        var snapshotBlock = ThinOptions.SnapshotBlock();
        var command = new Command("explore", "Draw the trees as one HTML page: who shares which blocks.") { input, file, snapshot, snapshotBlock };
        command.SetAction(parsed =>
        {
            string path = parsed.GetValue(input)!;
            using var device = FileDevice.OpenRead(path, parsed.GetValue(snapshot));
            var metadata = parsed.GetValue(snapshot) ? ThinMetadata.OpenSnapshot(device, parsed.GetValue(snapshotBlock)) : ThinMetadata.Open(device);
            string page = ExplorePage.Draw(metadata, $"Thin pool metadata: {Path.GetFileName(path)}");
            if (parsed.GetValue(file) is not { } to)
            {
                output.Write(page);
                return 0;
            }
            try
            {
                File.WriteAllText(to, page);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new ThinToolException($"{to} cannot be written: {e.Message}");
            }
            error.WriteLine($"driverlab: {to}");
            return 0;
        });
        return command;
    }
}
