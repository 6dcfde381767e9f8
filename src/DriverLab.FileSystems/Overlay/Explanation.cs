using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>What a mounted overlay works with, after all defaults, implications and downgrades; for people and tools, no part of the kernel.</summary>
public static class OverlayExplanation
{
    /// <summary>The options in effect, each as name and value in the order of mountinfo; empty for a super block that is no overlay.</summary>
    public static IReadOnlyList<(string Name, string Value)> Effective(SuperBlock sb)
    {
        if (sb is not OverlaySuperBlock overlay)
            return [];
        var options = overlay.Options;
        return
        [
            ("layers", $"{overlay.Lowers.Length} lower{(overlay.HasDataLayers ? $", {overlay.Lowers.Count(static l => l.IsDataOnly)} of them data-only" : "")}, {(overlay.Upper is null ? "no upper" : "one upper")}"),
            ("access", overlay.IsReadOnly ? "read-only" : "read-write"),
            ("redirect_dir", OptionRules.ModeWord(options.Redirect)),
            ("index", OnOff(options.Index)),
            ("uuid", options.Uuid.ToString().ToLowerInvariant()),
            ("nfs_export", OnOff(options.NfsExport)),
            ("xino", options.Xino.ToString().ToLowerInvariant()),
            ("metacopy", OnOff(options.Metacopy)),
            ("fsync", options.Sync.ToString().ToLowerInvariant()),
            ("userxattr", OnOff(options.UserXattr)),
            ("verity", options.Verity.ToString().ToLowerInvariant()),
        ];
    }

    private static string OnOff(bool on) => on ? "on" : "off";
}
