using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Ioctl;

namespace DriverLab.Cli.Dm;

/// <summary>dmsetup's commands on any kernel, with dmsetup's text.</summary>
/// <param name="kernel">The kernel.</param>
/// <param name="control">A descriptor of its /dev/mapper/control.</param>
/// <param name="resolve">Turns paths in table arguments into what the kernel knows.</param>
/// <param name="nodeName">The name of a device in /dev.</param>
/// <param name="input">Tables that are not on the command line.</param>
/// <param name="output">Data.</param>
/// <param name="error">Complaints.</param>
internal sealed partial class Dmsetup(IKernel kernel, Fd control, Func<string, string> resolve, Func<DevT, string> nodeName, TextReader input, TextWriter output, TextWriter error)
{
    private static readonly string[] s_commands =
    [
        "create", "load", "reload", "suspend", "resume", "clear", "wipe_table", "remove", "remove_all", "rename", "message", "info", "status", "table", "deps", "ls", "targets", "target-version", "version", "wait",
        "splitname", "mknodes", "help",
    ];

    /// <summary>Runs one command.</summary>
    /// <returns>0, or 1 after dmsetup's complaint.</returns>
    public int Run(DmsetupArguments arguments)
    {
        if (!s_commands.Contains(arguments.Command))
            throw new UsageException(arguments.Command.Length == 0 ? $"dm: which command? Expected one of {string.Join(", ", s_commands)}"
                : $"dm: '{arguments.Command}' is no command; expected one of {string.Join(", ", s_commands)}");
        ByNumberOrUuid(arguments);
        bool isDone = arguments.Command switch
        {
            "create" => Create(arguments),
            "load" or "reload" => Load(arguments, Name(arguments, 0)),
            "suspend" => Each(arguments, n => Check("suspend", n, kernel.DmSuspend(control, Bytes(n), Flags(arguments)).Error)),
            "resume" => Each(arguments, n => Check("resume", n, kernel.DmResume(control, Bytes(n), Flags(arguments)).Error)),
            "clear" => Each(arguments, n => Check("clear", n, kernel.DmClear(control, Bytes(n)).Error)),
            "wipe_table" => Each(arguments, n => Wipe(n, Flags(arguments))),
            "remove" => Each(arguments, n => Remove(arguments, n)),
            "remove_all" => Check("remove_all", "", kernel.DmRemoveAll(control).Error),
            "rename" => Rename(arguments),
            "message" => Message(arguments),
            "wait" => Wait(arguments),
            "splitname" => SplitName(Name(arguments, 0)),
            "target-version" => TargetVersions(arguments.Rest),
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

    /// <summary>A device that is named by uuid or number gets its name.</summary>
    private void ByNumberOrUuid(DmsetupArguments arguments)
    {
        if (arguments.Command is "create" or "ls" || arguments.Words.Count == 0)
            return;
        if (arguments.Value("uuid") is { } uuid)
            arguments.Words.Insert(1, Devices().FirstOrDefault(d => kernel.DmInfo(control, Bytes(d.Name)) is { IsOk: true, Value: var info } && Encoding.UTF8.GetString(info.UuidSpan) == uuid)?.Name ?? "");
        else if (arguments.Value("minor") is { } minor)
            arguments.Words.Insert(1, Devices().FirstOrDefault(d => $"{d.Dev.Minor}" == minor && $"{d.Dev.Major}" == (arguments.Value("major") ?? $"{d.Dev.Major}"))?.Name ?? "");
    }

    /// <summary>dmsetup's sentence for an ioctl that failed.</summary>
    /// <param name="command">The ioctl.</param>
    /// <param name="name">The device.</param>
    /// <param name="result">What came of it.</param>
    /// <param name="more">What dmsetup knows beside the name: a uuid, or the number in brackets.</param>
    private bool Check(string command, string name, Errno result, string more = "")
    {
        if (result == Errno.OK)
            return true;
        error.WriteLine($"device-mapper: {command} ioctl on {name} {more} failed: {System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage((int)result)}");
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

    /// <returns>Null after dmsetup's complaint about a line.</returns>
    private DmRow[]? ReadTable(DmsetupArguments arguments, int fileWord)
    {
        string? file = arguments.Value("table") is null && fileWord < arguments.Rest.Count ? arguments.Rest[fileWord] : null;
        var rows = DmsetupTable.Parse(arguments.Value("table") ?? (file is not null ? ReadFile(file) : input.ReadToEnd()), out int badLine);
        if (badLine > 0)
            error.WriteLine($"Invalid format on line {badLine} of table {file}.");
        return badLine > 0 ? null : [.. rows.Select(r => r with { Params = resolve(r.Params) })];
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
        bool wantsTable = !arguments.Has("notable");
        var rows = wantsTable ? ReadTable(arguments, 1) : null;
        if (wantsTable && rows is null)
            return false;
        string uuid = arguments.Value("uuid") ?? "";
        var created = kernel.DmCreate(control, Bytes(name), Bytes(uuid), minor);
        if (!Check("create", name, created.Error, uuid))
            return false;
        if (rows is null)
            return true;
        string devNumber = $"({created.Value.DevT})";
        bool isLoaded = Check("reload", name, kernel.DmLoad(control, Bytes(name), rows, arguments.Has("readonly")).Error, devNumber)
            && Check("resume", name, kernel.DmResume(control, Bytes(name), Flags(arguments)).Error, devNumber);
        if (!isLoaded)
            _ = kernel.DmRemove(control, Bytes(name)); // dmsetup takes back what it has made
        return isLoaded;
    }

    private bool Load(DmsetupArguments arguments, string name) => ReadTable(arguments, 1) is { } rows && Check("reload", name, kernel.DmLoad(control, Bytes(name), rows, arguments.Has("readonly")).Error);

    // ---- changes -----------------------------------------------------------------------------------------------------------------

    private bool Remove(DmsetupArguments arguments, string name)
    {
        if (arguments.Has("force"))
            _ = Wipe(name, DmFlags.DM_NOFLUSH_FLAG | DmFlags.DM_SKIP_LOCKFS_FLAG);
        return Check("remove", name, kernel.DmRemove(control, Bytes(name), arguments.Has("deferred") ? DmFlags.DM_DEFERRED_REMOVE : DmFlags.None).Error);
    }

    /// <summary>Puts an error table of the same size in the place of the live one.</summary>
    private bool Wipe(string name, DmFlags flags)
    {
        // dmsetup goes on without a size, and the kernel refuses that.
        var table = kernel.DmTable(control, Bytes(name));
        long size = Check("table", name, table.Error) && table.Value.Rows is [.., var last] ? last.Start + last.Length : 0;
        return Check("reload", name, kernel.DmLoad(control, Bytes(name), [new(0, size, "error", "")]).Error)
            && Check("resume", name, kernel.DmResume(control, Bytes(name), flags).Error);
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
        if (arguments.Rest.Count == 2)
            error.WriteLine("No message supplied.");
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
        return Check("waitevent", name, report.Error);
    }
}
