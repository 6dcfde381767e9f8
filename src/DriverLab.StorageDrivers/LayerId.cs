using DriverLab.Linux;

namespace DriverLab.StorageDrivers;

/// <summary>Layer ids become directory names, so they are checked before they do (CVE-2014-9358).</summary>
/// <remarks>Accepted: 1 to 200 characters of <c>A-Z a-z 0-9 _ . -</c>, the first a letter or a digit. Docker's 64 hex digits and its <c>&lt;id&gt;-init</c> are such ids.</remarks>
public static class LayerId
{
    private const int Longest = 200;

    /// <summary>Null for a good id; EINVAL otherwise, also for a name that the driver keeps for itself.</summary>
    /// <param name="call">The operation, for the error.</param>
    /// <param name="id">The id.</param>
    /// <param name="reserved">A name that the driver's home uses, or empty.</param>
    public static DriverError? Check(string call, string id, string reserved)
    {
        if (id.Length == 0)
            return new(call, "\"\"", Errno.EINVAL, "the id is empty");
        if (id.Length > Longest)
            return new(call, id[..20] + "…", Errno.EINVAL, $"an id has at most {Longest} characters");
        foreach (char c in id)
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('_' or '.' or '-'))
                return new(call, ByteText.Show(ByteText.Bytes(id)), Errno.EINVAL, "an id is made of letters, digits, '_', '.' and '-'");
        if (!char.IsAsciiLetterOrDigit(id[0]))
            return new(call, id, Errno.EINVAL, "an id begins with a letter or a digit");
        return id == reserved ? new(call, id, Errno.EINVAL, "the driver keeps this name for itself") : null;
    }
}
