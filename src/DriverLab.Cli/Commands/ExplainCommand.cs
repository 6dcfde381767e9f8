using System.Collections.Frozen;
using System.CommandLine;
using System.Text;
using DriverLab.Cli.Output;
using DriverLab.Cli.Targets;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Emulator;
using DriverLab.FileSystems.Aufs;
using DriverLab.FileSystems.Overlay;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Rig.Kernels;
using DriverLab.Simulation;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab explain overlay|aufs OPTIONS</c>: what kernels make of a mount line; <c>explain scenario</c>: what is dangerous in a program.</summary>
internal static class ExplainCommand
{
    private const string Target = "/merged";

    private sealed record Answer(string Line, string Outcome, IReadOnlyList<(string Name, string Value)> Effective, string Shown, IReadOnlyList<string> Log, IReadOnlyList<string> Warnings)
    {
        /// <summary>The same answer of two lines is printed once.</summary>
        public string Key => string.Join('\n', [Outcome, Shown, .. Log, .. Warnings, .. Effective.Select(e => $"{e.Name}={e.Value}")]);
    }

    public static Command Create(TextWriter output)
    {
        var options = new Argument<string>("options") { Description = "What stands behind -o, for instance lowerdir=/l1:/l2,upperdir=/u,workdir=/w,metacopy=on." };
        var kernels = new Option<string[]>("--kernel") { Description = "A kernel line; may be repeated. All lines of the catalogue when left out." };
        var config = new Option<string[]>("--config") { Description = "A setting of the kernel's configuration, for instance CONFIG_OVERLAY_FS_INDEX=y; may be repeated." };
        var json = new Option<bool>("--json") { Description = "One JSON object a line, the last one a summary." };
        var overlay = new Command("overlay", "Mounts an overlay with these options on the emulator, once as each kernel line would: the outcome, the options in effect, what mountinfo shows, and the kernel's "
            + "own words about errors and downgrades. The directories that the options name are made empty on one tmpfs. No kernel is booted and nothing of this machine is touched.\n" + ExitCode.Help) { options, kernels, config, json };
        overlay.SetAction(parsed =>
        {
            var lines = parsed.GetValue(kernels) is { Length: > 0 } some ? some : [.. KernelCatalogue.BuiltIn().Lines.Select(l => l.Line)];
            var settings = (parsed.GetValue(config) ?? []).Select(Setting).ToArray();
            return Write([.. lines.Select(line => Ask("overlay", line, parsed.GetRequiredValue(options), Paths, settings))], parsed.GetValue(json), output);
        });
        return new("explain", "What kernels make of something.") { overlay, Aufs(output), Scenario(output) };
    }

    private static int Write(Answer[] answers, bool json, TextWriter output)
    {
        if (json)
            WriteJson(answers, output);
        else
            WriteText(answers, output);
        return ExitCode.Same;
    }

    private static Command Aufs(TextWriter output)
    {
        var options = new Argument<string>("options") { Description = "What stands behind -o, for instance br=/rw=rw:/l2=ro+wh:/l1=ro+wh,dirperm1." };
        var json = new Option<bool>("--json") { Description = "One JSON object a line, the last one a summary." };
        var command = new Command("aufs", "Mounts a union with these options on the emulator, as a 6.1 kernel with aufs would: the outcome, branches and options in effect, what mountinfo shows, the kernel's own "
            + "words, and warnings: what loses data, shows deleted files again or crashes the kernel. The directories that the options name are made empty, each on a tmpfs of its own.\n" + ExitCode.Help) { options, json };
        command.SetAction(parsed => Write([Ask("aufs", Profiles.AufsLine, parsed.GetRequiredValue(options), BranchPaths, [])], parsed.GetValue(json), output));
        return command;
    }

    private static Command Scenario(TextWriter output)
    {
        var data = new Option<string?>("--data") { Description = "The folder with Scenarios, Ledger and Golden." };
        var name = new Argument<string>("scenario") { Description = "A name such as aufs/rename/exchange-loses-lower-directory, or a file." };
        var kernel = new Option<string>("--kernel") { Description = "The kernel line whose behaviour the emulator follows; 6.1-aufs for a scenario that needs aufs.", DefaultValueFactory = _ => "" };
        var command = new Command("scenario", "Runs a scenario on the emulator and warns of each step that loses data, only seems to work, or crashes the kernel.\n" + ExitCode.Help) { data, name, kernel };
        command.SetAction(parsed =>
        {
            var scenario = DataFolder.Find(parsed.GetValue(data)).LoadOne(parsed.GetRequiredValue(name));
            string line = parsed.GetValue(kernel) is { Length: > 0 } given ? given : scenario.Needs.Contains("aufs") ? Profiles.AufsLine : "6.1";
            using var emulated = new EmulatedKernel(Profiles.Of(line), ModuleSet.Standard, new World(0));
            var sink = new HazardSink(emulated.World, output);
            output.WriteLine($"{scenario.Name}: {scenario.Description}");
            using var runner = new ScenarioRunner(emulated);
            var status = runner.Run(scenario, sink);
            if (status != RunStatus.Done)
                output.WriteLine($"{status.ToString().ToLowerInvariant()}: {sink.Reason}");
            else if (emulated.World.Hazards.Count == 0)
                output.WriteLine("  nothing in it is known to be dangerous");
            return status == RunStatus.Done ? ExitCode.Same : status == RunStatus.Skipped ? ExitCode.EnvironmentMissing : ExitCode.Internal;
        });
        return command;
    }

