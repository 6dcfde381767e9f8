using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Contracts.Tests;

/// <summary>Arrangements that several contracts share.</summary>
internal static class Sandboxes
{
    /// <summary>Mounts a tmpfs on <c>m</c> with a file <c>f</c>, a link <c>l</c> and a directory <c>d</c> holding <c>e</c>, then makes it read-only.</summary>
    public static void MakeReadOnlyMount(this Contract contract, IKernel kernel)
    {
        Errno[] steps =
        [
            kernel.Mkdir("m"),
            kernel.Mount("x", "m", "tmpfs", MountFlags.None, "mode=0755"),
            kernel.Mknod("m/f", Mode.S_IFREG | Calls.Oct(644)),
            kernel.Symlink("f", "m/l"),
            kernel.Mkdir("m/d"),
            kernel.Mkdir("m/d/e"),
            kernel.Mount("x", "m", "tmpfs", MountFlags.MS_REMOUNT | MountFlags.MS_RDONLY),
        ];
        Assert.That(steps, Is.All.EqualTo(Errno.OK), $"{contract.Kind}: read-only mount");
    }
}
