using System.Globalization;
using System.Text;
using DriverLab.Linux;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Tmpfs;

/// <summary>The value of <c>casefold=</c>: a version of Unicode.</summary>
/// <remarks>Linux mm/shmem.c: shmem_parse_opt_casefold(); fs/unicode/utf8-core.c: utf8_load().</remarks>
internal static class TmpfsEncoding
{
    private const string Latest = "12.1.0", Prefix = "utf8-";

    // Those with assignments of their own, of the data that the kernel has.
    private static readonly string[] s_versions =
    [
        "1.1.0", "2.0.0", "2.1.0", "3.0.0", "3.1.0", "3.2.0", "4.0.0", "4.1.0", "5.0.0", "5.1.0", "5.2.0", "6.0.0", "6.1.0", "6.2.0", "6.3.0", "7.0.0", "8.0.0", "9.0.0", "10.0.0", "11.0.0",
        "12.0.0", Latest,
    ];

    /// <summary>Reads the value; without one it is the newest version. A version that is taken is told in the kernel log, whoever mounts.</summary>
    /// <returns>EINVAL.</returns>
    public static Errno Parse(MountContext context, ReadOnlySpan<byte> value, bool hasValue)
    {
        string text = hasValue ? Encoding.Latin1.GetString(value) : Prefix + Latest;
        if (!text.StartsWith(Prefix, StringComparison.Ordinal))
            return context.Complain("tmpfs: Only UTF-8 encodings are supported in the format: utf8-<version number>");
        string[] parts = text[Prefix.Length..].Split('.');
        if (parts.Length != 3 || !parts.All(static p => p.Length > 0 && p.All(char.IsAsciiDigit)))
            return context.Complain($"tmpfs: Invalid UTF-8 version: {text[Prefix.Length..]}");
        string version = string.Join('.', parts.Select(static p => int.Parse(p, CultureInfo.InvariantCulture)));
        if (!s_versions.Contains(version))
            return context.Complain($"tmpfs: Failed loading UTF-8 version: {Prefix}{version}\n");
        context.Core.Log.Add($"tmpfs: Using encoding : {Prefix}{version}");
        return Errno.OK;
    }
}
