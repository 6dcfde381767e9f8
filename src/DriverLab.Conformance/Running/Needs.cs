using System.Collections.Concurrent;
using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;

namespace DriverLab.Conformance.Running;

/// <summary>Finds out, by calls, whether a kernel has what scenarios need.</summary>
/// <param name="kernel">The kernel; asked once for each need.</param>
/// <param name="known">What is known already, as of kernels that are booted in the same way one after the other; what is found is added. Null to know nothing.</param>
public sealed class Needs(IKernel kernel, ConcurrentDictionary<string, bool>? known = null)
{
    private readonly ConcurrentDictionary<string, bool> _known = known ?? [];

    /// <summary>The first need that this kernel lacks, or null.</summary>
    public string? FirstMissing(IEnumerable<string> needs)
    {
        foreach (var need in needs)
        {
            if (!_known.GetOrAdd(need, static (need, needs) => needs.Has(need), this))
                return need;
        }
        return null;
    }

    /// <summary>A file system of /proc/filesystems, <c>loop</c>, <c>dm</c>, <c>brd</c>, <c>dm-TYPE</c> for a target type, or <c>root</c>.</summary>
    private bool Has(string need) => need switch
    {
        "loop" => Opens("/dev/loop-control"u8),
        "dm" => Opens("/dev/mapper/control"u8),
        "brd" => Opens("/dev/ram0"u8),
        "root" => true, // the sandbox cannot be made otherwise
        _ when need.StartsWith("dm-", StringComparison.Ordinal) => HasTarget(need[3..]),
        _ => HasFileSystem(need),
    };

    private bool Opens(ReadOnlySpan<byte> path)
    {
        var opened = kernel.OpenAt(Fd.Cwd, path, OpenFlags.O_RDWR, Mode.None);
        if (opened.IsOk)
            _ = kernel.Close(opened.Value); // only asked whether it is there
        return opened.IsOk;
    }

    private bool HasTarget(string type)
    {
        var control = kernel.OpenAt(Fd.Cwd, "/dev/mapper/control"u8, OpenFlags.O_RDWR, Mode.None);
        if (!control.IsOk)
            return false;
        var types = kernel.DmTargetVersions(control.Value);
        _ = kernel.Close(control.Value); // holds no data
        return types.IsOk && Array.Exists(types.Value, t => t.Name == type);
    }

    private bool HasFileSystem(string name)
    {
        var (text, _) = Files.ReadAll(kernel, "/proc/filesystems"u8);
        byte[] wanted = Encoding.UTF8.GetBytes(name);
        foreach (var line in text.AsSpan().Split((byte)'\n'))
            if (text.AsSpan(line) is var words && words[(words.LastIndexOf((byte)'\t') + 1)..].SequenceEqual(wanted))
                return true;
        return false;
    }
}
