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
    public static IReadOnlyList<string> Arguments(MachineOptions options, Accelerator accelerator) =>
    [
        "-name", "driverlab-" + options.Kernel.Line,
        "-machine", "q35,smm=off,sata=off,usb=off,vmport=off,hpet=off,accel=" + accelerator.Name,
        "-cpu", accelerator.Name == "kvm" ? "host" : "max",
        "-m", options.MemoryMiB.ToString(CultureInfo.InvariantCulture), "-smp", "1",
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-kernel", options.Kernel.Image, "-initrd", options.Image.File, "-append", KernelCommandLine(options),
        "-chardev", "file,id=console,path=/dev/stderr", "-serial", "chardev:console",
        "-device", "virtio-serial-pci", "-chardev", "stdio,id=port,signal=off", "-device", "virtserialport,chardev=port,name=" + PortName,
    ];

    /// <summary>Quiet but for what matters: an oops is a panic (what runs after one proves nothing), a panic ends the machine at once.</summary>
    private static string KernelCommandLine(MachineOptions options) =>
        ("console=ttyS0 quiet loglevel=4 panic=-1 oops=panic random.trust_cpu=on mitigations=off tsc=reliable no_timer_check rdinit=/init " + options.CommandLine).TrimEnd();
}
