using System.Globalization;
using DriverLab.Rig.Cache;
using DriverLab.Rig.Kernels;
using DriverLab.Rig.Machines;
using DriverLab.Rig.Processes;

namespace DriverLab.Rig;

/// <summary>One thing that real kernels need, and how it stands here.</summary>
/// <param name="What">The thing.</param>
/// <param name="Ok">True when it is there and good.</param>
/// <param name="Found">What was found.</param>
/// <param name="Remedy">What to do; empty when nothing is needed.</param>
/// <param name="Package">Debian's package that brings it; empty when none does.</param>
public sealed record RigFinding(string What, bool Ok, string Found, string Remedy, string Package);

/// <summary>What this machine has of what the rig needs: the data behind <c>driverlab doctor</c>.</summary>
public static class RigEnvironment
{
    private const long WantedFreeBytes = 2L << 30;

    private static (string Tool, string Package, string Why)[] Tools =>
    [
        (QemuCommand.Program, QemuCommand.Package, "runs guests"),
        ("setpriv", "util-linux", "ties machines to the process that started them"),
        ("busybox", "busybox-static", "is the guest's shell and tools"),
        ("apt-get", "apt", "fetches kernels with their signatures checked"),
        ("dpkg-deb", "dpkg", "unpacks kernel packages"),
        ("xz", "xz-utils", "unpacks modules of 6.12 and newer"),
        ("gcc", "gcc", "links the guest program"),
    ];

    /// <summary>Looks at tools, files and disk. Nothing is started but QEMU for its version.</summary>
    public static async Task<IReadOnlyList<RigFinding>> InspectAsync(RigCache cache, CancellationToken cancellation)
    {
        var findings = new List<RigFinding>();
        foreach (var (tool, package, why) in Tools)
        {
            string? found = Tool.Find(tool);
            findings.Add(new(tool, found is not null, found ?? "not found", found is null ? $"{why}: apt-get install {package}" : "", package));
        }
        if (findings[0].Ok)
            findings[0] = findings[0] with { Found = await QemuVersion.GetAsync(cancellation).ConfigureAwait(false) };
        findings.Add(FileFinding("C library headers", "/usr/include/stdlib.h", "libc6-dev", "link the guest program"));
        findings.Add(FileFinding("zlib headers", "/usr/include/zlib.h", "zlib1g-dev", "link the guest program"));
        findings.Add(FileFinding("Debian's keys", AptState.Keyring, "debian-archive-keyring", "verify kernel packages"));
        findings.Add(DiskFinding(cache.Root));
        findings.Add(LibvirtFinding());
        return findings;
    }

    /// <summary>libvirt is a choice: without it nothing is missing, but <c>--machine libvirt</c> will say why it cannot.</summary>
    private static RigFinding LibvirtFinding()
    {
        string uri = LibvirtMachines.DefaultUri;
        bool library = Directory.EnumerateDirectories("/usr/lib").SelectMany(folder => Directory.EnumerateFiles(folder, "libvirt.so.0")).Any();
        string? daemon = Tool.Find("libvirtd") ?? Tool.Find("virtqemud");
        string? socket = ((string[])["/run/libvirt/virtqemud-sock", "/run/libvirt/libvirt-sock"]).FirstOrDefault(File.Exists);
        string found = !library ? "not installed; only --machine libvirt needs it (apt-get install libvirt0, and libvirt-daemon-system for machines on this host)"
            : daemon is null ? $"the library is there, but no libvirtd on this host; --machine libvirt works with other hosts only (LIBVIRT_DEFAULT_URI=qemu+ssh://HOST/system), or after apt-get install libvirt-daemon-system"
            : socket is null ? $"{daemon} is there, but nothing listens in /run/libvirt: qemu:///system needs it started; {uri} is used unless LIBVIRT_DEFAULT_URI says otherwise"
            : $"{daemon} listens at {socket}; {uri} is used unless LIBVIRT_DEFAULT_URI says otherwise";
        return new("libvirt (optional)", true, found, "", "");
    }

    /// <summary>The accelerator as it was probed by booting on this host kernel and QEMU; not probed yet is no fault.</summary>
    public static async Task<RigFinding> AcceleratorAsync(RigCache cache, CancellationToken cancellation)
    {
        var known = await new AcceleratorProbe(cache).RememberedAsync(cancellation).ConfigureAwait(false);
        return new("accelerator", true, known is null ? "not probed yet: the first machine that boots does it" : $"{known.Name}: {known.Why}", "", "");
    }

    private static RigFinding FileFinding(string what, string file, string package, string why) =>
        File.Exists(file) ? new(what, true, file, "", package) : new(what, false, $"{file} is missing", $"needed to {why}: apt-get install {package}", package);

    private static RigFinding DiskFinding(string root)
    {
        long free = new DriveInfo(root).AvailableFreeSpace;
        string found = string.Create(CultureInfo.InvariantCulture, $"{free / 1e9:0.0} GB free for the cache {root}");
        return new("disk", free >= WantedFreeBytes, found, free >= WantedFreeBytes ? "" : "free 2 GB there, or choose another folder with DRIVERLAB_CACHE=DIR", "");
    }
}