    /// <summary>Prints what is dangerous about a step when the step has been made.</summary>
    private sealed class HazardSink(World world, TextWriter output) : ITraceSink
    {
        private int _told;

        public string Reason { get; private set; } = "";

        public void Begin(string scenario) { }

        public void Entering(int step) { }

        public void Line(in TraceLine line) { }

        public void Outcome(Step step, string outcome)
        {
            for (; _told < world.Hazards.Count; _told++)
                output.WriteLine($"  step {step.Number}, line {step.Line}: {step.Text}: {outcome}\n    warning: {world.Hazards[_told]}");
        }

        public void End(RunStatus status, string reason) => Reason = reason;
    }

    private static (string Name, string Value) Setting(string text)
    {
        int equals = text.IndexOf('=');
        return equals > 0 ? (text[..equals], text[(equals + 1)..]) : throw new UsageException($"--config '{text}' is no setting; expected NAME=VALUE, for instance CONFIG_OVERLAY_FS_INDEX=y");
    }

    // ---- asking --------------------------------------------------------------------------------------------------------------------------------

    private static Answer Ask(string type, string line, string options, Func<string, IEnumerable<string>> paths, (string Name, string Value)[] settings)
    {
        var profile = Profiles.Of(line);
        var all = profile.Config.ToDictionary();
        all["CONFIG_OVERLAY_FS_REDIRECT_ALWAYS_FOLLOW"] = "y"; // as Debian has it
        foreach (var (name, value) in settings)
            all[name] = value;
        using var kernel = new EmulatedKernel(profile with { Config = all.ToFrozenDictionary() }, ModuleSet.Standard, new World(0));
        Prepare(kernel, paths(options), ownFileSystems: type == "aufs");
        int before = kernel.World.Log.Lines.Count;
        byte[] fileSystem = Encoding.UTF8.GetBytes(type);
        string outcome;
        try
        {
            var error = kernel.Mount(fileSystem, Encoding.UTF8.GetBytes(Target), fileSystem, MountFlags.None, Encoding.UTF8.GetBytes(options));
            outcome = error == Errno.OK ? "mounted" : error.ToString();
        }
        catch (KernelOopsException)
        {
            outcome = TraceLine.Oops;
        }
        string[] log = [.. kernel.World.Log.Lines.Skip(before)];
        if (outcome != "mounted")
            return new(line, outcome, [], "", log, [.. kernel.World.Hazards]);
        var sb = kernel.Internals.Core.SuperBlocks[^1];
        return new(line, outcome, type == "aufs" ? AufsExplanation.Effective(sb) : OverlayExplanation.Effective(sb), Shown(kernel), log, AufsExplanation.Warnings(sb));
    }

    private static void Prepare(EmulatedKernel kernel, IEnumerable<string> paths, bool ownFileSystems)
    {
        Require(kernel.Mount("tmpfs"u8, "/tmp"u8, "tmpfs"u8, MountFlags.None, default), "/tmp");
        Require(kernel.Chroot("/tmp"u8), "/tmp");
        Require(kernel.Chdir("/"u8), "/");
        foreach (var path in paths.ToArray())
        {
            MakeAll(kernel, path);
            if (ownFileSystems)
                Require(kernel.Mount("tmpfs"u8, Encoding.UTF8.GetBytes(path), "tmpfs"u8, MountFlags.None, "mode=755"u8), path);
        }
        foreach (var path in (ReadOnlySpan<string>)["/tmp", "/proc", Target])
            MakeAll(kernel, path);
        Require(kernel.Mount("proc"u8, "/proc"u8, "proc"u8, MountFlags.None, default), "/proc");
    }

    private static void Require(Errno error, string what)
    {
        if (error != Errno.OK)
            throw new UsageException($"the place for the mount could not be prepared: {what}: {error}");
    }

    /// <summary>Every path that an option names, unescaped.</summary>
    private static IEnumerable<string> Paths(string options)
    {
        foreach (var option in Split(options, ','))
        {
            int equals = option.IndexOf('=');
            string name = equals < 0 ? option : option[..equals], value = equals < 0 ? "" : option[(equals + 1)..];
            if (name is "upperdir" or "workdir" or "lowerdir+" or "datadir+")
                yield return Unescape(value);
            if (name != "lowerdir")
                continue;
            foreach (var path in Split(value, ':'))
                yield return Unescape(path);
        }
    }

