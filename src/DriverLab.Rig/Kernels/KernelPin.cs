namespace DriverLab.Rig.Kernels;

/// <summary>What a user calls a kernel: <c>LINE</c>, <c>LINE=VERSION</c>, or <c>LINE=VERSION@DIGEST</c> for runs that must be of the very same bytes.</summary>
/// <param name="Line">Major and minor number.</param>
/// <param name="Version">Package version; null for the newest.</param>
/// <param name="Digest">The beginning, at least 12 hexadecimal digits, of <see cref="KernelEntry.Digest"/>; null when any will do.</param>
public sealed record KernelPin(string Line, string? Version, string? Digest)
{
    private const int FewestDigits = 12, MostDigits = 64;

    /// <summary>Reads the words.</summary>
    /// <exception cref="RigUsageException">They are none of the three forms.</exception>
    public static KernelPin Parse(string text)
    {
        string[] part = text.Split('=', 2);
        if (part.Length == 1)
            return new(text, null, null);
        string[] pinned = part[1].Split('@', 2);
        string version = pinned[0];
        if (version.Length == 0 || !char.IsAsciiDigit(version[0]) || version.Contains('/', StringComparison.Ordinal))
            throw new RigUsageException($"kernel '{text}': '{version}' is no package version; expected for example {part[0]}={part[0]}.100-1");
        if (pinned.Length == 1)
            return new(part[0], version, null);
        string digest = pinned[1].ToLowerInvariant();
        if (digest.Length is < FewestDigits or > MostDigits || !digest.All(char.IsAsciiHexDigit))
            throw new RigUsageException($"kernel '{text}': '{pinned[1]}' is no digest; expected {FewestDigits} to {MostDigits} hexadecimal digits (driverlab kernel list --pins)");
        return new(part[0], version, digest);
    }

    /// <summary>The pin of a kernel that is at hand.</summary>
    public static KernelPin Of(KernelEntry kernel) => new(kernel.Line, kernel.Package, kernel.Digest);

    /// <inheritdoc/>
    public override string ToString() => Line + (Version is null ? "" : "=" + Version) + (Digest is null ? "" : "@" + Digest);
}
