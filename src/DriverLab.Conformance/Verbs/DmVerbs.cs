using System.Text;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;

namespace DriverLab.Conformance.Verbs;

/// <summary>Device-mapper, by its ioctls. Nodes below /dev/mapper are kept as libdevmapper does.</summary>
internal static class DmVerbs
{
    private static readonly Parameter s_name = P.Name();
    private static readonly Parameter s_inactive = P.Switch("inactive");
    private static readonly Parameter s_noflush = P.Switch("noflush");
    private static readonly Parameter s_nolockfs = P.Switch("nolockfs");
    private static readonly Parameter s_row = P.Data("row").Many().Optional();

    public static IReadOnlyList<Verb> All { get; } =
    [
        new("dm create", [s_name, s_row], "DM_DEV_CREATE; with rows ('0 2048 linear $l 0') also DM_TABLE_LOAD and resume, as dmsetup create does. Opens as /dev/mapper/NAME, or through the variable.", Create)
        {
            Returns = "device", Options = [P.Data("uuid"), P.Number("minor"), P.Switch("ro")],
        },
        new("dm load", [s_name, s_row], "DM_TABLE_LOAD into the inactive slot; a row is 'START LENGTH TYPE ARGUMENTS'.", static c => With(c, Load)) { Options = [P.Switch("ro")] },
        new("dm resume", [s_name], "DM_DEV_SUSPEND without the flag: swaps tables and resumes.", static c => With(c, static (c, fd) => Info(c, c.Task.DmResume(fd, c.Bytes(0), SuspendFlags(c))))) { Options = [s_noflush, s_nolockfs] },
        new("dm suspend", [s_name], "DM_DEV_SUSPEND.", static c => With(c, static (c, fd) => Info(c, c.Task.DmSuspend(fd, c.Bytes(0), SuspendFlags(c))))) { Options = [s_noflush, s_nolockfs] },
        new("dm clear", [s_name], "DM_TABLE_CLEAR: drops the inactive table.", static c => With(c, static (c, fd) => Info(c, c.Task.DmClear(fd, c.Bytes(0))))),
        new("dm remove", [s_name], "DM_DEV_REMOVE.", static c => With(c, Remove)) { Options = [P.Switch("deferred")] },
        new("dm rename", [s_name, P.Name("newname")], "DM_DEV_RENAME.", static c => With(c, Rename)),
        new("dm setuuid", [s_name, P.Data("uuid")], "DM_DEV_RENAME with DM_UUID_FLAG.", static c => With(c, static (c, fd) => Render.Of(c.Task.DmSetUuid(fd, c.Bytes(0), c.Bytes(1)).Error))),
        new("dm info", [s_name], "DM_DEV_STATUS: state, tables, open count, targets; the event counter with 'events', the uuid if there is one.", static c => With(c, static (c, fd) => Info(c, c.Task.DmInfo(fd, c.Bytes(0), Query(c))))) { Options = [s_inactive, P.Switch("events")] },
        new("dm status", [s_name], "DM_TABLE_STATUS, status lines.", static c => With(c, static (c, fd) => Report(c, c.Task.DmTableStatus(fd, c.Bytes(0), Query(c) | SuspendFlags(c))))) { Options = [s_inactive, s_noflush] },
        new("dm wait", [s_name, P.Number("event")], "DM_DEV_WAIT: until the device's event counter is another than this; then its counter and status lines.", static c => With(c, Wait)),
        new("dm table", [s_name], "DM_TABLE_STATUS, table lines.", static c => With(c, static (c, fd) => Report(c, c.Task.DmTable(fd, c.Bytes(0), Query(c))))) { Options = [s_inactive] },
        new("dm deps", [s_name], "DM_TABLE_DEPS: the devices below, as labels, sorted.", static c => With(c, Deps)) { Options = [s_inactive] },
        new("dm message", [s_name, P.Data("message")], "DM_TARGET_MSG to the target at a sector (0).", static c => With(c, Message)) { Options = [P.Number("sector")] },
        new("dm list", [], "DM_LIST_DEVICES: the names, sorted.", static c => With(c, List)),
        new("dm targets", [P.Name("type").Optional()], "DM_LIST_VERSIONS: version of a target type, or the number of types.", static c => With(c, Targets)),
        new("dm version", [], "DM_VERSION.", static c => With(c, static (c, fd) => c.Task.DmVersion(fd) is { IsOk: true, Value: var v } ? $"ok {v.VersionMajor}.{v.VersionMinor}.{v.VersionPatch}" : Render.Of(c.Task.DmVersion(fd).Error))),
    ];

