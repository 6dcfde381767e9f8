using System.Globalization;
using System.Text;
using DriverLab.Conformance.Scenarios;
using DriverLab.Linux.Abi;

namespace DriverLab.Conformance.Shell;

/// <summary>Prints a scenario as a plain shell script: busybox or coreutils, util-linux, attr, dmsetup and losetup.</summary>
/// <remarks>
/// The script works below a fresh tmpfs in <c>$R</c> inside a mount namespace of its own; absolute paths of the scenario get <c>$R</c> in front, so that the tools of the machine stay
/// reachable. A call that no tool makes is printed as a comment, and the script says so when it comes to it. Descriptors are numbers from 3 on, in the order of the variables.
/// </remarks>
public sealed class ShellWriter
{
    private readonly StringBuilder _text = new();
    private readonly Dictionary<string, int> _descriptors = [];
    private readonly Scenario _scenario;

    private ShellWriter(Scenario scenario) => _scenario = scenario;

    /// <summary>The script.</summary>
    public static string Print(Scenario scenario)
    {
        var writer = new ShellWriter(scenario);
        writer.Head();
        foreach (var step in scenario.Steps)
            writer.One(step);
        writer.Foot();
        return writer._text.ToString();
    }

    private void Head()
    {
        Line("#!/bin/sh");
        Line($"# {_scenario.Name}: {_scenario.Description}");
        Line("# Run as root. It works in a mount namespace of its own, below a fresh tmpfs in $R, and leaves nothing behind.");
        if (_scenario.Needs.Count > 0)
            Line($"# Needs: {string.Join(", ", _scenario.Needs)}");
        Line("""if [ -z "$DRIVERLAB_INSIDE" ]; then DRIVERLAB_INSIDE=1 exec unshare -m --propagation private sh "$0"; fi""");
        Line("""R=$(mktemp -d) && mount -t tmpfs -o mode=755 scenario "$R" && cd "$R" || exit 3; export R""");
        Line("umask 022");
        Line("""step() { printf '%s\n' "== $*"; }""");
        Line("""as() { ids=$1; shift; setpriv $ids -- "$@"; }""");
        Line("");
    }

    private void Foot()
    {
        Line("");
        Line("# what the scenario made");
        Line("exec " + string.Concat(_descriptors.Values.Order().Select(n => $"{n}>&- ")).TrimEnd());
        foreach (var name in _scenario.Steps.Where(s => s.Verb.Name == "dm create").Select(s => s.Arguments[0].Text).Reverse().Distinct())
            Line($"dmsetup remove --force {Quote(name)} 2>/dev/null");
        foreach (var step in _scenario.Steps.Where(s => s.Verb.Name is "loop attach" or "loop free" && s.Result is not null))
            Line($"losetup -d \"${step.Result}\" 2>/dev/null");
        Line("""cd / && umount -R -l "$R" && rmdir "$R" """.TrimEnd());
    }

    private void One(Step step)
    {
        Line($"step {Quote($"{step.Number} {(step.Actor.Name == "main" ? "" : step.Actor.Name + ": ")}{step.Text}")}");
        string command = new ShellCommands(this, step).Command();
        if (step.Actor != Actor.Main && !command.StartsWith('#') && !command.Contains("exec ", StringComparison.Ordinal) && !step.Verb.IsOfRunner)
            command = As(step.Actor, command);
        if (step.IsBackground && command.Contains("exec ", StringComparison.Ordinal))
            command = $"# a descriptor that a command in the background opens is that command's: {command}";
        else if (step.IsBackground && !command.StartsWith('#'))
            command = $"{{ {command}\n}} & {Process(step.Actor)}=$!; sleep 0.1";
        Line(command);
    }

    /// <summary>The variable with the number of an actor's process in the background.</summary>
    internal static string Process(Actor actor) => "pid_" + actor.Name.Replace('-', '_');

