using DriverLab.Linux.Abi;

namespace DriverLab.FileSystems.Overlay;

/// <summary>What a path given as an option stands for.</summary>
internal enum LayerRole
{
    /// <summary>An element of <c>lowerdir=</c>.</summary>
    Lower,
    /// <summary>An element of <c>lowerdir=</c> behind <c>::</c>.</summary>
    LowerData,
    /// <summary><c>lowerdir+=</c></summary>
    AppendedLower,
    /// <summary><c>datadir+=</c></summary>
    AppendedData,
    /// <summary><c>upperdir=</c></summary>
    Upper,
    /// <summary><c>workdir=</c></summary>
    Work,
}

/// <summary>Values of <c>redirect_dir</c>.</summary>
internal enum RedirectMode
{
    Off,
    NoFollow,
    Follow,
    On,
}

/// <summary>Values of <c>xino</c>.</summary>
internal enum XinoMode
{
    Off,
    Auto,
    On,
}

/// <summary>Values of <c>uuid</c>.</summary>
internal enum UuidMode
{
    Off,
    Null,
    Auto,
    On,
}

/// <summary>Values of <c>fsync</c>; <c>volatile</c> is one of them on every line.</summary>
internal enum SyncMode
{
    Auto,
    Strict,
    Volatile,
}

/// <summary>Values of <c>verity</c>.</summary>
internal enum VerityMode
{
    Off,
    On,
    Require,
}

/// <summary>A lower layer's path after unescaping.</summary>
internal readonly record struct LowerPath(byte[] Path, LayerRole Role)
{
    /// <summary>Reachable by redirects only.</summary>
    public bool IsData => Role is LayerRole.LowerData or LayerRole.AppendedData;
}

/// <summary>The mount options of one overlay: as parsed, then as verified (<see cref="OptionRules"/>), then as the mount could keep them.</summary>
/// <remarks>Linux fs/overlayfs/ovl_entry.h: struct ovl_config.</remarks>
internal sealed class OverlayOptions
{
    public OverlayOptions(OverlayQuirks quirks)
    {
        RedirectDefault = quirks.RedirectDirDefault ? RedirectMode.On : OffMode(quirks);
        Redirect = quirks.FsContext || quirks.RedirectDirDefault ? RedirectDefault : RedirectMode.Off;
        RedirectText = quirks.RedirectDirDefault ? "on" : "off";
        Index = quirks.IndexDefault;
        NfsExport = quirks.NfsExportDefault;
        Metacopy = quirks.MetacopyDefault;
        Xino = quirks.XinoAutoDefault ? XinoMode.Auto : XinoMode.Off;
        Uuid = quirks.PersistentUuid ? UuidMode.Auto : UuidMode.On;
    }

    /// <summary>What <c>redirect_dir=off</c> means on this kernel.</summary>
    public static RedirectMode OffMode(OverlayQuirks quirks) => quirks.RedirectAlwaysFollow ? RedirectMode.Follow : RedirectMode.NoFollow;

    /// <summary>The value of <c>lowerdir=</c> as typed, for mountinfo; null with <c>lowerdir+=</c>.</summary>
    public byte[]? LowerText;
    /// <summary>The lower layers, top first.</summary>
    public List<LowerPath> Lowers = [];
    /// <summary><c>upperdir=</c> as typed.</summary>
    public byte[]? UpperText;
    /// <summary><c>workdir=</c> as typed.</summary>
    public byte[]? WorkText;
    public bool DefaultPermissions;
    public RedirectMode Redirect;
    /// <summary>Before 6.5 the word is kept and shown as it was given.</summary>
    public string RedirectText;
    public readonly RedirectMode RedirectDefault;
    public bool Index;
    public UuidMode Uuid;
    public bool NfsExport;
    public XinoMode Xino;
    public bool Metacopy;
    public SyncMode Sync;
    public bool UserXattr;
    public VerityMode Verity;

    // Which of the options that depend on each other were given explicitly.
    public bool RedirectGiven;
    public bool IndexGiven;
    public bool NfsExportGiven;
    public bool MetacopyGiven;

    /// <summary>MS_RDONLY and others from generic words inside the option string (since 6.5).</summary>
    public MountFlags GenericSet;
    public MountFlags GenericCleared;

    /// <summary>Directory renames write redirects.</summary>
    public bool RedirectsDirectories => Redirect == RedirectMode.On;

    /// <summary>Redirects found on disk are obeyed.</summary>
    public bool FollowsRedirects => Redirect is RedirectMode.On or RedirectMode.Follow;

    /// <summary>Copy-up and fsync reach the disk.</summary>
    public bool ShouldSync => Sync != SyncMode.Volatile;
}

/// <summary>Paths inside option strings: separators and escapes.</summary>
internal static class OptionText
{
    /// <summary>Removes one level of backslashes.</summary>
    /// <remarks>Linux fs/overlayfs/params.c: ovl_unescape().</remarks>
    public static byte[] Unescape(ReadOnlySpan<byte> text)
    {
        var result = new byte[text.Length];
        int length = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '\\' && ++i == text.Length)
                break;
            result[length++] = text[i];
        }
        return result[..length];
    }

    /// <summary>True when the last backslash has nothing to protect.</summary>
    public static bool HasDanglingBackslash(ReadOnlySpan<byte> text) => ((text.Length - 1 - text.LastIndexOfAnyExcept((byte)'\\')) & 1) != 0;

    /// <summary>The position of the first separator that no backslash protects; -1 when there is none.</summary>
    public static int IndexOfUnescaped(ReadOnlySpan<byte> text, byte separator)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '\\')
                i++;
            else if (text[i] == separator)
                return i;
        }
        return -1;
    }

    /// <summary>Splits at unescaped separators; escapes stay in the pieces.</summary>
    public static List<byte[]> Split(ReadOnlySpan<byte> text, byte separator)
    {
        var pieces = new List<byte[]>();
        while (true)
        {
            int at = IndexOfUnescaped(text, separator);
            if (at < 0)
                break;
            pieces.Add(text[..at].ToArray());
            text = text[(at + 1)..];
        }
        pieces.Add(text.ToArray());
        return pieces;
    }
}
