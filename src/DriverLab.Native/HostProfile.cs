using System.Collections.Frozen;
using System.IO.Compression;
using DriverLab.Linux;

namespace DriverLab.Native;

/// <summary>
/// The profile of the running kernel: its release from uname(2), its configuration from /proc/config.gz or /boot/config-RELEASE where one can be read, and the settings of
/// /proc/sys/fs that decide what is allowed.
/// </summary>
internal static class HostProfile
{
    internal static KernelProfile Read()
    {
        string release = Release();
        _ = KernelVersion.TryParse(release, out var version);
        var options = new Dictionary<string, string>(Configuration(release));
        foreach (string name in (string[])["protected_hardlinks", "protected_symlinks", "protected_fifos", "protected_regular"])
        {
            // A setting that cannot be read is as the kernel is without it; distributions and systemd choose differently.
            if (Setting($"/proc/sys/fs/{name}") is { } value)
                options[$"fs.{name}"] = value;
        }
        return new KernelProfile(release, version, options.ToFrozenDictionary());
    }

    private static string? Setting(string path)
    {
        try
        {
            return File.ReadAllText(path).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Reads the lines of a .config file: set options and values; the rest is absent.</summary>
    internal static FrozenDictionary<string, string> Parse(TextReader text)
    {
        var options = new Dictionary<string, string>();
        while (text.ReadLine() is { } line)
        {
            int equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals > 0 && line.StartsWith("CONFIG_", StringComparison.Ordinal))
                options[line[..equals]] = line[(equals + 1)..].Trim('"');
        }
        return options.ToFrozenDictionary();
    }

    /// <summary>struct new_utsname: six fields of 65 bytes; the third is the release.</summary>
    private static unsafe string Release()
    {
        const int Field = 65;
        byte* name = stackalloc byte[6 * Field];
        _ = Libc.Syscall(Nr.Uname, (nint)name, 0, 0, 0, 0, 0);
        return System.Runtime.InteropServices.Marshal.PtrToStringUTF8((nint)(name + 2 * Field)) ?? "";
    }

    private static FrozenDictionary<string, string> Configuration(string release)
    {
        try
        {
            if (File.Exists("/proc/config.gz"))
            {
                using var packed = new StreamReader(new GZipStream(File.OpenRead("/proc/config.gz"), CompressionMode.Decompress));
                return Parse(packed);
            }
            string plain = $"/boot/config-{release}";
            if (File.Exists(plain))
            {
                using var text = new StreamReader(plain);
                return Parse(text);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            // A configuration that cannot be read is one that is not known: the profile then says version only.
        }
        return FrozenDictionary<string, string>.Empty;
    }
}
