using System.CommandLine;
using DriverLab.Cli.Output;
using DriverLab.Rig;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab kernel list|fetch|show</c>.</summary>
internal static class KernelCommand
{
    public static Command Create(TextWriter output, TextWriter error) =>
        new("kernel", "Real kernels: which there are, fetching them into the cache.") { List(output), Fetch(output, error), Show(output, error) };

    private static Command List(TextWriter output)
    {
        var command = new Command("list", "The kernel lines that can be asked for, and what the cache holds.");
        command.SetAction(_ =>
        {
            var kernels = RealKernels.OfUser();
            var cached = kernels.Kernels.Cached().ToLookup(c => c.Line);
            foreach (var line in kernels.Catalogue.Lines)
                output.WriteLine($"{line.Line}\t{(cached[line.Line].Any() ? "cached " + string.Join(' ', cached[line.Line].Select(c => c.Version)) : "not cached")}\t{string.Join(',', line.Suites)}\t{line.Note}");
        });
        return command;
    }

    private static Command Fetch(TextWriter output, TextWriter error)
    {
        var lines = new Argument<string[]>("line") { Description = "A kernel line such as 6.12.", Arity = ArgumentArity.OneOrMore };
        var update = new Option<bool>("--update") { Description = "Look for a newer package even if one is cached." };
        var command = new Command("fetch", "Fetch kernels through apt's own verification into the user's cache.") { lines, update };
        command.SetAction(async (parsed, cancellation) =>
        {
            var progress = new Progress(error);
            foreach (var line in parsed.GetValue(lines)!)
            {
                var entry = await RealKernels.OfUser().Kernels.GetAsync(line, progress, cancellation, parsed.GetValue(update));
                output.WriteLine($"{entry.Line}\t{entry.Release}\t{entry.Package}\t{entry.Image}");
            }
        });
        return command;
    }

    private static Command Show(TextWriter output, TextWriter error)
    {
        var line = new Argument<string>("line") { Description = "A kernel line such as 6.12." };
        var config = new Option<bool>("--config") { Description = "Print the whole configuration." };
        var command = new Command("show", "A kernel in detail: release, package, files, digest, configuration.") { line, config };
        command.SetAction(async (parsed, cancellation) =>
        {
            var entry = await RealKernels.OfUser().Kernels.GetAsync(parsed.GetValue(line)!, new Progress(error), cancellation);
            output.WriteLine($"line\t{entry.Line}\nrelease\t{entry.Release}\npackage\t{entry.Package}\nimage\t{entry.Image}\nmodules\t{entry.Modules ?? "none"}\ndigest\t{entry.Digest}\noptions\t{entry.Profile.Config.Count}");
            if (parsed.GetValue(config))
            {
                foreach (var (name, value) in entry.Profile.Config.OrderBy(o => o.Key, StringComparer.Ordinal))
                    output.WriteLine($"{name}={value}");
            }
        });
        return command;
    }
}
