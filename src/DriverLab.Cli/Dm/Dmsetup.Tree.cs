using DriverLab.Linux;

namespace DriverLab.Cli.Dm;

/// <summary>dmsetup's tree: <c>ls --tree</c>.</summary>
internal sealed partial class Dmsetup
{
    /// <summary>What a tree is drawn with and what it shows.</summary>
    private sealed record TreeStyle(string Branch, string LastBranch, string Line, bool ShowsNumbers);

    private static readonly string[] s_localeVariables = ["LC_ALL", "LC_CTYPE", "LANG"];

    private static TreeStyle StyleOf(DmsetupArguments arguments)
    {
        // dmsetup draws with what the locale can show.
        bool isUtf = s_localeVariables.Select(Environment.GetEnvironmentVariable).FirstOrDefault(static v => v is { Length: > 0 })?.EndsWith("UTF-8", StringComparison.OrdinalIgnoreCase) ?? false;
        bool showsNumbers = true;
        foreach (string word in (arguments.Value("options") ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            (isUtf, showsNumbers) = word switch
            {
                "ascii" => (false, showsNumbers),
                "utf" => (true, showsNumbers),
                "device" => (isUtf, true),
                "nodevice" => (isUtf, false),
                _ => throw new UsageException($"-o {word}: expected ascii, utf, device or nodevice"),
            };
        }
        return isUtf ? new("├─", "└─", "│", showsNumbers) : new("|-", "`-", "|", showsNumbers);
    }

    /// <summary>Devices that no other one uses, each with what it stands on.</summary>
    private bool Tree(DmsetupArguments arguments)
    {
        var style = StyleOf(arguments);
        var devices = Devices();
        if (devices.Length == 0)
            return NoDevices();
        var below = devices.ToDictionary(static d => d.Dev, d => DepsOf(d.Name));
        var names = devices.ToDictionary(static d => d.Dev, static d => d.Name);
        foreach (var device in devices.Where(d => !below.Values.Any(v => v.Contains(d.Dev))))
        {
            output.WriteLine(style.ShowsNumbers ? $"{device.Name} ({device.Dev})" : device.Name);
            WriteBranches(style, below, names, device.Dev, "");
        }
        return true;
    }

    private void WriteBranches(TreeStyle style, Dictionary<DevT, DevT[]> below, Dictionary<DevT, string> names, DevT device, string indent)
    {
        var children = below.GetValueOrDefault(device) ?? [];
        for (int i = 0; i < children.Length; i++)
        {
            bool isLast = i == children.Length - 1;
            string name = names.GetValueOrDefault(children[i]) ?? "";
            // Other disks have no name but their number.
            if (name.Length > 0 || style.ShowsNumbers)
                output.WriteLine($"{indent} {(isLast ? style.LastBranch : style.Branch)}{name}{(style.ShowsNumbers ? $" ({children[i]})" : "")}");
            WriteBranches(style, below, names, children[i], $"{indent} {(isLast ? " " : style.Line)} ");
        }
    }
}
