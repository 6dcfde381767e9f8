using System.CommandLine;
using DriverLab.Cli.Output;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab conform</c>: scenarios on the emulator and on real kernels, compared.</summary>
internal static class ConformCommand
{
    public static Command Create(TextWriter output, TextWriter error)
    {
        var suites = new Option<string[]>("--suite") { Description = "Only this suite; may be repeated.", DefaultValueFactory = _ => [] };
        var kernels = new Option<string[]>("--kernel") { Description = "A kernel line such as 6.1 or 6.12, 'host' (root only) or 'emulated'; may be repeated. 6.1 when left out.", DefaultValueFactory = _ => [] };
        var matrix = new Option<string[]>("--kernels") { Description = "Many kernels: 'all' lines of the catalogue, 'cached' ones, or a list such as 6.1,6.12. One that cannot be had is skipped, said, and ends the run with 3.", DefaultValueFactory = _ => [] };
        var shard = new Option<string>("--shard") { Description = "Run only part I of N, such as 2/4, chosen by the scenarios' content; 'driverlab report merge' joins the parts.", DefaultValueFactory = _ => "1/1" };
        var image = new Option<string?>("--kernel-image") { Description = "A bzImage of your own." };
        var modules = new Option<string?>("--modules") { Description = "Its modules: the folder that holds 'kernel'." };
        var config = new Option<string?>("--config") { Description = "Its configuration file." };
        var machine = MachineOption.Create();
        var scenarios = new Option<string[]>("--scenario") { Description = "Only scenarios of this name, or pattern such as 'vfs/rename/*'; or one file; may be repeated.", DefaultValueFactory = _ => [] };
        var all = new Option<bool>("--all") { Description = "Slow scenarios too (some 0.15 s and more on a real kernel, 0.1 s in the suites dm and block), and those of what the emulator does not model yet. They are also run when --suite, --scenario, --kernels or --shard chooses." };
        var to = new ReportOptions();
        var data = new Option<string?>("--data") { Description = "The folder with Scenarios, Ledger and Golden." };
        var noInstall = new Option<bool>("--no-install") { Description = "Install nothing. This command never does ('./build.sh conform' may); it says what is missing and ends with 3." };
        var command = new Command("conform", "Run scenarios on the emulator and on real kernels, and compare.\n" + ExitCode.Help)
        {
            suites, kernels, matrix, shard, image, modules, config, machine, scenarios, all, data, noInstall,
        };
        to.AddTo(command);
        command.SetAction((parsed, cancellation) => RunAsync(new()
        {
            Suites = parsed.GetValue(suites)!,
            Kernels = [.. parsed.GetValue(kernels)!, .. KernelNames.Expand(parsed.GetValue(matrix)!)],
            Shard = Shard.Parse(parsed.GetValue(shard)!) ?? throw new UsageException($"--shard {parsed.GetValue(shard)} is no part; expected I/N with 1 <= I <= N, for example 2/4"),
            KernelImage = parsed.GetValue(image),
            Modules = parsed.GetValue(modules),
            Config = parsed.GetValue(config),
            Machine = parsed.GetValue(machine)!,
            Scenarios = parsed.GetValue(scenarios)!,
            IsPlain = !parsed.GetValue(all) && new[] { suites, scenarios, matrix }.All(option => parsed.GetValue(option)!.Length == 0) && parsed.GetResult(shard) is null or { Implicit: true },
            Reports = to.Of(parsed),
            Data = parsed.GetValue(data),
        }, output, error, cancellation));
        return command;
    }

    private static async Task<int> RunAsync(ConformOptions options, TextWriter output, TextWriter error, CancellationToken cancellation)
    {
        var progress = new Progress(error);
        var model = await new ConformRun(options, progress).RunAsync(cancellation);
        progress.Close();
        options.Reports.Write(model, output, error);
        return ReportFiles.Code(model);
    }
}

/// <summary>What the user asked for.</summary>
internal sealed record ConformOptions
{
    public IReadOnlyList<string> Suites { get; init; } = [];
    public IReadOnlyList<string> Kernels { get; init; } = [];
    public string? KernelImage { get; init; }
    public string? Modules { get; init; }
    public string? Config { get; init; }
    /// <summary>What runs real kernels, as <see cref="Rig.RealKernels.OfUser(string)"/> takes it.</summary>
    public string Machine { get; init; } = "qemu";
    public IReadOnlyList<string> Scenarios { get; init; } = [];
    /// <summary>Nothing was chosen: what <see cref="Conformance.Reports.ReportBuilder.IsLeftOut"/> says is only named.</summary>
    public bool IsPlain { get; init; }
    public Shard Shard { get; init; } = Shard.Whole;
    public ReportFiles Reports { get; init; } = new(false, null, null);
    public string? Data { get; init; }
}
