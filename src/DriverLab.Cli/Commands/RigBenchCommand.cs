using System.CommandLine;
using System.Globalization;
using DriverLab.Cli.Output;
using DriverLab.Rig;
using DriverLab.Rig.Kernels;
using DriverLab.Rig.Machines;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab rig bench</c>: how fast real kernels are here.</summary>
internal static class RigBenchCommand
{
    public static Command Create(TextWriter output, TextWriter error)
    {
        var kernels = new Option<string[]>("--kernel") { Description = "A kernel line such as 6.12, or a pin; may be repeated. 6.1 when left out.", DefaultValueFactory = _ => [] };
        var matrix = new Option<string[]>("--kernels") { Description = "'all', 'cached', or a list such as 6.1,6.12.", DefaultValueFactory = _ => [] };
        var machine = MachineOption.Create();
        var json = new Option<bool>("--json") { Description = "One JSON object a line on stdout; the last one is the summary of the last kernel." };
        var own = new KernelFileOptions();
        var command = new Command("bench", "Measure boot, save, restore (median and worst of 20, to the first answered call) and a batch of calls with its trace streamed; snapshot and revert; say where the time goes.")
        {
            kernels, matrix, machine, json, own.Image, own.Modules, own.Config,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            var progress = new Progress(error);
            var rig = RealKernels.OfUser(parsed.GetValue(machine)!);
            string[] names = [.. parsed.GetValue(kernels)!, .. KernelNames.Expand(parsed.GetValue(matrix)!)];
            var entries = await own.KernelAsync(parsed, cancellation) is { } file ? [file] : await EntriesAsync(names.Length > 0 ? names : ["6.1"], rig, progress, error, cancellation);
            foreach (var entry in entries)
            {
                var numbers = await new RigBench(rig, entry, progress).RunAsync(cancellation);
                progress.Close();
                if (parsed.GetValue(json))
                    WriteJson(numbers, entry, output);
                else
                    WriteText(numbers, output);
            }
            return entries.Count == names.Length || names.Length == 0 ? ExitCode.Same : ExitCode.EnvironmentMissing;
        });
        return command;
    }

    private static async Task<List<KernelEntry>> EntriesAsync(string[] names, RealKernels rig, Progress progress, TextWriter error, CancellationToken cancellation)
    {
        var entries = new List<KernelEntry>();
        foreach (string name in names)
        {
            try
            {
                entries.Add(await rig.Kernels.GetAsync(name, progress, cancellation));
            }
            catch (KernelGoneException gone)
            {
                error.WriteLine($"driverlab: {gone.Message}");
            }
        }
        return entries;
    }

    private static void WriteText(RigNumbers n, TextWriter output)
    {
        var culture = CultureInfo.InvariantCulture;
        output.WriteLine($"kernel\t{n.Kernel}\nmachine\t{n.Machine}, {n.Accelerator.Name}: {n.Accelerator.Why}");
        output.WriteLine(string.Create(culture, $"boot\t{n.Boot:0.00} s, saved in {n.Save:0.00} s, {n.SavedMegabytes:0} MB on disk"));
        output.WriteLine(string.Create(culture, $"restore\tmedian {n.RestoreMedian:0.000} s, worst {n.RestoreWorst:0.000} s of {n.Restores.Count}, to the first answered call"));
        foreach (var (phase, seconds) in n.Phases)
            output.WriteLine(string.Create(culture, $"\t{seconds * 1000,7:0} ms  {phase}"));
        if (n.Moments.Snapshot > 0)
            output.WriteLine(string.Create(culture, $"moments\tsnapshot {n.Moments.Snapshot:0.00} s, revert {n.Moments.Revert:0.00} s, to the first answered call; medians"));
        output.WriteLine(string.Create(culture, $"batch\t{n.CallsPerSecond:0} calls/s: {n.Calls} calls in {n.BatchSeconds:0.00} s, traces streamed"));
        output.WriteLine(string.Create(culture, $"\tin the guest {n.Guest.User:0.00} s in the runner, {n.Guest.Kernel:0.00} s in the kernel (calls and port), {n.Guest.Idle:0.00} s waiting"));
        if (n.QemuCpu > 0)
            output.WriteLine(string.Create(culture, $"\tQEMU took {n.QemuCpu:0.00} s of processor time: {n.Calls / n.QemuCpu:0} calls per second of it"));
    }

    private static void WriteJson(RigNumbers n, KernelEntry entry, TextWriter output)
    {
        output.WriteLine(JsonLines.Line(w =>
        {
            w.WriteStartObject("rig");
            w.WriteString("line", entry.Line);
            w.WriteString("kernel", n.Kernel);
            w.WriteString("pin", KernelPin.Of(entry).ToString());
            w.WriteString("machine", n.Machine);
            w.WriteString("accelerator", n.Accelerator.Name);
            w.WriteString("why", n.Accelerator.Why);
            Seconds("boot_s", n.Boot);
            Seconds("save_s", n.Save);
            w.WriteNumber("saved_mb", Math.Round(n.SavedMegabytes, 1));
            w.WriteStartArray("restores_s");
            foreach (double seconds in n.Restores)
                w.WriteNumberValue(Math.Round(seconds, 4));
            w.WriteEndArray();
            w.WriteStartObject("restore_phases_s");
            foreach (var (phase, seconds) in n.Phases)
                Seconds(phase, seconds);
            w.WriteEndObject();
            Seconds("snapshot_s", n.Moments.Snapshot);
            Seconds("revert_s", n.Moments.Revert);
            w.WriteNumber("calls", n.Calls);
            Seconds("batch_s", n.BatchSeconds);
            Seconds("qemu_cpu_s", n.QemuCpu);
            Seconds("guest_user_s", n.Guest.User);
            Seconds("guest_kernel_s", n.Guest.Kernel);
            Seconds("guest_idle_s", n.Guest.Idle);
            w.WriteEndObject();

            void Seconds(string name, double value) => w.WriteNumber(name, Math.Round(value, 4));
        }));
        output.WriteLine(JsonLines.Object("summary", w =>
        {
            w.WriteString("accelerator", n.Accelerator.Name);
            w.WriteNumber("boot_s", Math.Round(n.Boot, 3));
            w.WriteNumber("restore_median_s", Math.Round(n.RestoreMedian, 3));
            w.WriteNumber("restore_worst_s", Math.Round(n.RestoreWorst, 3));
            w.WriteNumber("calls_per_s", Math.Round(n.CallsPerSecond));
        }));
    }
}
