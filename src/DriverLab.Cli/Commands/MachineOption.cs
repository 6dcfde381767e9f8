using System.CommandLine;

namespace DriverLab.Cli.Commands;

/// <summary><c>--machine</c>: what runs real kernels.</summary>
internal static class MachineOption
{
    public static Option<string> Create() =>
        new("--machine") { Description = "qemu, or libvirt (by the connection in LIBVIRT_DEFAULT_URI, else qemu:///session).", DefaultValueFactory = _ => "qemu" };
}
