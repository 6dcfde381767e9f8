using System.Collections.Frozen;
using DriverLab.Emulator;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Contracts.Tests;

/// <summary>The emulator as a 6.1 kernel with aufs, and the sandbox is a union: what a program may expect of any file system holds on it too, but for what is listed here with its reason.</summary>
public sealed record AufsKernelKind() : KernelKind("emulated 6.1-aufs")
{
    private const string RootLinks = "aufs: the root of a union counts two hidden directories of its writable branch as links";

    private static readonly FrozenDictionary<string, string> s_config =
        new Dictionary<string, string> { ["CONFIG_AUFS_FS"] = "y", ["CONFIG_TMPFS_XATTR"] = "y", ["CONFIG_TMPFS_POSIX_ACL"] = "y" }.ToFrozenDictionary();

    private static readonly FrozenDictionary<string, string> s_differences = new Dictionary<string, string>
    {
        ["Lseek_finds_data_behind_a_hole"] = "aufs: lseek knows nothing of holes",
        ["A_handle_finds_its_file_again"] = "aufs: no handles",
        ["Component_of_256_bytes_is_too_long(255)"] = "aufs: a name has at most 242 bytes",
        ["Whiteout_leaves_a_character_device_0_0"] = "aufs: RENAME_WHITEOUT is EINVAL",
        ["Removed_attribute_is_gone"] = "aufs: removexattr leaves the attribute with an empty value",
        ["Removed_working_directory_has_itself"] = "aufs: a removed directory is ESTALE",
        ["Makes_an_empty_directory_with_two_links"] = RootLinks,
        ["Exchange_swaps_two_names"] = RootLinks,
        ["Replaces_an_empty_directory"] = RootLinks,
        ["Removes_an_empty_directory"] = RootLinks,
    }.ToFrozenDictionary();

    /// <inheritdoc/>
    public override IKernel NewTask() => new EmulatedKernel(new KernelProfile("6.1-aufs", new(6, 1), s_config));

    /// <inheritdoc/>
    public override Errno MountRoot(IKernel kernel)
    {
        var error = Errno.OK;
        foreach (string branch in (string[])["/mnt/rw", "/mnt/ro"])
        {
            error = error == Errno.OK ? kernel.Mkdir(branch) : error;
            error = error == Errno.OK ? kernel.Mount("contract", branch, "tmpfs", MountFlags.None, "mode=0755") : error;
        }
        return error == Errno.OK ? kernel.Mount("contract", "/tmp", "aufs", MountFlags.None, "br:/mnt/rw=rw:/mnt/ro=ro+wh,acl") : error;
    }

    /// <inheritdoc/>
    public override string? Differs(string test) => s_differences.GetValueOrDefault(test);
}
