using System.CommandLine;
using System.Text;
using DriverLab.Cli.Output;
using DriverLab.Rig;
using DriverLab.Rig.Images;
using DriverLab.Rig.Images.Tools;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab rig exec|bench</c>: a command as root on a real kernel, in a machine that exists for that command only.</summary>
internal static class RigCommand
{
    public static Command Create(TextWriter output, TextWriter error) => new("rig", "Machines with real kernels.") { Exec(output, error), RigBenchCommand.Create(output, error) };

    private static Command Exec(TextWriter output, TextWriter error)
    {
        var kernel = new Option<string>("--kernel") { Description = "A kernel line such as 6.12, or a pinned version such as 6.12=6.12.117-1.", DefaultValueFactory = _ => "6.1" };
        var own = new KernelFileOptions();
        var files = new Option<string[]>("--file") { Description = "HOSTFILE or HOSTFILE:/GUEST/PATH: put a file into the machine (into /root when no path is given); may be repeated.", DefaultValueFactory = _ => [] };
        var tools = new Option<string[]>("--tool") { Description = $"Programs that the machine has beside busybox: {string.Join(", ", ToolSet.All.Select(set => set.Name))}; may be repeated.", DefaultValueFactory = _ => [] };
        var memory = new Option<int>("--memory") { Description = "Memory in MiB.", DefaultValueFactory = _ => 512 };
        var machine = MachineOption.Create();
        var console = new Option<bool>("--console") { Description = "Afterwards show the machine's console on stderr." };
        var words = new Argument<string[]>("command") { Description = "The command, after --. For example: -- sh -c 'dmsetup targets'", Arity = ArgumentArity.OneOrMore };
        var command = new Command("exec", "Boot a kernel, run one command in it as root, end with its exit status. Output and errors of the command go to stdout.")
        {
            kernel, own.Image, own.Modules, own.Config, files, tools, memory, machine, console, words,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            var progress = new Progress(error);
            var rig = RealKernels.OfUser(parsed.GetValue(machine)!);
            var entry = await own.KernelAsync(parsed, cancellation) ?? await rig.Kernels.GetAsync(parsed.GetValue(kernel)!, progress, cancellation);
            var options = await rig.PrepareAsync(entry, new ImageRecipe { Files = [.. parsed.GetValue(files)!.Select(ImageFileOf)], Tools = [.. parsed.GetValue(tools)!] }, progress, cancellation);
            await using var running = await rig.StartAsync(options with { MemoryMiB = parsed.GetValue(memory) }, progress, cancellation);
            // The command's bytes as they are where stdout is ours: it may print an image.
            await using var raw = ReferenceEquals(output, Console.Out) ? Console.OpenStandardOutput() : null;
            var decoder = Encoding.UTF8.GetDecoder();
            int status = await running.ExecAsync(parsed.GetValue(words)!, bytes =>
            {
                if (raw is null)
                    Print(output, decoder, bytes);
                else
                    raw.Write(bytes);
            }, cancellation);
            if (parsed.GetValue(console))
                error.Write(running.Console);
            return status;
        });
        return command;
    }

    private static void Print(TextWriter output, Decoder decoder, ReadOnlySpan<byte> bytes)
    {
        var text = new char[bytes.Length + 1];
        output.Write(text, 0, decoder.GetChars(bytes, text, flush: false));
        output.Flush();
    }

    private static ImageFile ImageFileOf(string text)
    {
        int colon = text.IndexOf(":/", StringComparison.Ordinal);
        string source = colon < 0 ? text : text[..colon];
        if (!File.Exists(source))
            throw new UsageException($"--file {text}: {source} does not exist; expected HOSTFILE or HOSTFILE:/GUEST/PATH");
        uint mode = OperatingSystem.IsLinux() ? (uint)File.GetUnixFileMode(source) : 0x1A4;
        return new(colon < 0 ? "/root/" + Path.GetFileName(source) : text[(colon + 1)..], Path.GetFullPath(source), mode);
    }
}