    /// <summary>Every path that an option of aufs names as a branch.</summary>
    private static IEnumerable<string> BranchPaths(string options)
    {
        var found = new List<string>();
        foreach (var option in options.Split(','))
        {
            int at = option.AsSpan().IndexOfAny(':', '=');
            string name = at < 0 ? "" : option[..at], value = at < 0 ? "" : option[(at + 1)..];
            if (name is "add" or "ins")
                value = value[(value.IndexOf(':', StringComparison.Ordinal) + 1)..];
            foreach (var branch in name is "br" or "dirs" ? value.Split(':') : name is "add" or "ins" or "append" or "prepend" ? [value] : [])
            {
                string path = branch.Split('=')[0];
                if (path.StartsWith('/') && !found.Contains(path))
                    found.Add(path);
            }
        }
        return found;
    }

    private static List<string> Split(string text, char separator)
    {
        var parts = new List<string> { "" };
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '\\' && i + 1 < text.Length)
                parts[^1] += text.Substring(i++, 2);
            else if (text[i] == separator)
                parts.Add("");
            else
                parts[^1] += text[i];
        }
        return parts;
    }

    private static string Unescape(string text)
    {
        var result = new StringBuilder();
        for (int i = 0; i < text.Length; i++)
            _ = result.Append(text[i] == '\\' && i + 1 < text.Length ? text[++i] : text[i]);
        return result.ToString();
    }

    private static void MakeAll(EmulatedKernel kernel, string path)
    {
        string at = "";
        foreach (var name in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            at += "/" + name;
            var error = kernel.MkdirAt(Fd.Cwd, Encoding.UTF8.GetBytes(at), Mode.S_IRWXU | Mode.S_IRGRP | Mode.S_IXGRP | Mode.S_IROTH | Mode.S_IXOTH);
            if (error is not (Errno.OK or Errno.EEXIST))
                throw new UsageException($"'{path}' cannot be made for the explanation: {error}");
        }
    }

    private static string Shown(EmulatedKernel kernel)
    {
        var opened = kernel.OpenAt(Fd.Cwd, "/proc/self/mountinfo"u8, OpenFlags.O_RDONLY, Mode.None);
        var buffer = new byte[65536];
        var read = opened.IsOk ? kernel.Read(opened.Value, buffer) : opened.Error;
        string text = read.IsOk ? Encoding.UTF8.GetString(buffer, 0, read.Value) : "";
        return text.Split('\n').Where(l => l.Contains($" {Target} ", StringComparison.Ordinal)).Select(static l => l[(l.LastIndexOf(' ') + 1)..]).FirstOrDefault("");
    }

    // ---- answering -----------------------------------------------------------------------------------------------------------------------------

    private static void WriteText(Answer[] answers, TextWriter output)
    {
        foreach (var group in answers.GroupBy(static a => a.Key))
        {
            var answer = group.First();
            output.WriteLine($"{string.Join(' ', group.Select(static a => a.Line))}: {answer.Outcome}");
            foreach (var line in answer.Log)
                output.WriteLine($"  log        {line}");
            if (answer.Shown.Length > 0)
                output.WriteLine($"  mountinfo  {answer.Shown}");
            if (answer.Effective.Count > 0)
                output.WriteLine($"  in effect  {string.Join(", ", answer.Effective.Select(static e => $"{e.Name}: {e.Value}"))}");
            foreach (var warning in answer.Warnings)
                output.WriteLine($"  warning    {warning}");
            output.WriteLine();
        }
    }

    private static void WriteJson(Answer[] answers, TextWriter output)
    {
        foreach (var answer in answers)
        {
            output.WriteLine(JsonLines.Object("explanation", w =>
            {
                w.WriteString("line", answer.Line);
                w.WriteString("outcome", answer.Outcome);
                w.WriteString("mountinfo", answer.Shown);
                w.WriteStartArray("log");
                foreach (var line in answer.Log)
                    w.WriteStringValue(line);
                w.WriteEndArray();
                w.WriteStartArray("warnings");
                foreach (var warning in answer.Warnings)
                    w.WriteStringValue(warning);
                w.WriteEndArray();
                w.WriteStartObject("effective");
                foreach (var (name, value) in answer.Effective)
                    w.WriteString(name, value);
                w.WriteEndObject();
            }));
        }
        output.WriteLine(JsonLines.Object("summary", w =>
        {
            w.WriteNumber("mounted", answers.Count(static a => a.Outcome == "mounted"));
            w.WriteNumber("refused", answers.Count(static a => a.Outcome != "mounted"));
        }));
    }
}
