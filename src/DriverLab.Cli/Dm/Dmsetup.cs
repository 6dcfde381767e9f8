using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Ioctl;

namespace DriverLab.Cli.Dm;

/// <summary>dmsetup's commands on any kernel, with dmsetup's text.</summary>
/// <param name="kernel">The kernel.</param>
/// <param name="control">A descriptor of its /dev/mapper/control.</param>
/// <param name="resolve">Turns paths in table arguments into what the kernel knows.</param>
/// <param name="input">Tables that are not on the command line.</param>
/// <param name="output">Data.</param>
/// <param name="error">Complaints.</param>
internal sealed partial class Dmsetup(IKernel kernel, Fd control, Func<string, string> resolve, TextReader input, TextWriter output, TextWriter error)
{
    private static readonly string[] s_commands =
    [
        "create", "load", "reload", "suspend", "resume", "clear", "remove", "remove_all", "rename", "message", "info", "status", "table", "deps", "ls", "targets", "version", "wait",
        "splitname", "mknodes", "help",
    ];

    /// <summary>Runs one command.</summary>
    /// <returns>0, or 1 after dmsetup's complaint.</returns>
    public int Run(DmsetupArguments arguments)
    {
        if (!s_commands.Contains(arguments.Command))
            throw new UsageException(arguments.Command.Length == 0 ? $"dm: which command? Expected one of {string.Join(", ", s_commands)}"
                : $"dm: '{arguments.Command}' is no command; expected one of {string.Join(", ", s_commands)}");
        bool isDone = arguments.Command switch
        {
            "create" => Create(arguments),
            "load" or "reload" => Load(arguments, Name(arguments, 0)),
            "suspend" => Each(arguments, n => Check("suspend", n, kernel.DmSuspend(control, Bytes(n), Flags(arguments)).Error)),
            "resume" => Each(arguments, n => Check("resume", n, kernel.DmResume(control, Bytes(n), Flags(arguments)).Error)),
            "clear" => Each(arguments, n => Check("clear", n, kernel.DmClear(control, Bytes(n)).Error)),
            "remove" => Each(arguments, n => Remove(arguments, n)),
            "remove_all" => Check("remove_all", "", kernel.DmRemoveAll(control).Error),
            "rename" => Rename(arguments),
            "message" => Message(arguments),
            "wait" => Wait(arguments),
            "splitname" => SplitName(Name(arguments, 0)),
            "mknodes" => true,
            _ => Show(arguments),
        };
        if (!isDone)
            error.WriteLine("Command failed.");
        return isDone ? 0 : 1;
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static string Name(DmsetupArguments arguments, int index)
        => index < arguments.Rest.Count ? arguments.Rest[index] : throw new UsageException($"dm {arguments.Command}: which device? Try 'dm help'");

    private static DmFlags Flags(DmsetupArguments arguments)
        => (arguments.Has("noflush") ? DmFlags.DM_NOFLUSH_FLAG : 0) | (arguments.Has("nolockfs") ? DmFlags.DM_SKIP_LOCKFS_FLAG : 0) | (arguments.Has("inactive") ? DmFlags.DM_QUERY_INACTIVE_TABLE_FLAG : 0);

    private bool Check(string command, string name, Errno result)
    {
        if (result == Errno.OK)
            return true;
        error.WriteLine($"device-mapper: {command} ioctl on {name}  failed: {System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage((int)result)}");
        return false;
    }

    private static bool Each(DmsetupArguments arguments, Func<string, bool> action)
    {
        _ = Name(arguments, 0);
        bool isDone = true;
        foreach (string name in arguments.Rest)
            isDone &= action(name);
        return isDone;
    }

    // ---- tables ------------------------------------------------------------------------------------------------------------------

    /// <summary>A line of a table; numbers are read as dmsetup reads them, up to the first that is no digit.</summary>
    public static DmRow ParseRow(string line)
    {
        string[] parts = line.Trim().Split([' ', '\t'], 4, StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length < 3 || !long.TryParse(parts[0], out long start) || !long.TryParse(parts[1], out long length))
            throw new UsageException($"'{line}' is no line of a table; expected 'START LENGTH TYPE ARGUMENTS'");
        return new(start, length, parts[2], parts.Length > 3 ? parts[3] : "");
    }

    private DmRow[] ReadTable(DmsetupArguments arguments, int fileWord)
    {
        string text = arguments.Value("table") ?? (fileWord < arguments.Rest.Count ? ReadFile(arguments.Rest[fileWord]) : input.ReadToEnd());
        return [.. text.Split('\n').Where(static l => l.Trim().Length > 0 && l.TrimStart()[0] != '#').Select(ParseRow).Select(r => r with { Params = resolve(r.Params) })];
    }

    private static string ReadFile(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"table {path} cannot be read: {e.Message}");
        }
    }

    private bool Create(DmsetupArguments arguments)
    {
        string name = Name(arguments, 0);
        int minor = arguments.Value("minor") is not { } word ? -1 : int.TryParse(word, out int number) ? number : throw new UsageException($"--minor {word}: expected a number");
        var rows = arguments.Has("notable") ? null : ReadTable(arguments, 1);
        if (!Check("create", name, kernel.DmCreate(control, Bytes(name), Bytes(arguments.Value("uuid") ?? ""), minor).Error))
            return false;
        if (rows is null)
            return true;
        bool isLoaded = Check("reload", name, kernel.DmLoad(control, Bytes(name), rows, arguments.Has("readonly")).Error)
            && Check("resume", name, kernel.DmResume(control, Bytes(name), Flags(arguments)).Error);
        if (!isLoaded)
            _ = kernel.DmRemove(control, Bytes(name)); // dmsetup takes back what it has made
        return isLoaded;
    }

    private bool Load(DmsetupArguments arguments, string name) => Check("reload", name, kernel.DmLoad(control, Bytes(name), ReadTable(arguments, 1), arguments.Has("readonly")).Error);

    // ---- changes -----------------------------------------------------------------------------------------------------------------

    private bool Remove(DmsetupArguments arguments, string name)
    {
        if (arguments.Has("force") && kernel.DmTable(control, Bytes(name)) is { IsOk: true, Value.Rows: { Count: > 0 } rows })
        {
            var last = rows[^1];
            _ = kernel.DmLoad(control, Bytes(name), [new(0, last.Start + last.Length, "error", "")]);
            _ = kernel.DmResume(control, Bytes(name), DmFlags.DM_NOFLUSH_FLAG | DmFlags.DM_SKIP_LOCKFS_FLAG);
        }
        return Check("remove", name, kernel.DmRemove(control, Bytes(name), arguments.Has("deferred") ? DmFlags.DM_DEFERRED_REMOVE : DmFlags.None).Error);
    }

    private bool Rename(DmsetupArguments arguments)
    {
        string name = Name(arguments, 0), to = Name(arguments, 1);
        return Check("rename", name, arguments.Has("setuuid") ? kernel.DmSetUuid(control, Bytes(name), Bytes(to)).Error : kernel.DmRename(control, Bytes(name), Bytes(to)).Error);
    }

    private bool Message(DmsetupArguments arguments)
    {
        string name = Name(arguments, 0), word = Name(arguments, 1);
        if (!long.TryParse(word, out long sector))
            throw new UsageException($"dm message {name}: '{word}' is no sector; expected 'message NAME SECTOR MESSAGE'");
        var answer = kernel.DmMessage(control, Bytes(name), Bytes(string.Join(' ', arguments.Rest.Skip(2))), sector);
        if (!Check("message", name, answer.Error))
            return false;
        if (answer.Value.Length > 0)
            output.WriteLine(answer.Value);
        return true;
    }

    private bool Wait(DmsetupArguments arguments)
    {
        string name = Name(arguments, 0);
        uint known = 0;
        if (arguments.Rest.Count > 1 && !uint.TryParse(arguments.Rest[1], out known))
            throw new UsageException($"dm wait {name}: '{arguments.Rest[1]}' is no event number");
        var report = kernel.DmWait(control, Bytes(name), known);
        if (!Check("waitevent", name, report.Error))
            return false;
        WriteRows(report.Value.Rows, prefix: "");
        return true;
    }
}
