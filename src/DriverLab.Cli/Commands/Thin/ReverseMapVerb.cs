using System.CommandLine;
using DriverLab.ThinTools;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Model;
using DriverLab.ThinTools.Report;

namespace DriverLab.Cli.Commands.Thin;

/// <summary><c>driverlab thin rmap</c>.</summary>
internal static class ReverseMapVerb
{
    public static Command Create(TextWriter output)
    {
        var input = ThinOptions.Input();
        var region = new Option<string[]>("--region") { Description = "Data blocks BEGIN..END, the end not included; may be repeated.", Required = true };
        var command = new Command("rmap", "Which thin blocks are mapped to a range of data blocks.") { input, region };
        command.SetAction(parsed =>
        {
            var regions = parsed.GetValue(region)!.Select(Region).ToList();
            using var device = FileDevice.OpenRead(parsed.GetValue(input)!);
            foreach (var run in ReverseMap.Run(ThinMetadata.Open(device), regions))
                output.Write($"data {run.DataBegin}..{run.DataBegin + run.Length} -> thin({run.Device}) {run.ThinBegin}..{run.ThinBegin + run.Length}\n");
            return 0;
        });
        return command;
    }

    private static (ulong Begin, ulong End) Region(string text) =>
        text.Split("..") is [var begin, var end] && ulong.TryParse(begin, out ulong from) && ulong.TryParse(end, out ulong to) && from < to
            ? (from, to)
            : throw new ThinToolException($"--region {text}: expected two data blocks such as 5..45, the second one larger");
}
