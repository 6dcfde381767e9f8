using System.Diagnostics;
using System.Globalization;
using System.Text;
using DriverLab.Rig.Cache;
using LibvirtSharp;

namespace DriverLab.Rig.Machines;

/// <summary>Machines through libvirt instead of a QEMU of this process: <c>qemu:///session</c>, <c>qemu:///system</c>, or another host by <c>qemu+ssh://host/system</c>.</summary>
/// <remarks>
/// Kernel and guest image are named by their paths in the cache: QEMU must be able to read them there, so a host elsewhere needs the cache folder at the same path, and
/// <c>qemu:///system</c> one that its user may enter. Disks are for QEMU's own machines.
/// </remarks>
/// <param name="cache">Where saved machines are kept.</param>
/// <param name="uri">The connection.</param>
public sealed class LibvirtMachines(RigCache cache, string uri) : IMachineStarter
{
    /// <inheritdoc/>
    public string Name => $"libvirt at {Uri}";

    /// <summary>The connection that is used when none is named: <c>LIBVIRT_DEFAULT_URI</c>, else <c>qemu:///session</c>.</summary>
    public static string DefaultUri => Environment.GetEnvironmentVariable("LIBVIRT_DEFAULT_URI") is { Length: > 0 } chosen ? chosen : "qemu:///session";

    /// <summary>The connection.</summary>
    public string Uri { get; } = uri;

    /// <summary>Boots a machine and waits for the guest's hello.</summary>
    /// <exception cref="RigException">libvirt cannot be reached, or refuses.</exception>
    /// <exception cref="MachineException">The guest did not get ready.</exception>
    public async Task<Machine> BootAsync(MachineOptions options, Accelerator accelerator, CancellationToken cancellation)
    {
        var (machine, _) = await BootAsync(options, accelerator, NewName(), cancellation).ConfigureAwait(false);
        return machine;
    }

    /// <summary>A machine that goes on from its saved state, which is made the first time.</summary>
    public async Task<Machine> StartAsync(MachineOptions options, Accelerator accelerator, IProgress<string>? progress, CancellationToken cancellation)
    {
        string file = await FileAsync(options, accelerator, cancellation).ConfigureAwait(false);
        if (!File.Exists(file))
            _ = await MakeAsync(options, accelerator, progress, cancellation).ConfigureAwait(false);
        return await RestoreAsync(file, options, accelerator, cancellation).ConfigureAwait(false);
    }

    /// <summary>Boots, saves and ends a machine.</summary>
    /// <returns>How long booting and saving took, and the disk space in bytes.</returns>
    public async Task<(TimeSpan Boot, TimeSpan Save, long Bytes)> MakeAsync(MachineOptions options, Accelerator accelerator, IProgress<string>? progress, CancellationToken cancellation)
    {
        string file = await FileAsync(options, accelerator, cancellation).ConfigureAwait(false), unfinished = file + ".new";
        using (await cache.LockAsync("machine-" + Path.GetFileName(Path.GetDirectoryName(file)!), progress, cancellation).ConfigureAwait(false))
        {
            _ = Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            var (machine, domain) = await BootAsync(options, accelerator, Placeholder, cancellation).ConfigureAwait(false);
            await using (machine.ConfigureAwait(false))
            {
                long start = Stopwatch.GetTimestamp();
                try
                {
                    await Task.Run(() => domain.Save(unfinished), cancellation).ConfigureAwait(false);
                }
                catch (LibvirtException e)
                {
                    throw Refused(Uri, e);
                }
                var save = Stopwatch.GetElapsedTime(start);
                File.Move(unfinished, file, overwrite: true);
                RigCache.Commit(Path.Combine(Path.GetDirectoryName(file)!, "manifest"), stream => stream.Write("libvirt\n"u8));
                return (machine.BootTime, save, await DiskUse.OfAsync([file], cancellation).ConfigureAwait(false));
            }
        }
    }

    private async Task<Machine> RestoreAsync(string file, MachineOptions options, Accelerator accelerator, CancellationToken cancellation)
    {
        // libvirt insists on the saved name and uuid, and two machines cannot share them: each goes on from a copy of its own in which both are replaced by others of the same length.
        string name = NewName(), copy = Path.Combine(cache.Folder("runs"), string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId}-{name}"));
        try
        {
            await Task.Run(() => CopyRenamed(file, copy, name), cancellation).ConfigureAwait(false);
            long start = Stopwatch.GetTimestamp();
            var domain = await LibvirtDomain.StartAsync(Uri, name, connection => connection.Restore(copy, paused: true)).ConfigureAwait(false);
            return await QemuMachine.OverAsync(options, accelerator, domain, restored: true, start, cancellation).ConfigureAwait(false);
        }
        finally
        {
            RigCache.Remove(copy);
        }
    }

