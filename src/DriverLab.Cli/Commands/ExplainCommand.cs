using System.Collections.Frozen;
using System.CommandLine;
using System.Text;
using DriverLab.Cli.Output;
using DriverLab.Cli.Targets;
using DriverLab.Emulator;
using DriverLab.FileSystems.Overlay;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Rig.Kernels;
using DriverLab.Simulation;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab explain overlay OPTIONS</c>: what each kernel line makes of a mount line.</summary>
internal static class ExplainCommand
{
    private const string Target = "/merged";

    private sealed record Answer(string Line, string Outcome, IReadOnlyList<(string Name, string Value)> Effective, string Shown, IReadOnlyList<string> Log)
    {
        /// <summary>The same answer of two lines is printed once.</summary>
        public string Key => string.Join('\n', [Outcome, Shown, .. Log, .. Effective.Select(e => $"{e.Name}={e.Value}")]);
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
            var answers = lines.Select(line => Ask(line, parsed.GetRequiredValue(options), settings)).ToArray();
            if (parsed.GetValue(json))
                WriteJson(answers, output);
            else
                WriteText(answers, output);
            return ExitCode.Same;
        });
        return new("explain", "What kernels make of something.") { overlay };
    }

    private static (string Name, string Value) Setting(string text)
    {
        int equals = text.IndexOf('=');
        return equals > 0 ? (text[..equals], text[(equals + 1)..]) : throw new UsageException($"--config '{text}' is no setting; expected NAME=VALUE, for instance CONFIG_OVERLAY_FS_INDEX=y");
    }

    // ---- asking --------------------------------------------------------------------------------------------------------------------------------

    private static Answer Ask(string line, string options, (string Name, string Value)[] settings)
    {
        var profile = Profiles.Of(line);
        var all = profile.Config.ToDictionary();
        all["CONFIG_OVERLAY_FS_REDIRECT_ALWAYS_FOLLOW"] = "y"; // as Debian has it
        foreach (var (name, value) in settings)
            all[name] = value;
        using var kernel = new EmulatedKernel(profile with { Config = all.ToFrozenDictionary() }, ModuleSet.Standard, new World(0));
        Prepare(kernel, options);
        int before = kernel.World.Log.Lines.Count;
        var error = kernel.Mount("overlay"u8, Encoding.UTF8.GetBytes(Target), "overlay"u8, MountFlags.None, Encoding.UTF8.GetBytes(options));
        string[] log = [.. kernel.World.Log.Lines.Skip(before)];
        if (error != Errno.OK)
            return new(line, error.ToString(), [], "", log);
        var sb = kernel.Internals.Core.SuperBlocks[^1];
        return new(line, "mounted", OverlayExplanation.Effective(sb), Shown(kernel), log);
    }

    private static void Prepare(EmulatedKernel kernel, string options)
    {
        Require(kernel.Mount("tmpfs"u8, "/tmp"u8, "tmpfs"u8, MountFlags.None, default), "/tmp");
        Require(kernel.Chroot("/tmp"u8), "/tmp");
        Require(kernel.Chdir("/"u8), "/");
        foreach (var path in Paths(options).Append("/proc").Append(Target))
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
            output.WriteLine();
        }
    }

    private static void WriteJson(Answer[] answers, TextWriter output)
    {
        foreach (var answer in answers)
        {
            output.WriteLine(JsonLines.Line(w =>
            {
                w.WriteStartObject("explanation");
                w.WriteString("line", answer.Line);
                w.WriteString("outcome", answer.Outcome);
                w.WriteString("mountinfo", answer.Shown);
                w.WriteStartArray("log");
                foreach (var line in answer.Log)
                    w.WriteStringValue(line);
                w.WriteEndArray();
                w.WriteStartObject("effective");
                foreach (var (name, value) in answer.Effective)
                    w.WriteString(name, value);
                w.WriteEndObject();
                w.WriteEndObject();
            }));
        }
        output.WriteLine(JsonLines.Line(w =>
        {
            w.WriteStartObject("summary");
            w.WriteNumber("mounted", answers.Count(static a => a.Outcome == "mounted"));
            w.WriteNumber("refused", answers.Count(static a => a.Outcome != "mounted"));
            w.WriteEndObject();
        }));
    }
}
