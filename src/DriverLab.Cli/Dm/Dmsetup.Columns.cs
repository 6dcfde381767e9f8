using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Ioctl;

namespace DriverLab.Cli.Dm;

/// <summary>dmsetup's columns: <c>info -c</c>.</summary>
internal sealed partial class Dmsetup
{
    private const string DefaultColumns = "name,major,minor,attr,open,segments,events,uuid";

    /// <summary>A device as columns show it.</summary>
    private sealed record Shown(Dmsetup Command, string Name, DmIoctl Info)
    {
        public bool IsLive => Info.Has(DmFlags.DM_ACTIVE_PRESENT_FLAG);
        public bool IsInactive => Info.Has(DmFlags.DM_INACTIVE_PRESENT_FLAG);
        public bool IsSuspended => Info.Has(DmFlags.DM_SUSPEND_FLAG);
        public bool IsReadOnly => Info.Has(DmFlags.DM_READONLY_FLAG);
        public DevT[] Uses => Command.DepsOf(Name);
        public IEnumerable<DmListEntry> Users => Command.Devices().Where(d => Command.DepsOf(d.Name).Contains(Info.DevT));
        public string Uuid => Encoding.UTF8.GetString(Info.UuidSpan);
    }

    private sealed record Column(string Field, string Heading, int Width, bool IsNumber, Func<Shown, string> Value);

    private static readonly Column[] s_columns =
    [
        new("name", "Name", 16, false, static d => d.Name),
        new("uuid", "UUID", 32, false, static d => d.Uuid),
        new("blkdevname", "BlkDevName", 16, false, static d => $"dm-{d.Info.DevT.Minor}"),
        new("attr", "Stat", 4, false, static d => $"{(d.IsLive ? 'L' : '-')}{(d.IsInactive ? 'I' : '-')}{(d.IsSuspended ? 's' : '-')}{(d.IsReadOnly ? 'r' : 'w')}"),
        new("tables_loaded", "Tables", 6, false, static d => d.IsLive ? d.IsInactive ? "Both" : "Live" : d.IsInactive ? "Inactive" : "None"),
        new("suspended", "Suspended", 9, false, static d => d.IsSuspended ? "Suspended" : "Active"),
        new("readonly", "Read-only", 9, false, static d => d.IsReadOnly ? "Read-only" : "Writeable"),
        new("devno", "DevNo", 5, false, static d => $"{d.Info.DevT}"),
        new("major", "Maj", 3, true, static d => $"{d.Info.DevT.Major}"),
        new("minor", "Min", 3, true, static d => $"{d.Info.DevT.Minor}"),
        new("open", "Open", 4, true, static d => $"{d.Info.OpenCount}"),
        new("segments", "Targ", 4, true, static d => $"{d.Info.TargetCount}"),
        new("events", "Event", 6, true, static d => $"{d.Info.EventNr}"),
        new("device_count", "#Devs", 5, true, static d => $"{d.Uses.Length}"),
        new("devs_used", "DevNamesUsed", 16, false, static d => string.Join(',', d.Uses.Select(d.Command.MapName).Where(static n => n is not null))),
        new("devnos_used", "DevNosUsed", 16, false, static d => string.Join(',', d.Uses.Select(static n => $"{n}"))),
        new("blkdevs_used", "BlkDevNamesUsed", 16, false, static d => string.Join(',', d.Uses.Select(d.Command.NodeName))),
        new("device_ref_count", "#Refs", 5, true, static d => $"{d.Users.Count()}"),
        new("names_using_dev", "RefNames", 8, false, static d => string.Join(',', d.Users.Select(static u => u.Name))),
        new("devnos_using_dev", "RefDevNos", 9, false, static d => string.Join(',', d.Users.Select(static u => $"{u.Dev}"))),
    ];

    private string NodeName(DevT number) => nodeName(number);

    private string? MapName(DevT number) => Array.Find(Devices(), d => d.Dev == number)?.Name;

    private bool Columns(DmsetupArguments arguments)
    {
        var columns = ChosenColumns(arguments.Value("options") ?? DefaultColumns);
        var lines = new List<string[]>();
        bool isDone = true;
        foreach (string name in Named(arguments))
        {
            var info = kernel.DmInfo(control, Bytes(name), Flags(arguments));
            isDone &= info.IsOk || Missing();
            if (info.IsOk)
                lines.Add([.. columns.Select(c => c.Value(new(this, name, info.Value)))]);
        }
        if (lines.Count == 0 && isDone)
            return NoDevices();
        bool isPlain = arguments.Has("noheadings") || arguments.Has("separator");
        int[] widths = [.. columns.Select((c, i) => isPlain ? 0 : lines.Aggregate(c.Width, (most, line) => Math.Max(most, line[i].Length)))];
        string separator = arguments.Value("separator") ?? (isPlain ? ":" : " ");
        if (!arguments.Has("noheadings") && lines.Count > 0)
            output.WriteLine(string.Join(separator, columns.Select((c, i) => c.Heading.PadRight(widths[i]))));
        foreach (string[] line in lines)
            output.WriteLine(string.Join(separator, columns.Select((c, i) => c.IsNumber ? line[i].PadLeft(widths[i]) : line[i].PadRight(widths[i]))));
        return isDone;
    }

    private static Column[] ChosenColumns(string fields) =>
    [
        .. fields.Split(',').Select(static field => Array.Find(s_columns, c => c.Field == field)
            ?? throw new UsageException($"'{field}' is no column of dm info; expected one of {string.Join(", ", s_columns.Select(static c => c.Field))}")),
    ];
}
