using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Ioctl;

namespace DriverLab.Cli.Dm;

/// <summary>What dmsetup prints.</summary>
internal sealed partial class Dmsetup
{
    private bool Show(DmsetupArguments arguments) => arguments.Command switch
    {
        "info" => arguments.Has("columns") ? Columns(arguments) : Info(arguments),
        "status" => Rows(arguments, "status", n => kernel.DmTableStatus(control, Bytes(n), Flags(arguments))),
        "table" => Rows(arguments, "table", n => kernel.DmTable(control, Bytes(n), Flags(arguments))),
        "deps" => Deps(arguments),
        "ls" => arguments.Has("tree") ? Tree(arguments) : List(arguments),
        "targets" => Targets(),
        "version" => Version(),
        _ => Help(),
    };

    private DmListEntry[] Devices() => [.. kernel.DmList(control).Value.OrderBy(static e => e.Name, StringComparer.Ordinal)];

    private bool Missing()
    {
        error.WriteLine("Device does not exist.");
        return false;
    }

    private bool NoDevices()
    {
        output.WriteLine("No devices found");
        return true;
    }

    /// <summary>The devices that a command is about: those named, or all.</summary>
    private IReadOnlyList<string> Named(DmsetupArguments arguments) => arguments.Rest.Count > 0 ? arguments.Rest : [.. Devices().Select(static d => d.Name)];

    private bool Info(DmsetupArguments arguments)
    {
        var names = Named(arguments);
        if (names.Count == 0)
            return NoDevices();
        bool isDone = true;
        foreach (string name in names)
        {
            var info = kernel.DmInfo(control, Bytes(name), Flags(arguments));
            if (info.Error == Errno.ENXIO)
                _ = Missing();
            else if (Check("info", name, info.Error))
                WriteInfo(name, info.Value);
            isDone &= info.IsOk;
        }
        return isDone;
    }

    private void WriteInfo(string name, in DmIoctl info)
    {
        bool live = info.Has(DmFlags.DM_ACTIVE_PRESENT_FLAG), inactive = info.Has(DmFlags.DM_INACTIVE_PRESENT_FLAG);
        output.WriteLine($"Name:              {name}");
        output.WriteLine($"State:             {(info.Has(DmFlags.DM_SUSPEND_FLAG) ? "SUSPENDED" : "ACTIVE")}{(info.Has(DmFlags.DM_READONLY_FLAG) ? " (READ-ONLY)" : "")}"
            + (info.Has(DmFlags.DM_DEFERRED_REMOVE) ? " (DEFERRED REMOVE)" : ""));
        if (live || inactive) // dmsetup asks the disk, which the first table makes
            output.WriteLine("Read Ahead:        256");
        output.WriteLine($"Tables present:    {(live || inactive ? $"{(live ? "LIVE" : "")}{(live && inactive ? " & " : "")}{(inactive ? "INACTIVE" : "")}" : "None")}");
        output.WriteLine($"Open count:        {info.OpenCount}");
        output.WriteLine($"Event number:      {info.EventNr}");
        output.WriteLine($"Major, minor:      {info.DevT.Major}, {info.DevT.Minor}");
        output.WriteLine($"Number of targets: {info.TargetCount}");
        if (!info.UuidSpan.IsEmpty)
            output.WriteLine($"UUID: {Encoding.UTF8.GetString(info.UuidSpan)}");
        output.WriteLine();
    }

    private bool Rows(DmsetupArguments arguments, string command, Func<string, SysResult<DmReport>> read)
    {
        var names = Named(arguments);
        if (names.Count == 0)
            return NoDevices();
        bool isDone = true;
        foreach (string name in names)
        {
            var report = read(name);
            isDone &= command == "status" && report.Error == Errno.ENXIO ? Missing() : Check(command, name, report.Error);
            if (!report.IsOk)
                continue;
            string prefix = arguments.Rest.Count > 0 ? "" : $"{name}: ";
            if (arguments.Value("target") is { } type)
                WriteRows([.. report.Value.Rows.Where(r => r.Type == type)], prefix);
            else if (report.Value.Rows.Count == 0)
                output.WriteLine(prefix);
            else
                WriteRows(report.Value.Rows, prefix);
        }
        return isDone;
    }

