using System.Collections.Frozen;

namespace DriverLab.Rig.Kernels;

/// <summary>Reads a kernel's build configuration, the text of <c>/boot/config-*</c>.</summary>
public static class KernelConfig
{
    private const string NotSet = " is not set";

    /// <summary>Options with their <c>CONFIG_</c> prefix: <c>y</c>, <c>m</c>, <c>n</c> for those listed as not set, or the value without quotes.</summary>
    public static FrozenDictionary<string, string> Parse(string text)
    {
        var options = new Dictionary<string, string>();
        foreach (string raw in text.Split('\n'))
        {
            string line = raw.TrimEnd('\r');
            if (line.StartsWith("CONFIG_", StringComparison.Ordinal) && line.IndexOf('=') is > 0 and var equals)
                options[line[..equals]] = line[(equals + 1)..].Trim('"');
            else if (line.StartsWith("# CONFIG_", StringComparison.Ordinal) && line.EndsWith(NotSet, StringComparison.Ordinal))
                options[line[2..^NotSet.Length]] = "n";
        }
        return options.ToFrozenDictionary();
    }
}
