using DriverLab.Block.Faults;
using System.Globalization;
using System.Text.RegularExpressions;
using DriverLab.Rig;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace DriverLab.Labs.Files;

/// <summary>Reads lab files: YAML, then the shapes, then what only the whole file can tell (names that are used twice, or not there).</summary>
internal sealed class LabReader
{
    private readonly string _file;

    private LabReader(string file) => _file = file;

    public static LabFile Read(string file)
    {
        string text;
        try
        {
            text = File.ReadAllText(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RigUsageException($"the lab file {file} cannot be read: {e.Message}");
        }
        return Parse(file, text);
    }

    public static LabFile Parse(string file, string text)
    {
        var yaml = new YamlStream();
        try
        {
            yaml.Load(new StringReader(text));
        }
        catch (YamlException e)
        {
            throw new LabFileException(file, e.Start, $"this is no YAML: {e.Message.TrimEnd('.')}");
        }
        if (yaml.Documents.Count != 1)
            throw new LabFileException(file, new Mark(0, 1, 1), $"there are {yaml.Documents.Count} documents in this file; expected one lab");
        var root = yaml.Documents[0].RootNode;
        LabShape.File.Check(file, "the lab", root);
        return new LabReader(file).Lab((YamlMappingNode)root);
    }

    private LabFile Lab(YamlMappingNode root)
    {
        var machines = new List<MachineSpec>();
        foreach (var (key, value) in (YamlMappingNode)root.Children[new YamlScalarNode("machines")])
            machines.Add(Machine(((YamlScalarNode)key).Value!, (YamlMappingNode)value));
        var snapshots = new HashSet<string>();
        var steps = Items(root, "steps").Select(node => Step((YamlMappingNode)node, machines, snapshots)).ToList();
        return new(_file, Text(root, "lab")!, Text(root, "about") ?? "", machines, steps);
    }

    private MachineSpec Machine(string name, YamlMappingNode node)
    {
        var names = new HashSet<string>();
        var disks = Items(node, "disks").Select(item => Disk((YamlMappingNode)item, names)).ToList();
        var setup = Items(node, "setup").Select(item => Setup((YamlMappingNode)item, names)).ToList();
        return new(name, Text(node, "kernel")!, Size(node, "memory") ?? 512L << 20, (int)(Number(node, "cpus") ?? 1), Text(node, "root"), Texts(node, "tools"), Texts(node, "modules"), disks, setup);
    }

    private DiskSpec Disk(YamlMappingNode node, HashSet<string> names)
    {
        string name = Unique(node, names);
        var kind = Text(node, "kind") switch { "ram" => DiskKind.Ram, "emulated" => DiskKind.Emulated, _ => DiskKind.File };
        var devices = Items(node, "devices").Cast<YamlMappingNode>().Select(Device).ToList();
        var inner = devices.Select(device => device.Name).ToHashSet();
        var tables = Items(node, "tables").Cast<YamlMappingNode>().Select(item => EmulatedTable(item, inner)).ToList();
        long? size = Size(node, "size");
        if (kind != DiskKind.Emulated && (devices.Count > 0 || tables.Count > 0))
            throw Wrong(node, $"disk '{name}' has devices or tables, which only a disk of kind emulated has");
        if (kind != DiskKind.Emulated && size is null)
            throw Wrong(node, $"disk '{name}' has no 'size'; expected its size, such as 1G");
        if (kind == DiskKind.Emulated && devices.Count == 0)
            throw Wrong(node, $"disk '{name}' has no 'devices'; expected a RAM disk or a file to stand on");
        if (kind == DiskKind.Emulated && tables.Count == 0 && devices.Count != 1)
            throw Wrong(node, $"disk '{name}' has {devices.Count} devices and no table; expected one device, or a table over them");
        if (size is { } bytes && (bytes == 0 || (bytes & 511) != 0))
            throw Wrong(node, $"disk '{name}' has a size of {bytes} bytes; expected whole sectors of 512 bytes");
        return new(name, size ?? 0, kind, Text(node, "file"), devices, tables);
    }

    private EmulatedDeviceSpec Device(YamlMappingNode node)
    {
        long? ram = Size(node, "ram");
        string? file = Text(node, "file");
        if (ram is null == file is null)
            throw Wrong(node, $"device '{Text(node, "name")}' must have either 'ram' or 'file'");
        try
        {
            return new(Text(node, "name")!, ram ?? 0, file, Text(node, "faults") is { } faults ? FaultPlan.Parse(faults) : null);
        }
        catch (FaultPlanException e)
        {
            throw Wrong(node, $"device '{Text(node, "name")}': {e.Message}");
        }
    }

    private EmulatedTableSpec EmulatedTable(YamlMappingNode node, HashSet<string> names)
    {
        CheckReferences(node, names);
        return new(Unique(node, names), Text(node, "table")!, Texts(node, "messages"));
    }

    private SetupSpec Setup(YamlMappingNode node, HashSet<string> names)
    {
        var (key, value) = node.Children.Single();
        long line = node.Start.Line;
        if (value is not YamlMappingNode item)
            return new RunSpec(line, ((YamlScalarNode)value).Value!);
        switch (((YamlScalarNode)key).Value)
        {
            case "loop":
                return new LoopSpec(line, Unique(item, names), Text(item, "file")!, Size(item, "size")!.Value);
            case "dm":
                CheckReferences(item, names);
                return new DmSpec(line, Unique(item, names), Text(item, "table")!);
            case "thin-pool":
                var (metadata, data) = (Reference(item, "metadata", names), Reference(item, "data", names));
                string pool = Unique(item, names);
                var thins = Items(item, "thins").Cast<YamlMappingNode>().Select(thin => new ThinSpec(Unique(thin, names), Number(thin, "id")!.Value, Size(thin, "size")!.Value)).ToList();
                return new ThinPoolSpec(line, pool, metadata, data, Size(item, "block") ?? 64 << 10, Number(item, "low-water") ?? 0, Text(item, "features") ?? "", thins);
            case "btrfs":
                var devices = Items(item, "devices").Select(device => Reference((YamlScalarNode)device, names)).ToList();
                return new BtrfsSpec(line, devices, Text(item, "data"), Text(item, "metadata"), Text(item, "label"), Text(item, "at")!, Text(item, "options"), Texts(item, "subvolumes"));
            case "mount":
                string type = Text(item, "type")!;
                bool format = Text(item, "format") == "true";
                string source = format || names.Contains(Text(item, "source")!) ? Reference(item, "source", names) : Text(item, "source")!;
                return new MountSpec(line, source, type, Text(item, "at")!, Text(item, "options"), format);
            default:
                var (content, from) = (Text(item, "content"), Text(item, "from"));
                if (content is not null && from is not null)
                    throw Wrong(item, $"file {Text(item, "path")} has both 'content' and 'from'; expected one of them");
                return new FileSpec(line, Text(item, "path")!, content, from, Convert.ToUInt32(Text(item, "mode") ?? "0644", 8));
        }
    }

    private StepSpec Step(YamlMappingNode node, List<MachineSpec> machines, HashSet<string> snapshots)
    {
        string? on = Text(node, "on"), run = Text(node, "run"), snapshot = Text(node, "snapshot"), revert = Text(node, "revert");
        if (on is not null && machines.All(machine => machine.Name != on))
            throw Wrong(node.Children[new YamlScalarNode("on")], $"there is no machine '{on}'; expected one of {string.Join(", ", machines.Select(machine => machine.Name))}");
        if (on is null && run is not null && machines.Count > 1)
            throw Wrong(node, $"the step does not say on which machine it runs; expected 'on' with one of {string.Join(", ", machines.Select(machine => machine.Name))}");
        if (new[] { run, snapshot, revert }.Count(part => part is not null) != 1)
            throw Wrong(node, "a step must have exactly one of run, snapshot and revert");
        if (revert is not null && !snapshots.Contains(revert))
            throw Wrong(node.Children[new YamlScalarNode("revert")], $"no step before this one takes a snapshot '{revert}'");
        if (snapshot is not null)
            _ = snapshots.Add(snapshot);
        var expect = node.Children.TryGetValue(new YamlScalarNode("expect"), out var value) ? (YamlMappingNode)value : [];
        foreach (var expression in Items(expect, "matches").Cast<YamlScalarNode>())
            CheckExpression(expression);
        return new(node.Start.Line, Text(node, "say") ?? "", on ?? machines[0].Name, run, snapshot, revert,
            new((int)(Number(expect, "status") ?? 0), Text(expect, "output"), Texts(expect, "contains"), Texts(expect, "lacks"), Texts(expect, "matches")));
    }

    private void CheckExpression(YamlScalarNode node)
    {
        try
        {
            _ = Regex.IsMatch("", node.Value!, RegexOptions.Multiline, TimeSpan.FromSeconds(1));
        }
        catch (ArgumentException e)
        {
            throw Wrong(node, $"'{node.Value}' is no regular expression: {e.Message}");
        }
    }

    private string Unique(YamlMappingNode node, HashSet<string> names)
    {
        var scalar = (YamlScalarNode)node.Children[new YamlScalarNode("name")];
        return names.Add(scalar.Value!) ? scalar.Value! : throw Wrong(scalar, $"there are two devices named '{scalar.Value}'; each needs a name of its own");
    }

    /// <summary>Names in braces of a table must be there already.</summary>
    private void CheckReferences(YamlMappingNode node, HashSet<string> names)
    {
        var table = (YamlScalarNode)node.Children[new YamlScalarNode("table")];
        foreach (Match match in Regex.Matches(table.Value!, @"\{(?<name>[^{}]*)\}", RegexOptions.None, TimeSpan.FromSeconds(1)))
        {
            if (!names.Contains(match.Groups["name"].Value))
                throw Wrong(table, $"the table names {match.Value}, and there is no such device before it; expected one of {Known(names)}");
        }
    }

    private string Reference(YamlMappingNode node, string field, HashSet<string> names) => Reference((YamlScalarNode)node.Children[new YamlScalarNode(field)], names);

    private string Reference(YamlScalarNode node, HashSet<string> names) =>
        node.Value!.StartsWith("/dev/", StringComparison.Ordinal) || names.Contains(node.Value) ? node.Value : throw Wrong(node, $"there is no device '{node.Value}' before this; expected one of {Known(names)}, or a path below /dev");

    private static string Known(HashSet<string> names) => names.Count == 0 ? "(none is there)" : string.Join(", ", names.Order(StringComparer.Ordinal));

    private LabFileException Wrong(YamlNode node, string sentence) => new(_file, node.Start, sentence);

    private static string? Text(YamlMappingNode node, string field) => node.Children.TryGetValue(new YamlScalarNode(field), out var value) ? ((YamlScalarNode)value).Value ?? "" : null;

    private static long? Number(YamlMappingNode node, string field) => Text(node, field) is { } text ? long.Parse(text, CultureInfo.InvariantCulture) : null;

    private static long? Size(YamlMappingNode node, string field) => Text(node, field) is { } text && SizeShape.TryParse(text, out long bytes) ? bytes : null;

    private static IEnumerable<YamlNode> Items(YamlMappingNode node, string field) => node.Children.TryGetValue(new YamlScalarNode(field), out var value) ? (YamlSequenceNode)value : [];

    private static List<string> Texts(YamlMappingNode node, string field) => [.. Items(node, field).Cast<YamlScalarNode>().Select(item => item.Value ?? "")];
}
