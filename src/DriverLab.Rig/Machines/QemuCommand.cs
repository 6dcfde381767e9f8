using System.Globalization;

namespace DriverLab.Rig.Machines;

/// <summary>QEMU's command line for a machine.</summary>
internal static class QemuCommand
{
    /// <summary>Name of the program.</summary>
    public const string Program = "qemu-system-x86_64";

    /// <summary>Debian's package with the program.</summary>
    public const string Package = "qemu-system-x86";

    /// <summary>Name of the virtio-serial port that the guest program looks for.</summary>
    public const string PortName = "driverlab";

    /// <summary>Arguments. Standard input and output are the port, standard error is the console: no file and no socket is made that a killed run could leave behind.</summary>
    /// <param name="options">The machine.</param>
    /// <param name="accelerator">What runs it.</param>
    /// <param name="extra">More arguments: memory in a file, a control socket.</param>
    public static IReadOnlyList<string> Arguments(MachineOptions options, Accelerator accelerator, IReadOnlyList<string> extra) =>
    [
        "-name", "driverlab-" + options.Kernel.Line,
        "-machine", "q35,smm=off,sata=off,usb=off,vmport=off,hpet=off,accel=" + accelerator.Name,
        "-cpu", accelerator.Name == "kvm" ? "host" : "max",
        "-m", options.MemoryMiB.ToString(CultureInfo.InvariantCulture), "-smp", "1",
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-kernel", options.Kernel.Image, "-initrd", options.Image.File, "-append", KernelCommandLine(options),
        "-chardev", "file,id=console,path=/dev/stderr", "-serial", "chardev:console",
        "-device", "virtio-serial-pci", "-chardev", "stdio,id=port,signal=off", "-device", "virtserialport,chardev=port,name=" + PortName,
        .. extra,
    ];

    /// <summary>Memory in a file: shared when the machine is to be saved, private (copy on write) when it is restored.</summary>
    public static IReadOnlyList<string> MemoryFile(MachineOptions options, string file, bool shared) =>
    [
        "-object", string.Create(CultureInfo.InvariantCulture, $"memory-backend-file,id=memory,size={options.MemoryMiB}M,mem-path={Escape(file)},share={(shared ? "on" : "off")}"),
        "-machine", "memory-backend=memory",
    ];

    /// <summary>A control socket that QEMU listens on.</summary>
    public static IReadOnlyList<string> Control(string socket) =>
        ["-chardev", $"socket,id=control,path={Escape(socket)},server=on,wait=off", "-mon", "chardev=control,mode=control"];

    // QEMU ends a value at a comma; two commas stand for one.
    private static string Escape(string value) => value.Replace(",", ",,", StringComparison.Ordinal);

    /// <summary>Quiet but for what matters: an oops is a panic (what runs after one proves nothing), a panic ends the machine at once.</summary>
    private static string KernelCommandLine(MachineOptions options) =>
        ("console=ttyS0 quiet loglevel=4 panic=-1 oops=panic random.trust_cpu=on mitigations=off tsc=reliable no_timer_check rdinit=/init " + options.CommandLine).TrimEnd();
}