    private void WriteRows(IReadOnlyList<DmRow> rows, string prefix)
    {
        foreach (var row in rows)
            output.WriteLine($"{prefix}{row.Start} {row.Length} {row.Type} {row.Params}");
    }

    private bool Deps(DmsetupArguments arguments)
    {
        var names = Named(arguments);
        if (names.Count == 0)
            return NoDevices();
        bool isDone = true;
        var shown = DeviceText(arguments);
        foreach (string name in names)
        {
            var deps = kernel.DmDeps(control, Bytes(name), Flags(arguments));
            isDone &= Check("deps", name, deps.Error);
            if (deps.IsOk)
                output.WriteLine($"{(arguments.Rest.Count > 0 ? "" : $"{name}: ")}{deps.Value.Length} dependencies\t:{string.Concat(deps.Value.Select(d => $" ({shown(d)})"))}");
        }
        return isDone;
    }

    /// <summary>How <c>-o</c> wants devices to be shown.</summary>
    private Func<DevT, string> DeviceText(DmsetupArguments arguments) => arguments.Value("options") switch
    {
        null or "devno" => static d => $"{d.Major}, {d.Minor}",
        "blkdevname" => nodeName,
        "devname" => d => MapName(d) ?? nodeName(d),
        var other => throw new UsageException($"-o {other}: expected devno, blkdevname or devname"),
    };

    private DevT[] DepsOf(string name) => kernel.DmDeps(control, Bytes(name)) is { IsOk: true, Value: var devices } ? devices : [];

    private bool List(DmsetupArguments arguments)
    {
        var devices = Devices().Where(d => arguments.Value("target") is not { } type || kernel.DmTable(control, Bytes(d.Name)).Value.Rows.Any(r => r.Type == type)).ToList();
        if (devices.Count == 0 && arguments.Value("target") is null)
            return NoDevices();
        // With --target numbers have a comma, without it a colon.
        var shown = DeviceText(arguments);
        foreach (var device in devices)
            output.WriteLine($"{device.Name}\t({(arguments.Value("target") is null && arguments.Value("options") is null ? $"{device.Dev}" : shown(device.Dev))})");
        return true;
    }

    private bool TargetVersions(IReadOnlyList<string> names)
    {
        var all = kernel.DmTargetVersions(control).Value;
        bool isDone = true;
        foreach (string name in names)
        {
            if (Array.Find(all, t => t.Name == name) is { } type)
                WriteTarget(type);
            else
                isDone = Check("target-version", name, Errno.EINVAL);
        }
        return isDone;
    }

    private void WriteTarget(DmTargetVersion type) => output.WriteLine($"{type.Name,-16} v{type.Major}.{type.Minor}.{type.Patch}");

    private bool Targets()
    {
        foreach (var type in kernel.DmTargetVersions(control).Value)
            WriteTarget(type);
        return true;
    }

    private bool Version()
    {
        var version = kernel.DmVersion(control).Value;
        output.WriteLine($"Driver version:    {version.VersionMajor}.{version.VersionMinor}.{version.VersionPatch}");
        return true;
    }

    /// <summary>Volume group, volume and layer of a device's name as LVM makes them: parts are joined by one hyphen, a hyphen inside a part is doubled.</summary>
    private bool SplitName(string name)
    {
        var parts = new List<string> { "" };
        for (int i = 0; i < name.Length; i++)
        {
            if (name[i] == '-' && i + 1 < name.Length && name[i + 1] == '-')
                parts[^1] += name[i++];
            else if (name[i] == '-' && parts.Count < 3)
                parts.Add("");
            else
                parts[^1] += name[i];
        }
        string[] heads = ["VG", "LV", "LVLayer"], cells = [.. parts, .. Enumerable.Repeat("", 3 - parts.Count)];
        int[] widths = [.. heads.Zip(cells, static (h, c) => Math.Max(Math.Max(h.Length, 4), c.Length))];
        foreach (string[] row in (string[][])[heads, cells])
            output.WriteLine(string.Join(' ', row.Zip(widths, static (c, w) => c.PadRight(w))));
        return true;
    }

    private bool Help()
    {
        output.WriteLine($"dm: dmsetup's commands on an emulated kernel: {string.Join(", ", s_commands)}");
        return true;
    }
}