    private static string With(StepContext c, Func<StepContext, Fd, string> action)
    {
        var control = c.Task.OpenAt(Fd.Cwd, "/dev/mapper/control"u8, OpenFlags.O_RDWR, Mode.None);
        if (!control.IsOk)
            return $"{control.Error} at open of control";
        string outcome = action(c, control.Value);
        _ = c.Task.Close(control.Value); // holds no data
        return outcome;
    }

    private static string Create(StepContext c) => With(c, static (c, control) =>
    {
        c.SetResult("/dev/none");
        var made = c.Task.DmCreate(control, c.Bytes(0), c.Bytes("uuid") ?? default, (int)c.Number("minor", -1));
        if (!made.IsOk)
            return Render.Of(made.Error);
        var device = made.Value.DevT;
        string name = c.Text(0);
        c.SetResult($"/dev/dm-{device.Minor}");
        c.Run.Labels.Name(device, name);
        c.Run.Sandbox.Devices.NoteMap(name, device);
        if (c.Count == 1)
            return Info(c, made);
        var loaded = c.Task.DmLoad(control, c.Bytes(0), Rows(c), c.Has("ro"));
        if (!loaded.IsOk)
        {
            _ = c.Task.DmRemove(control, c.Bytes(0)); // as dmsetup create leaves nothing behind
            c.Run.Sandbox.Devices.ForgetMap(name);
            return $"{loaded.Error} at load";
        }
        var resumed = c.Task.DmResume(control, c.Bytes(0));
        return resumed.IsOk ? Info(c, resumed) : $"{resumed.Error} at resume";
    });

    private static string Load(StepContext c, Fd control) => Info(c, c.Task.DmLoad(control, c.Bytes(0), Rows(c), c.Has("ro")));

    /// <summary>Rows in dmsetup's form; more than one may stand in a word, between newlines.</summary>
    private static DmRow[] Rows(StepContext c)
    {
        var rows = new List<DmRow>();
        for (int i = 1; i < c.Count; i++)
        {
            foreach (var line in c.Text(i).Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                var parts = line.Trim().Split(' ', 4, StringSplitOptions.RemoveEmptyEntries);
                if (parts.Length < 3 || !Numbers.TryParse(parts[0], out long start) || !Numbers.TryParse(parts[1], out long length))
                    throw new ScenarioRunException($"'{line}' is no table row; expected 'START LENGTH TYPE ARGUMENTS'");
                rows.Add(new(start, length, parts[2], parts.Length > 3 ? parts[3] : ""));
            }
        }
        return [.. rows];
    }

    private static string Remove(StepContext c, Fd control)
    {
        var removed = c.Task.DmRemove(control, c.Bytes(0), c.Has("deferred") ? DmFlags.DM_DEFERRED_REMOVE : DmFlags.None);
        // A deferred removal leaves the device until its last close, and then the keeper finds it gone.
        if (removed.IsOk && !removed.Value.Has(DmFlags.DM_DEFERRED_REMOVE))
            c.Run.Sandbox.Devices.ForgetMap(c.Text(0));
        return removed.IsOk && removed.Value.Has(DmFlags.DM_DEFERRED_REMOVE) ? "ok deferred" : Render.Of(removed.Error);
    }

