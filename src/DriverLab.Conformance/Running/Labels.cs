using DriverLab.Linux;

namespace DriverLab.Conformance.Running;

/// <summary>Gives numbers that a kernel chooses freely a name by the order in which a scenario first sees them.</summary>
public sealed class Labels
{
    private readonly Dictionary<DevT, string> _devices = [];
    private readonly Dictionary<int, string> _loops = [];
    private readonly Dictionary<(DevT Device, ulong Ino), string> _inodes = [];

    /// <summary>What overlayfs chooses: temporary names, handles, UUIDs.</summary>
    public OverlayLabels Overlay { get; } = new();

    private readonly Dictionary<(string Kind, string Number), string> _mountInfo = [];
    private readonly Dictionary<string, int> _mountInfoCounts = [];

    /// <summary>The label of a number in mountinfo: <c>m1</c>, <c>d1</c>, <c>g1</c> … each kind by first sight.</summary>
    public string MountInfo(string kind, string number)
    {
        if (!_mountInfo.TryGetValue((kind, number), out var label))
        {
            int count = _mountInfoCounts[kind] = _mountInfoCounts.GetValueOrDefault(kind) + 1;
            _mountInfo.Add((kind, number), label = $"{kind[0]}{count}");
        }
        return label;
    }

    /// <summary>The label of a device number, <c>d1</c>, <c>d2</c> …; 0:0 stays as it is, it is overlay's whiteout.</summary>
    public string Device(DevT device)
    {
        if (device == DevT.Zero)
            return "0:0";
        if (!_devices.TryGetValue(device, out var label))
            _devices.Add(device, label = $"d{_devices.Count + 1}");
        return label;
    }

    /// <summary>The device number that a node names: the label of a device the scenario has seen, else the number itself, which is fixed for such devices.</summary>
    public string Rdev(DevT device) => _devices.TryGetValue(device, out var label) ? label : device.ToString();

    /// <summary>Replaces device numbers (<c>7:0</c>) in a text by labels where the scenario has seen the device.</summary>
    public string InText(string text)
    {
        if (!text.Contains(':'))
            return text;
        var words = text.Split(' ');
        for (int i = 0; i < words.Length; i++)
        {
            int colon = words[i].IndexOf(':');
            if (colon > 0 && uint.TryParse(words[i].AsSpan(0, colon), out uint major) && uint.TryParse(words[i].AsSpan(colon + 1), out uint minor) && _devices.TryGetValue(new(major, minor), out var label))
                words[i] = label;
        }
        return string.Join(' ', words);
    }

    /// <summary>Names a device number before it is seen by itself, for example after the loop device that was attached.</summary>
    public void Name(DevT device, string label) => _devices[device] = label;

    /// <summary>Names a loop device by the order in which the scenario came to it: <c>loop-a</c>, <c>loop-b</c> …</summary>
    public void NameLoop(int number)
    {
        var device = new DevT(Linux.Ioctl.Loop.Major, (uint)number);
        if (_loops.ContainsKey(number))
            return;
        string label = $"loop-{(char)('a' + (_loops.Count % 26))}{(_loops.Count >= 26 ? (_loops.Count / 26).ToString(System.Globalization.CultureInfo.InvariantCulture) : "")}";
        _loops.Add(number, label);
        _devices[device] = label;
    }

    private readonly List<(string Text, string Label)> _names = [];

    /// <summary>Gives the beginning of mapped devices' names, which holds numbers that a kernel chooses, a label: <c>docker-0:45-2</c> is <c>docker-h1</c>.</summary>
    public void NameHome(string prefix)
    {
        if (_names.All(n => n.Text != prefix))
            _names.Add((prefix, $"docker-h{_names.Count + 1}"));
    }

    /// <summary>Replaces such beginnings in a text.</summary>
    public string InNames(string text)
    {
        foreach (var (name, label) in _names)
            text = text.Replace(name + "-", label + "-", StringComparison.Ordinal);
        return text;
    }

    private readonly List<string> _unions = [];

    /// <summary>aufs's number of a union (<c>si=</c> and 16 hexadecimal digits) as a label by first sight.</summary>
    public string Unions(string options)
    {
        int at = options.IndexOf("si=", StringComparison.Ordinal);
        if (at < 0 || at > 0 && options[at - 1] != ',' || at + 19 > options.Length || !ulong.TryParse(options.AsSpan(at + 3, 16), System.Globalization.NumberStyles.AllowHexSpecifier, null, out _))
            return options;
        string number = options.Substring(at + 3, 16);
        int index = _unions.IndexOf(number);
        if (index < 0)
        {
            index = _unions.Count;
            _unions.Add(number);
        }
        return options.Replace(number, $"u{index + 1}", StringComparison.Ordinal);
    }

    /// <summary>aufs puts a line number of its source, the program and the task before each message: <c>aufs FUNCTION:LINE:PROGRAM[PID]: TEXT</c>.</summary>
    private static string WithoutPlace(string line)
    {
        if (!line.StartsWith("aufs ", StringComparison.Ordinal))
            return line;
        int colon = line.IndexOf(':'), end = line.IndexOf("]: ", StringComparison.Ordinal);
        return colon > 0 && end > colon && char.IsAsciiDigit(line[colon + 1]) ? line[..colon] + line[(end + 1)..] : line;
    }

    /// <summary>A line of the kernel's log with loop names (<c>loop0</c>), mapped device names (<c>dm-0</c>), device numbers and overlay's index entries as labels.</summary>
    public string InLog(string line)
    {
        line = Overlay.InLog(WithoutPlace(line));
        foreach (var (number, label) in _loops)
            line = ReplaceName(line, $"loop{number}", label);
        foreach (var (device, label) in _devices)
        {
            if (!_loops.ContainsValue(label))
            {
                line = ReplaceName(line, $"dm-{device.Minor}", label);
                line = ReplaceName(line, $"{device.Major}:{device.Minor}", label);
            }
        }
        return line;
    }

    private static string ReplaceName(string line, string name, string label)
    {
        for (int at = line.IndexOf(name, StringComparison.Ordinal); at >= 0; at = line.IndexOf(name, at + 1, StringComparison.Ordinal))
        {
            int end = at + name.Length;
            bool whole = (at == 0 || !char.IsAsciiLetterOrDigit(line[at - 1])) && (end == line.Length || !char.IsAsciiDigit(line[end]));
            if (whole)
                line = string.Concat(line.AsSpan(0, at), label, line.AsSpan(end));
        }
        return line;
    }

    /// <summary>The label of an inode, <c>i1</c>, <c>i2</c> …; inodes of different devices never share one.</summary>
    public string Inode(DevT device, ulong ino)
    {
        if (!_inodes.TryGetValue((device, ino), out var label))
            _inodes.Add((device, ino), label = $"i{_inodes.Count + 1}");
        return label;
    }
}
