using System.CommandLine;
using System.Globalization;
using DriverLab.Cli.Output;
using DriverLab.Rig;
using DriverLab.Rig.Cache;
using DriverLab.Rig.Kernels;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab kernel list|fetch|show|prune</c>.</summary>
internal static class KernelCommand
{
    public static Command Create(TextWriter output, TextWriter error) =>
        new("kernel", "Real kernels: which there are, fetching them into the cache, what they are, freeing the cache.") { List(output), Fetch(output, error), Show(output, error), Prune(output, error) };

    private static Command List(TextWriter output)
    {
        var json = new Option<bool>("--json") { Description = "One JSON object a line, the last one a summary." };
        var pins = new Option<bool>("--pins") { Description = "Only what is cached, each as LINE=VERSION@DIGEST: these words name the very same bytes for --kernel." };
        var command = new Command("list", "The kernel lines that can be asked for, and what the cache holds. No network is used.") { json, pins };
        command.SetAction(async (parsed, cancellation) =>
        {
            var kernels = RealKernels.OfUser();
            if (parsed.GetValue(pins))
                await Pins(kernels, output, cancellation);
            else if (parsed.GetValue(json))
                ListJson(kernels, output);
            else
                ListText(kernels, output);
        });
        return command;
    }

    private static void ListText(RealKernels kernels, TextWriter output)
    {
        var cached = kernels.Kernels.Cached().ToLookup(c => c.Line);
        foreach (var line in kernels.Catalogue.Lines)
            output.WriteLine($"{line.Line}\t{(cached[line.Line].Any() ? "cached " + string.Join(' ', cached[line.Line].Select(c => c.Version)) : "not cached")}\t{string.Join(',', line.Suites)}\t{line.Note}");
    }

    private static void ListJson(RealKernels kernels, TextWriter output)
    {
        var cached = kernels.Kernels.Cached().ToLookup(c => c.Line);
        foreach (var line in kernels.Catalogue.Lines)
        {
            output.WriteLine(JsonLines.Object("line", w =>
            {
                w.WriteString("line", line.Line);
                w.WriteString("note", line.Note);
                w.WriteStartArray("suites");
                foreach (string suite in line.Suites)
                    w.WriteStringValue(suite);
                w.WriteEndArray();
                w.WriteStartArray("cached");
                foreach (var (_, version, _) in cached[line.Line])
                    w.WriteStringValue(version);
                w.WriteEndArray();
                w.WriteString("current", kernels.Kernels.Current(line.Line));
            }));
        }
        output.WriteLine(JsonLines.Object("summary", w =>
        {
            w.WriteNumber("lines", kernels.Catalogue.Lines.Length);
            w.WriteNumber("cached", cached.Count);
        }));
    }

    private static async Task Pins(RealKernels kernels, TextWriter output, CancellationToken cancellation)
    {
        var catalogue = kernels.Catalogue.Lines.Select(line => line.Line).ToList();
        foreach (var (line, version, _) in kernels.Kernels.Cached().Where(c => catalogue.Contains(c.Line)).OrderBy(c => catalogue.IndexOf(c.Line)).ThenBy(c => c.Version, DebianVersion.Comparer))
            output.WriteLine(KernelPin.Of(await kernels.Kernels.GetAsync($"{line}={version}", null, cancellation)));
    }

    private static Command Fetch(TextWriter output, TextWriter error)
    {
        var lines = new Argument<string[]>("line") { Description = "A kernel line such as 6.12, a pin such as 6.12=6.12.118-1, or 'all'.", Arity = ArgumentArity.OneOrMore };
        var update = new Option<bool>("--update") { Description = "Look for a newer package even if one is cached." };
        var command = new Command("fetch", "Fetch kernels through apt's own verification into the user's cache. One that Debian has no more is said and ends the command with 3, after the others.") { lines, update };
        command.SetAction(async (parsed, cancellation) =>
        {
            var progress = new Progress(error);
            int code = ExitCode.Same;
            foreach (var line in KernelNames.Expand(parsed.GetValue(lines)!))
            {
                try
                {
                    var entry = await RealKernels.OfUser().Kernels.GetAsync(line, progress, cancellation, parsed.GetValue(update));
                    output.WriteLine($"{entry.Line}\t{entry.Release}\t{entry.Package}\t{entry.Image}");
                }
                catch (KernelGoneException gone)
                {
                    error.WriteLine($"driverlab: {gone.Message}");
                    code = ExitCode.EnvironmentMissing;
                }
            }
            return code;
        });
        return command;
    }

    private static Command Show(TextWriter output, TextWriter error)
    {
        var line = new Argument<string?>("line") { Description = "A kernel line such as 6.12, or a pin.", Arity = ArgumentArity.ZeroOrOne };
        var whole = new Option<bool>("--all-options") { Description = "Print the whole configuration." };
        var noBoot = new Option<bool>("--no-boot") { Description = "Do not ask the running kernel." };
        var own = new KernelFileOptions();
        var command = new Command("show", "A kernel in detail: release, package, files, digest, configuration of interest, modules; and what the running kernel says about itself.") { line, whole, noBoot, own.Image, own.Modules, own.Config };
        command.SetAction(async (parsed, cancellation) =>
        {
            var progress = new Progress(error);
            var rig = RealKernels.OfUser();
            var entry = await own.KernelAsync(parsed, cancellation)
                ?? await rig.Kernels.GetAsync(parsed.GetValue(line) ?? throw new UsageException("kernel show: which kernel? Expected a line such as 6.12, or --kernel-image FILE"), progress, cancellation);
            KernelSheet.WriteFiles(entry, output);
            if (parsed.GetValue(whole))
                KernelSheet.WriteConfig(entry, output);
            else
                KernelSheet.WriteInterest(entry, output);
            if (!parsed.GetValue(noBoot))
                await KernelSheet.WriteRunningAsync(rig, entry, output, progress, cancellation);
        });
        return command;
    }

    private static Command Prune(TextWriter output, TextWriter error)
    {
        var kernels = new Option<bool>("--kernels") { Description = "Also kernels that their line does not use any more. Debian may not have them again." };
        var all = new Option<bool>("--all") { Description = "Everything, kernels and apt's lists included." };
        var command = new Command("prune", "Free the cache: saved machines, guest images, leftovers. Machines that run are not disturbed.") { kernels, all };
        command.SetAction(async (parsed, cancellation) =>
        {
            var rig = RealKernels.OfUser();
            var depth = parsed.GetValue(all) ? PruneDepth.Everything : parsed.GetValue(kernels) ? PruneDepth.Superseded : PruneDepth.Made;
            var pruned = await new CachePruner(rig.Cache, rig.Kernels).PruneAsync(depth, cancellation);
            foreach (var kind in pruned.Where(kind => kind.Entries > 0))
                output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{kind.What}\t{kind.Entries}\t{kind.Bytes / 1e6:0.0} MB"));
            error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"freed {pruned.Sum(kind => kind.Bytes) / 1e6:0.0} MB of {rig.Cache.Root}"));
        });
        return command;
    }
}