    private static string Rename(StepContext c, Fd control)
    {
        var renamed = c.Task.DmRename(control, c.Bytes(0), c.Bytes(1));
        if (renamed.IsOk)
            c.Run.Sandbox.Devices.RenameMap(c.Text(0), c.Text(1));
        return Render.Of(renamed.Error);
    }

    private static DmFlags SuspendFlags(StepContext c) => (c.Has("noflush") ? DmFlags.DM_NOFLUSH_FLAG : 0) | (c.Has("nolockfs") ? DmFlags.DM_SKIP_LOCKFS_FLAG : 0);

    private static DmFlags Query(StepContext c) => c.Has("inactive") ? DmFlags.DM_QUERY_INACTIVE_TABLE_FLAG : 0;

    private static string Info(StepContext c, SysResult<DmIoctl> result)
    {
        if (!result.IsOk)
            return Render.Of(result.Error);
        var info = result.Value;
        string state = info.Has(DmFlags.DM_SUSPEND_FLAG) ? "suspended" : "active";
        string live = info.Has(DmFlags.DM_ACTIVE_PRESENT_FLAG) ? " live" : "", inactive = info.Has(DmFlags.DM_INACTIVE_PRESENT_FLAG) ? " inactive" : "";
        string readOnly = info.Has(DmFlags.DM_READONLY_FLAG) ? " ro" : "", deferred = info.Has(DmFlags.DM_DEFERRED_REMOVE) ? " deferred-remove" : "";
        string events = c.Has("events") ? $" events={info.EventNr}" : "", uuid = info.UuidSpan.IsEmpty ? "" : $" uuid={Render.Name(info.UuidSpan)}";
        return $"ok {state}{live}{inactive}{readOnly}{deferred} open={info.OpenCount} targets={info.TargetCount}{events}{uuid}";
    }

    private static string Wait(StepContext c, Fd control)
    {
        var report = c.Task.DmWait(control, c.Bytes(0), (uint)c.Number(1));
        return report.IsOk ? $"{Report(c, report)} event {report.Value.Info.EventNr}" : Render.Of(report.Error);
    }

    private static string Report(StepContext c, SysResult<DmReport> result)
    {
        if (!result.IsOk)
            return Render.Of(result.Error);
        foreach (var row in result.Value.Rows)
            c.Detail($"{row.Start}+{row.Length}", Render.Text($"{row.Type} {c.Run.Labels.InText(row.Params)}".TrimEnd()));
        return $"ok {result.Value.Rows.Count} rows";
    }

    private static string Deps(StepContext c, Fd control)
    {
        var deps = c.Task.DmDeps(control, c.Bytes(0), Query(c));
        return deps.IsOk ? $"ok {string.Join(' ', deps.Value.Select(c.Run.Labels.Device).Order(StringComparer.Ordinal))}".TrimEnd() : Render.Of(deps.Error);
    }

    private static string Message(StepContext c, Fd control)
    {
        var answer = c.Task.DmMessage(control, c.Bytes(0), c.Bytes(1), c.Number("sector", 0));
        return answer.IsOk ? $"ok {Render.Text(answer.Value)}".TrimEnd() : Render.Of(answer.Error);
    }

    private static string List(StepContext c, Fd control)
    {
        var list = c.Task.DmList(control);
        return list.IsOk ? $"ok {c.Run.Labels.InNames(string.Join(' ', list.Value.Select(e => e.Name).Order(StringComparer.Ordinal)))}".TrimEnd() : Render.Of(list.Error);
    }

    private static string Targets(StepContext c, Fd control)
    {
        var types = c.Task.DmTargetVersions(control);
        if (!types.IsOk)
            return Render.Of(types.Error);
        if (c.Count == 0)
            return "ok";
        string name = c.Text(0);
        return types.Value.FirstOrDefault(t => t.Name == name) is { } type ? $"ok {type.Major}.{type.Minor}.{type.Patch}" : "ok absent";
    }
}
