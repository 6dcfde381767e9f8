using System.Collections.Frozen;

namespace DriverLab.Linux;

/// <summary>A kernel version of three numbers; ordered.</summary>
public readonly record struct KernelVersion(int Major, int Minor, int Patch = 0) : IComparable<KernelVersion>
{
    public static bool operator <(KernelVersion a, KernelVersion b) => a.CompareTo(b) < 0;
    public static bool operator >(KernelVersion a, KernelVersion b) => a.CompareTo(b) > 0;
    public static bool operator <=(KernelVersion a, KernelVersion b) => a.CompareTo(b) <= 0;
    public static bool operator >=(KernelVersion a, KernelVersion b) => a.CompareTo(b) >= 0;

    /// <inheritdoc/>
    public int CompareTo(KernelVersion other) => (Major, Minor, Patch).CompareTo((other.Major, other.Minor, other.Patch));

    /// <summary>The line, for example <c>6.12</c>.</summary>
    public string Line => $"{Major}.{Minor}";

    /// <summary>Reads the leading numbers of a release string such as <c>6.12.48+deb13-cloud-amd64</c>; false when there are not at least two.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out KernelVersion version)
    {
        version = default;
        Span<int> parts = stackalloc int[3];
        int count = 0, at = 0;
        while (count < 3 && at < text.Length && char.IsAsciiDigit(text[at]))
        {
            int end = at;
            while (end < text.Length && char.IsAsciiDigit(text[end]))
                end++;
            if (!int.TryParse(text[at..end], out parts[count++]))
                return false;
            at = end < text.Length && text[end] == '.' ? end + 1 : text.Length;
        }
        version = new(parts[0], parts[1], parts[2]);
        return count >= 2;
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Major}.{Minor}.{Patch}";
}

/// <summary>What a kernel is: version, build configuration and module parameters. The one input that emulator and rig share.</summary>
/// <remarks>
/// Subsystems derive a <c>…Quirks</c> record from it once; bodies never test versions.
/// <see cref="Config"/> maps a Kconfig name with its prefix (<c>CONFIG_OVERLAY_FS_INDEX</c>) to <c>y</c>, <c>m</c>, <c>n</c> or a value; absent means <c>n</c>.
/// </remarks>
public sealed record KernelProfile(string Name, KernelVersion Version, FrozenDictionary<string, string> Config)
{
    /// <summary>A profile with no configuration beyond the upstream defaults.</summary>
    public KernelProfile(string name, KernelVersion version) : this(name, version, FrozenDictionary<string, string>.Empty) { }

    /// <summary>True when the option is built in or a module.</summary>
    public bool Has(string option) => Config.TryGetValue(option, out var value) && value is "y" or "m";

    /// <summary>True when this kernel is of the given version or newer.</summary>
    public bool AtLeast(int major, int minor, int patch = 0) => Version >= new KernelVersion(major, minor, patch);
}
