using System.CommandLine;
using DriverLab.Cli.Dm;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab dm</c>: dmsetup's command line on an emulated kernel that lives in a folder.</summary>
internal static class DmCommand
{
    public static Command Create(TextWriter output, TextWriter error)
    {
        var state = new Option<string>("--state") { Description = "The folder that the emulated kernel lives in.", DefaultValueFactory = static _ => ".driverlab-dm" };
        var kernel = new Option<string?>("--kernel") { Description = "The kernel line of a new folder, such as 6.1 (6.12)." };
        var log = new Option<bool>("--log") { Description = "Print what the kernel logs meanwhile, to the error stream." };
        var command = new Command("dm", "dmsetup on an emulated kernel: create, load, suspend, resume, remove, table, status, message, info, deps, ls --tree, targets, wait, rename, splitname. "
            + "Files of this machine in tables are its disks.")
        {
            state, kernel, log,
        };
        command.TreatUnmatchedTokensAsErrors = false;
        command.SetAction(parsed =>
        {
            var arguments = DmsetupArguments.Parse([.. parsed.UnmatchedTokens]);
            using var session = DmSession.Open(parsed.GetValue(state)!, parsed.GetValue(kernel));
            try
            {
                return new Dmsetup(session.Kernel, session.Control, session.Resolve, session.NodeName, Console.In, output, error).Run(arguments);
            }
            finally
            {
                if (parsed.GetValue(log))
                    foreach (string line in session.Log)
                        error.WriteLine(line);
                session.Save();
            }
        });
        return command;
    }
}
