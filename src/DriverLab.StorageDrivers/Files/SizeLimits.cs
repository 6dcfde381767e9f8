using DriverLab.Linux;

namespace DriverLab.StorageDrivers.Files;

/// <summary>Sizes of layers by project quota, which is looked for when the first size asks for it: most homes never have one.</summary>
/// <param name="kernel">The task.</param>
/// <param name="home">A driver's home.</param>
/// <param name="layers">The directory with its layers' directories.</param>
internal sealed class SizeLimits(IKernel kernel, string home, string layers)
{
    private ProjectQuota? _quota;

    /// <summary>Whether a size can be kept here; always for none.</summary>
    /// <returns>EOPNOTSUPP (another file system, no <c>prjquota</c>, no device nodes), then what the kernel says.</returns>
    public DriverError? Check(long? bytes)
    {
        if (bytes is null || _quota is not null)
            return null;
        var opened = ProjectQuota.Open(kernel, home, layers);
        _quota = opened.IsOk ? opened.Value : null;
        return opened.Error;
    }

    /// <summary>Limits an empty directory, where there is a size.</summary>
    /// <returns>As <see cref="Check"/>, then what the kernel says.</returns>
    public DriverError? Limit(string directory, long? bytes) => Check(bytes) ?? (bytes is { } size ? _quota!.Limit(directory, size) : null);
}
