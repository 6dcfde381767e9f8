using DriverLab.Linux;

namespace DriverLab.Rig.Kernels;

/// <summary>A kernel that can be booted: files on disk, and what they are.</summary>
/// <param name="Line">Major and minor number.</param>
/// <param name="Release">What <c>uname -r</c> says.</param>
/// <param name="Package">Package version, or <c>file</c> for a kernel given by path.</param>
/// <param name="Image">The bzImage.</param>
/// <param name="Modules">Folder that holds <c>kernel/</c>; null when the kernel has no modules.</param>
/// <param name="Digest">SHA-256 over everything above, hexadecimal: the kernel's identity in caches.</param>
/// <param name="Profile">The kernel as the emulator understands it.</param>
public sealed record KernelEntry(string Line, string Release, string Package, string Image, string? Modules, string Digest, KernelProfile Profile);
