using System.CommandLine;
using DriverLab.Block.Faults;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab fault</c>: plans of faults, checked, and as device-mapper tables for a real kernel.</summary>
internal static class FaultCommand
{
    private const string Form = """
        A plan has one fault a line (or between semicolons): OP KIND [KEY=VALUE…]
          OP    io, read, write, flush, discard, zero
          KIND  fails ERROR, or for writes: lost (acknowledged, not made), torn (the first sectors are made), astray (made elsewhere)
          KEYS  zone=START+COUNT in sectors; nth=N the N-th request in it, once; count=N that many; up=Ns down=Ns in turn;
                torn: keep=SECTORS as=ERROR; astray: by=SECTORS
        Where plans are taken: driverlab serve nbd --fault NAME=PLAN, 'faults:' of an emulated device in a lab, FaultyDisk in C#.
        """;

    public static Command Create(TextWriter output)
    {
        var plan = new Argument<string>("plan") { Description = "The plan, or @FILE." };
        var device = new Option<string>("--device") { Description = "The device below, as a table names it.", DefaultValueFactory = _ => "/dev/loop0" };
        var sectors = new Option<long>("--sectors") { Description = "Its size in sectors of 512 bytes.", Required = true };
        var table = new Command("table", "Print the device-mapper table with the same faults, for dmsetup on a real kernel; what no target does is refused.") { plan, device, sectors };
        table.SetAction(parsed =>
        {
            if (parsed.GetValue(sectors) <= 0)
                throw new UsageException($"--sectors {parsed.GetValue(sectors)}: expected 1 or more");
            try
            {
                output.Write(FaultTable.Of(Read(parsed.GetValue(plan)!), parsed.GetValue(device)!, parsed.GetValue(sectors)));
            }
            catch (FaultPlanException e)
            {
                throw new UsageException(e.Message);
            }
            return ExitCode.Same;
        });
        var check = new Command("check", "Read a plan and print it as it is understood.") { plan };
        check.SetAction(parsed =>
        {
            foreach (var fault in Read(parsed.GetValue(plan)!).Faults)
                output.WriteLine(fault);
            return ExitCode.Same;
        });
        return new("fault", "Faults of disks.\n" + Form) { check, table };
    }

    public static FaultPlan Parse(string text)
    {
        try
        {
            return FaultPlan.Parse(text);
        }
        catch (FaultPlanException e)
        {
            throw new UsageException(e.Message);
        }
    }

    private static FaultPlan Read(string text)
    {
        if (!text.StartsWith('@'))
            return Parse(text);
        try
        {
            return Parse(File.ReadAllText(text[1..]));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"plan {text}: {e.Message}");
        }
    }
}