    /// <summary>The command under an actor's ids. Its working directory and descriptors are those of the script.</summary>
    private static string As(Actor actor, string command)
    {
        if (actor.Maps is not null)
            return $"# {actor.Name} lives in a user namespace: {command}";
        if (actor.Ids is not { } ids)
            return command;
        string groups = ids.Groups.Length == 0 ? "--clear-groups" : "--groups=" + string.Join(',', ids.Groups.ToArray());
        return $"as '--reuid={ids.Uid} --regid={ids.Gid} {groups}' sh -c {Quote(command)}";
    }

    internal int Descriptor(string variable)
    {
        if (!_descriptors.TryGetValue(variable, out int number))
            _descriptors.Add(variable, number = 3 + _descriptors.Count);
        return number;
    }

    internal bool IsDescriptor(string variable) => _descriptors.ContainsKey(variable);

    private void Line(string line) => _text.Append(line).Append('\n');

    /// <summary>A word in single quotes.</summary>
    internal static string Quote(string text) => "'" + text.Replace("'", "'\\''", StringComparison.Ordinal) + "'";

    /// <summary>A path: <c>$R</c> in front of an absolute one, variables kept.</summary>
    internal static string Path(Word word)
    {
        var text = new StringBuilder("\"");
        bool first = true;
        foreach (var segment in word.Segments)
        {
            string bytes = Encoding.UTF8.GetString(segment.Bytes);
            if (segment.Kind == SegmentKind.Variable)
                _ = text.Append('$').Append('{').Append(bytes).Append('}');
            else
            {
                string piece = segment.Kind == SegmentKind.Literal ? bytes : Encoding.UTF8.GetString(new Word(word.Source, 0, 0, true, [segment]).Expand());
                if (first && piece.StartsWith('/') && !piece.StartsWith("/dev/", StringComparison.Ordinal) && !piece.StartsWith("/proc/", StringComparison.Ordinal))
                    _ = text.Append("$R");
                _ = text.Append(piece.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("$", "\\$", StringComparison.Ordinal).Replace("`", "\\`", StringComparison.Ordinal));
            }
            first = false;
        }
        return text.Append('"').ToString();
    }

    /// <summary>A command that writes the word's bytes to its standard output.</summary>
    internal static string Data(Word word)
    {
        var commands = new List<string>();
        foreach (var segment in word.Segments)
        {
            commands.Add(segment.Kind switch
            {
                SegmentKind.Zero => $"head -c {segment.Count} /dev/zero",
                SegmentKind.Repeat when segment.Bytes.Length == 1 => $"head -c {segment.Count} /dev/zero | tr '\\000' {Quote(Encoding.Latin1.GetString(segment.Bytes))}",
                SegmentKind.Variable => $"printf %s \"${{{Encoding.UTF8.GetString(segment.Bytes)}}}\"",
                SegmentKind.Random when segment.Count > 4096 => $"head -c {segment.Count} /dev/urandom # the scenario's own bytes depend on seed {segment.Seed}",
                _ => $"printf {Quote(Printf(new Word(word.Source, 0, 0, true, [segment]).Expand()))}",
            });
        }
        return commands.Count switch
        {
            0 => "printf ''",
            1 => commands[0],
            _ => "{ " + string.Join("; ", commands) + "; }",
        };
    }

    private static string Printf(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder(bytes.Length);
        foreach (byte b in bytes)
        {
            _ = b switch
            {
                (byte)'\\' => text.Append("\\\\"),
                (byte)'%' => text.Append("%%"),
                >= 0x20 and < 0x7f => text.Append((char)b),
                _ => text.Append('\\').Append(Convert.ToString(b, 8).PadLeft(3, '0')),
            };
        }
        return text.ToString();
    }

    internal static string Number(Word word) => Numbers.TryParse(word.Text, out long value) ? value.ToString(CultureInfo.InvariantCulture) : word.Text;

    internal static string Redirect(OpenFlags flags) => (flags & OpenFlags.O_ACCMODE) switch
    {
        OpenFlags.O_RDONLY => "<",
        OpenFlags.O_WRONLY when (flags & OpenFlags.O_APPEND) != 0 => ">>",
        OpenFlags.O_WRONLY when (flags & OpenFlags.O_TRUNC) != 0 => ">",
        _ => "<>",
    };
}
