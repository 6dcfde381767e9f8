using System.Globalization;
using System.Text;
using DriverLab.Labs.Files;

namespace DriverLab.Labs.Running;

/// <summary>Setup items as the shell commands that carry them out; so a user can see, and repeat by hand, what a lab did.</summary>
internal static class SetupCommands
{
    /// <summary>Where a machine has links to its disks and loop devices by their names.</summary>
    public const string Folder = "/dev/lab";

    /// <summary>Sets of tools that a machine's setup needs; an SSH server is always there.</summary>
    public static IEnumerable<string> ToolsOf(MachineSpec machine)
    {
        var tools = new SortedSet<string>(machine.Tools, StringComparer.Ordinal) { "ssh" };
        foreach (var item in machine.Setup)
        {
            if (item is DmSpec or ThinPoolSpec)
                _ = tools.Add("dmsetup");
            if (item is BtrfsSpec or MountSpec { Type: "btrfs", Format: true })
                _ = tools.Add("btrfs");
            if (item is MountSpec { Type: "ext4" or "ext3" or "ext2", Format: true })
                _ = tools.Add("e2fsprogs");
            if (item is MountSpec { Type: "xfs", Format: true })
                _ = tools.Add("xfsprogs");
        }
        return tools;
    }

    /// <summary>Links to the disks.</summary>
    public static string Disks(IReadOnlyList<string> names, int first)
    {
        var text = new StringBuilder($"mkdir -p {Folder}");
        for (int i = 0; i < names.Count; i++)
            _ = text.Append(CultureInfo.InvariantCulture, $" && ln -sf /dev/vd{(char)('a' + first + i)} {Folder}/{names[i]}");
        return text.ToString();
    }

    /// <summary>The commands for one item; null for a file, which is copied.</summary>
    public static string? Of(SetupSpec item, Func<string, string> deviceOf) => item switch
    {
        LoopSpec loop => string.Create(CultureInfo.InvariantCulture,
            $"mkdir -p {Folder} {Word(DirectoryOf(loop.File))} && {{ [ -e {Word(loop.File)} ] || truncate -s {loop.Size} {Word(loop.File)}; }} && D=$(losetup -f) && losetup $D {Word(loop.File)} && ln -sf $D {Folder}/{loop.Name}"),
        DmSpec dm => $"{Dmsetup} create {dm.Name} <<'END'\n{Table(dm.Table, deviceOf)}\nEND",
        ThinPoolSpec pool => ThinPool(pool, deviceOf),
        BtrfsSpec btrfs => Btrfs(btrfs, deviceOf),
        MountSpec mount => Mount(mount, deviceOf),
        RunSpec run => run.Commands,
        _ => null,
    };

    /// <summary>Without udev libdevmapper makes the nodes itself.</summary>
    private const string Dmsetup = "DM_DISABLE_UDEV=1 dmsetup";

    private static string ThinPool(ThinPoolSpec pool, Func<string, string> deviceOf)
    {
        string metadata = deviceOf(pool.Metadata), data = deviceOf(pool.Data);
        string features = pool.Features.Length == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" {pool.Features.Split(' ').Length} {pool.Features}");
        var text = new StringBuilder();
        _ = text.Append(CultureInfo.InvariantCulture, $"dd if=/dev/zero of={metadata} bs=4096 count=1 2>/dev/null && {Dmsetup} create {pool.Name} --table \"0 $(blockdev --getsz {data}) thin-pool {metadata} {data} {pool.Block >> 9} {pool.LowWater}{features}\"");
        foreach (var thin in pool.Thins)
            _ = text.Append(CultureInfo.InvariantCulture, $" && {Dmsetup} message {pool.Name} 0 'create_thin {thin.Id}' && {Dmsetup} create {thin.Name} --table '0 {thin.Size >> 9} thin /dev/mapper/{pool.Name} {thin.Id}'");
        return text.ToString();
    }

    private static string Btrfs(BtrfsSpec volume, Func<string, string> deviceOf)
    {
        string devices = string.Join(' ', volume.Devices.Select(deviceOf));
        string options = (volume.Data is null ? "" : " -d " + volume.Data) + (volume.Metadata is null ? "" : " -m " + volume.Metadata) + (volume.Label is null ? "" : " -L " + Word(volume.Label));
        string mount = volume.Options is null ? "" : " -o " + Word(volume.Options);
        var text = new StringBuilder($"{{ grep -q btrfs /proc/filesystems || /sbin/modprobe btrfs; }} && mkfs.btrfs -q -f{options} {devices} && btrfs device scan {devices} > /dev/null && mkdir -p {Word(volume.At)} && mount -t btrfs{mount} {deviceOf(volume.Devices[0])} {Word(volume.At)}");
        foreach (string subvolume in volume.Subvolumes)
            _ = text.Append($" && btrfs subvolume create {Word(volume.At.TrimEnd('/') + "/" + subvolume)} > /dev/null");
        return text.ToString();
    }

    private static string Mount(MountSpec mount, Func<string, string> deviceOf)
    {
        string source = deviceOf(mount.Source), options = mount.Options is null ? "" : " -o " + Word(mount.Options);
        string format = !mount.Format ? "" : mount.Type switch
        {
            "btrfs" => $"mkfs.btrfs -q -f {source} && ",
            "xfs" => $"mkfs.xfs -q -f {source} && ",
            var type => $"/sbin/mke2fs -q -t {type} {source} && ",
        };
        return $"{format}mkdir -p {Word(mount.At)} && mount -t {mount.Type}{options} {source} {Word(mount.At)}";
    }

    private static string Table(string table, Func<string, string> deviceOf) =>
        System.Text.RegularExpressions.Regex.Replace(table.TrimEnd(), @"\{(?<name>[^{}]*)\}", match => deviceOf(match.Groups["name"].Value), System.Text.RegularExpressions.RegexOptions.None, TimeSpan.FromSeconds(1));

    private static string DirectoryOf(string path) => path[..Math.Max(1, path.LastIndexOf('/'))];

    private static string Word(string text) => "'" + text.Replace("'", "'\\''", StringComparison.Ordinal) + "'";
}
