using System.Globalization;

namespace DriverLab.Rig.Machines;

/// <summary>QEMU's command line for a machine.</summary>
internal static class QemuCommand
{
    /// <summary>The program: <c>DRIVERLAB_QEMU=FILE</c> names another than the installed one.</summary>
    public static string Program => Environment.GetEnvironmentVariable("DRIVERLAB_QEMU") is { Length: > 0 } chosen ? chosen : "qemu-system-x86_64";

    /// <summary>Debian's package with the program.</summary>
    public const string Package = "qemu-system-x86";

    /// <summary>Name of the virtio-serial port that the guest program looks for.</summary>
    public const string PortName = "driverlab";

    /// <summary>Arguments. Standard input and output are the port, standard error is the console: no file and no socket is made that a killed run could leave behind.</summary>
    /// <param name="options">The machine.</param>
    /// <param name="accelerator">What runs it.</param>
    /// <param name="extra">More arguments: the memory, a control socket.</param>
    public static IReadOnlyList<string> Arguments(MachineOptions options, Accelerator accelerator, IReadOnlyList<string> extra) =>
    [
        "-name", "driverlab-" + options.Kernel.Line,
        "-machine", "q35,smm=off,sata=off,usb=off,vmport=off,hpet=off,accel=" + accelerator.Name,
        "-cpu", Processor(accelerator),
        "-m", options.MemoryMiB.ToString(CultureInfo.InvariantCulture), "-smp", options.Cpus.ToString(CultureInfo.InvariantCulture),
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        // A machine that goes on has its kernel in its memory: reading the files would take a third of QEMU's start.
        .. extra.Contains("-incoming") ? (string[])[] : ["-kernel", options.Kernel.Image, "-initrd", options.Image.File, "-append", KernelCommandLine(options)],
        "-chardev", "file,id=console,path=/dev/stderr", "-serial", "chardev:console",
        "-device", "virtio-serial-pci", "-chardev", "stdio,id=port,signal=off", "-device", "virtserialport,chardev=port,name=" + PortName,
        .. options.Disks.SelectMany(Disk),
        .. extra,
    ];

    /// <summary>The processor that the guest sees.</summary>
    public static string Processor(Accelerator accelerator) => accelerator.Name == "kvm" ? "host" : "max";

    /// <summary>The node of a disk, and the virtio device over it. Errors go to the guest: a disk that is full must not stop the machine.</summary>
    private static IEnumerable<string> Disk(MachineDisk disk, int index)
    {
        string node = NodeName(index), file = Escape(disk.Source), readOnly = disk.ReadOnly ? ",read-only=on" : "";
        string blockdev = disk.Format switch
        {
            DiskFormat.Raw => $"driver=raw,file.driver=file,file.filename={file},file.discard=unmap,discard=unmap",
            DiskFormat.Qcow2 => $"driver=qcow2,file.driver=file,file.filename={file},file.discard=unmap,discard=unmap",
            DiskFormat.Nbd when disk.Source.StartsWith('@') => $"driver=nbd,server.type=unix,server.abstract=on,server.path={file[1..]},export={Escape(disk.Export)},discard=unmap",
            DiskFormat.Nbd => $"driver=nbd,server.type=unix,server.path={file},export={Escape(disk.Export)},discard=unmap",
            DiskFormat.Null => string.Create(CultureInfo.InvariantCulture, $"driver=null-co,size={disk.SizeBytes},read-zeroes=on"),
        };
        return ["-blockdev", $"{blockdev},node-name={node}{readOnly}", "-device", $"virtio-blk-pci,drive={node},id={node},serial={Escape(disk.Name)},werror=report,rerror=report"];
    }

    /// <summary>QEMU's name for a disk's first node, and for the device.</summary>
    public static string NodeName(int index) => "disk" + index.ToString(CultureInfo.InvariantCulture);

    /// <summary>The control channel: QEMU connects to a socket in the abstract name space.</summary>
    public static IReadOnlyList<string> Control(string name) =>
        ["-chardev", $"socket,id=control,path={Escape(name)},abstract=on,tight=on", "-mon", "chardev=control,mode=control"];

    // QEMU ends a value at a comma; two commas stand for one.
    internal static string Escape(string value) => value.Replace(",", ",,", StringComparison.Ordinal);

    /// <summary>Quiet but for what matters: an oops is a panic (what runs after one proves nothing), a panic ends the machine at once. Waiting for readers of RCU is what a removal of a device or mount spends most of its time on, so it is not put off.</summary>
    public static string KernelCommandLine(MachineOptions options) =>
        ("console=ttyS0 quiet loglevel=4 panic=-1 oops=panic random.trust_cpu=on mitigations=off tsc=reliable no_timer_check rcupdate.rcu_expedited=1 rdinit=/init " + options.CommandLine).TrimEnd();
}
