using System.Collections.Frozen;
using System.Text;

namespace DriverLab.Linux.Remote;

/// <summary>A kernel profile as lines: name, version, then <c>OPTION=value</c>.</summary>
internal static class ProfileText
{
    internal static string Write(KernelProfile profile)
    {
        var text = new StringBuilder();
        _ = text.Append(profile.Name).Append('\n').Append(profile.Version).Append('\n');
        foreach (var (option, value) in profile.Config.OrderBy(entry => entry.Key, StringComparer.Ordinal))
            _ = text.Append(option).Append('=').Append(value).Append('\n');
        return text.ToString();
    }

    internal static KernelProfile Read(string text)
    {
        string[] lines = text.Split('\n');
        if (lines.Length < 2 || !KernelVersion.TryParse(lines[1], out var version))
            throw new RemoteKernelException($"the server's profile has no version: {(lines.Length > 1 ? lines[1] : text)}");
        var options = new Dictionary<string, string>();
        foreach (string line in lines.AsSpan(2))
        {
            int equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals > 0)
                options[line[..equals]] = line[(equals + 1)..];
        }
        return new KernelProfile(lines[0], version, options.ToFrozenDictionary());
    }
}
