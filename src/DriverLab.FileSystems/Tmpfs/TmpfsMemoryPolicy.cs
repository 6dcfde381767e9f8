using System.Text;

namespace DriverLab.FileSystems.Tmpfs;

/// <summary>The value of <c>mpol=</c>, on a machine with one node of memory.</summary>
/// <remarks>Linux mm/mempolicy.c: mpol_parse_str(), mpol_new(), mpol_to_str().</remarks>
internal static class TmpfsMemoryPolicy
{
    /// <summary>Reads a policy.</summary>
    /// <param name="value">MODE[=static|relative][:NODES].</param>
    /// <param name="quirks">Which modes there are.</param>
    /// <param name="shown">As mounts tell it; null for the default, which changes nothing.</param>
    /// <returns>False for what is no policy.</returns>
    public static bool TryParse(ReadOnlySpan<byte> value, TmpfsQuirks quirks, out string? shown)
    {
        shown = null;
        string text = Encoding.Latin1.GetString(value);
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        string? nodes = colon < 0 ? null : text[(colon + 1)..];
        text = colon < 0 ? text : text[..colon];
        int equals = text.IndexOf('=', StringComparison.Ordinal);
        string? flag = equals < 0 ? null : text[(equals + 1)..];
        string mode = equals < 0 ? text : text[..equals];
        if (nodes is not null && !IsNodeList(nodes))
            return false;
        if (mode == "default")
            return nodes is null;
        if (flag is not null and not "static" and not "relative")
            return false;
        shown = Shown(mode, flag, nodes, quirks);
        return shown is not null;
    }

    private static string? Shown(string mode, string? flag, string? nodes, TmpfsQuirks quirks) => mode switch
    {
        "local" or "prefer" when nodes is null => flag is null ? "local" : null,
        "prefer" => nodes!.Length > 0 && nodes.All(char.IsAsciiDigit) ? WithNode(mode, flag) : null,
        "bind" => nodes is { Length: > 0 } ? WithNode(mode, flag) : null,
        "prefer (many)" when quirks.HasPreferMany => nodes is { Length: > 0 } ? WithNode(mode, flag) : null,
        "interleave" => nodes is not "" ? WithNode(mode, flag) : null,
        "weighted interleave" when quirks.HasWeightedInterleave => nodes is not "" ? WithNode(mode, flag) : null,
        _ => null,
    };

    private static string WithNode(string mode, string? flag) => mode + (flag is null ? "" : "=" + flag) + ":0";

    /// <summary>Numbers and ranges, all of them of the one node.</summary>
    private static bool IsNodeList(string nodes) =>
        nodes.Length == 0 || nodes.Split(',').All(static part => part.Split('-') is { Length: <= 2 } ends && ends.All(static end => end.Length > 0 && end.All(static c => c == '0')));
}