    private async Task<(QemuMachine Machine, LibvirtDomain Domain)> BootAsync(MachineOptions options, Accelerator accelerator, string name, CancellationToken cancellation)
    {
        if (!options.Disks.IsEmpty)
            throw new RigUsageException($"the machine has {options.Disks.Length} disks, and machines of libvirt take none; use --machine qemu");
        var xml = new DomainXml
        {
            Name = name,
            Uuid = name == Placeholder ? PlaceholderUuid : Guid.NewGuid(),
            Type = accelerator.Name == "kvm" ? DomainType.Kvm : DomainType.Qemu,
            CpuModel = accelerator.Name == "kvm" ? "host-passthrough" : "maximum",
            MemoryMiB = options.MemoryMiB,
            Cpus = options.Cpus,
            Kernel = options.Kernel.Image,
            Initrd = options.Image.File,
            CommandLine = QemuCommand.KernelCommandLine(options),
            Channels = [new(QemuCommand.PortName)],
            Bare = true,
        };
        long start = Stopwatch.GetTimestamp();
        var domain = await LibvirtDomain.StartAsync(Uri, name, connection => connection.Create(xml.ToString(), DomainCreateFlags.Paused | DomainCreateFlags.AutoDestroy).Dispose()).ConfigureAwait(false);
        return (await QemuMachine.OverAsync(options, accelerator, domain, restored: false, start, cancellation).ConfigureAwait(false), domain);
    }

    private const string Placeholder = "driverlab-0000000000000000";

    private static readonly Guid PlaceholderUuid = Guid.Parse("d1100000-d110-4d11-8d11-d11d11d11d11");

    private static string NewName() => "driverlab-" + Convert.ToHexStringLower(System.Security.Cryptography.RandomNumberGenerator.GetBytes(8));

    private static void CopyRenamed(string file, string copy, string name)
    {
        File.Copy(file, copy, overwrite: true);
        using var stream = new FileStream(copy, FileMode.Open, FileAccess.ReadWrite);
        var head = new byte[(int)Math.Min(stream.Length, 64 << 10)];
        stream.ReadExactly(head);
        Replace(head, Encoding.ASCII.GetBytes(Placeholder), Encoding.ASCII.GetBytes(name));
        Replace(head, Encoding.ASCII.GetBytes(PlaceholderUuid.ToString()), Encoding.ASCII.GetBytes(Guid.NewGuid().ToString()));
        stream.Position = 0;
        stream.Write(head);
    }

    private static void Replace(Span<byte> text, ReadOnlySpan<byte> from, ReadOnlySpan<byte> to)
    {
        for (int at; (at = text.IndexOf(from)) >= 0; text = text[(at + from.Length)..])
            to.CopyTo(text[at..]);
    }

    private async Task<string> FileAsync(MachineOptions options, Accelerator accelerator, CancellationToken cancellation)
    {
        string qemu = await QemuVersion.GetAsync(cancellation).ConfigureAwait(false);
        string text = string.Create(CultureInfo.InvariantCulture, $"libvirt 1\n{Uri}\n{options.Kernel.Digest}\n{options.Image.Digest}\n{options.MemoryMiB}\n{options.Cpus}\n{options.CommandLine}\n{accelerator.Name}\n{qemu}");
        return cache.PathOf("machines", "libvirt-" + FileHash.Of(Encoding.UTF8.GetBytes(text))[..24], "state");
    }

    /// <summary>libvirt's refusal as a sentence that says what to do.</summary>
    internal static RigException Refused(string uri, LibvirtException e) => e switch
    {
        { Code: LibvirtErrorCode.LibraryMissing } => new(e.Message, e),
        ConnectionFailedException => new($"{e.Message}; is libvirtd running there? Start it, or install it with: apt-get install libvirt-daemon-system (driverlab doctor tells what is there); --machine qemu needs none", e),
        InvalidDomainXmlException => new($"libvirt at {uri} does not accept the machine: {e.Message}", e),
        _ => new($"libvirt at {uri}: {e.Message}", e),
    };
}
