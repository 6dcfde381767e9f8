using System.CommandLine;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Report;

namespace DriverLab.Cli.Commands.Thin;

/// <summary><c>driverlab thin trim</c>.</summary>
internal static class TrimVerb
{
    public static Command Create(TextWriter output)
    {
        var metadata = new Option<string>("--metadata-dev") { Description = "The pool's metadata, device or file.", Required = true };
        var data = new Option<string>("--data-dev") { Description = "The pool's data: a block device, whose free blocks are discarded, or a file, which gets holes.", Required = true };
        var command = new Command("trim", "Discard the data blocks that nothing is mapped to. The pool must not be active.") { metadata, data };
        command.SetAction(parsed =>
        {
            using var device = FileDevice.OpenRead(parsed.GetValue(metadata)!);
            output.WriteLine($"{DataTrim.Run(device, parsed.GetValue(data)!)} bytes given back");
            return 0;
        });
        return command;
    }
}
