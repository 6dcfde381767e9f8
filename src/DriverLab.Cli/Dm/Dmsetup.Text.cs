using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Ioctl;

namespace DriverLab.Cli.Dm;

/// <summary>What dmsetup prints.</summary>
internal sealed partial class Dmsetup
{
    private bool Show(DmsetupArguments arguments) => arguments.Command switch
    {
        "info" => Info(arguments),
        "status" => Rows(arguments, "status", n => kernel.DmTableStatus(control, Bytes(n), Flags(arguments))),
        "table" => Rows(arguments, "table", n => kernel.DmTable(control, Bytes(n), Flags(arguments))),
        "deps" => Deps(arguments),
        "ls" => arguments.Has("tree") ? Tree() : List(arguments),
        "targets" => Targets(),
        "version" => Version(),
        _ => Help(),
    };

    private DmListEntry[] Devices() => [.. kernel.DmList(control).Value.OrderBy(static e => e.Name, StringComparer.Ordinal)];

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
                output.WriteLine("Device does not exist.");
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
            isDone &= Check(command, name, report.Error);
            if (report.IsOk)
                WriteRows(arguments.Value("target") is { } type ? [.. report.Value.Rows.Where(r => r.Type == type)] : report.Value.Rows, arguments.Rest.Count > 0 ? "" : $"{name}: ");
        }
        return isDone;
    }

    private void WriteRows(IReadOnlyList<DmRow> rows, string prefix)
    {
        if (rows.Count == 0 && prefix.Length > 0)
            output.WriteLine(prefix);
        foreach (var row in rows)
            output.WriteLine($"{prefix}{row.Start} {row.Length} {row.Type} {row.Params}");
    }

    private bool Deps(DmsetupArguments arguments)
    {
        var names = Named(arguments);
        if (names.Count == 0)
            return NoDevices();
        bool isDone = true;
        foreach (string name in names)
        {
            var deps = kernel.DmDeps(control, Bytes(name), Flags(arguments));
            isDone &= Check("deps", name, deps.Error);
            if (deps.IsOk)
                output.WriteLine($"{(arguments.Rest.Count > 0 ? "" : $"{name}: ")}{deps.Value.Length} dependencies\t:{string.Concat(deps.Value.Select(static d => $" ({d.Major}, {d.Minor})"))}");
        }
        return isDone;
    }

    private bool List(DmsetupArguments arguments)
    {
        var devices = Devices().Where(d => arguments.Value("target") is not { } type || kernel.DmTable(control, Bytes(d.Name)).Value.Rows.Any(r => r.Type == type)).ToList();
        if (devices.Count == 0)
            return NoDevices();
        foreach (var device in devices)
            output.WriteLine($"{device.Name}\t({device.Dev.Major}:{device.Dev.Minor})");
        return true;
    }

    /// <summary>Devices that no other one uses, each with what it stands on.</summary>
    private bool Tree()
    {
        var devices = Devices();
        if (devices.Length == 0)
            return NoDevices();
        var below = devices.ToDictionary(static d => d.Dev, d => kernel.DmDeps(control, Bytes(d.Name)).Value);
        var names = devices.ToDictionary(static d => d.Dev, static d => d.Name);
        foreach (var device in devices.Where(d => !below.Values.Any(v => v.Contains(d.Dev))))
        {
            output.WriteLine($"{device.Name} ({device.Dev})");
            WriteBranches(below, names, device.Dev, "");
        }
        return true;
    }

    private void WriteBranches(Dictionary<DevT, DevT[]> below, Dictionary<DevT, string> names, DevT device, string indent)
    {
        var children = below.GetValueOrDefault(device) ?? [];
        for (int i = 0; i < children.Length; i++)
        {
            bool isLast = i == children.Length - 1;
            string name = names.TryGetValue(children[i], out var known) ? $"{known} " : "";
            output.WriteLine($"{indent} {(isLast ? "└" : "├")}─{name}({children[i]})");
            WriteBranches(below, names, children[i], $"{indent} {(isLast ? " " : "│")} ");
        }
    }

    private bool Targets()
    {
        foreach (var type in kernel.DmTargetVersions(control).Value)
            output.WriteLine($"{type.Name,-16} v{type.Major}.{type.Minor}.{type.Patch}");
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
        int[] widths = [.. heads.Zip(cells, static (h, c) => Math.Max(h.Length, c.Length))];
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
