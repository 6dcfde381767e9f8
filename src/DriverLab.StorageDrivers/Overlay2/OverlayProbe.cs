using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.StorageDrivers.Overlay2;

/// <summary>Asks the kernel, by a mount in a scratch directory under the home, whether overlay works there and what its upper directories say.</summary>
/// <remarks>
/// Docker's checks: supportsOverlay, d_type, and doesSupportNativeDiff. Native diff is off where a copied-up directory inherits the opaque mark (kernels before 4.8) and where a renamed
/// directory becomes a redirect (redirect_dir=on), since its upper side would look empty.
/// </remarks>
internal static class OverlayProbe
{
    private const Mode Dir = Mode.S_IRWXU;

    /// <summary>Probes; the scratch directory is gone afterwards.</summary>
    /// <returns>EOPNOTSUPP: no d_type; otherwise what mount(2) said.</returns>
    public static DriverResult<OverlayFeatures> Run(IKernel kernel, string home)
    {
        byte[] homePath = ByteText.Bytes(home);
        var error = kernel.StatFs(homePath, out var fs);
        if (error != Errno.OK)
            return DriverError.Of(error, "statfs", homePath)!;
        if (!GivesTypes(kernel, homePath))
            return new DriverError("probe", home, Errno.EOPNOTSUPP, "the file system gives no types in directory entries (d_type)");
        bool userNamespace = InUserNamespace(kernel);
        var features = new OverlayFeatures(
            IndexOff: kernel.Profile.AtLeast(4, 13), UserXattr: userNamespace && kernel.Profile.AtLeast(5, 11), NativeDiff: !userNamespace, Metacopy: false, BackingFs: NameOf(fs.Type));
        byte[] scratch = ByteText.Join(homePath, ".probe"u8);
        _ = kernel.Umount(ByteText.Join(scratch, "merged"u8), UmountFlags.MNT_DETACH); // left by a killed run, as is the rest
        _ = TreeRemoval.Remove(kernel, Fd.Cwd, scratch);
        var probed = Mounted(kernel, ByteText.Show(scratch), features);
        error = TreeRemoval.Remove(kernel, Fd.Cwd, scratch);
        return probed.Error is null && error != Errno.OK ? DriverError.Of(error, "remove", scratch)! : probed;
    }

    private static DriverResult<OverlayFeatures> Mounted(IKernel kernel, string scratch, OverlayFeatures features)
    {
        byte[] At(string name) => ByteText.Bytes($"{scratch}/{name}");
        foreach (string name in (ReadOnlySpan<string>)["", "1", "1/d", "2", "2/d", "2/r", "upper", "work", "merged"])
            if (kernel.MkdirAt(Fd.Cwd, At(name), Dir) is not Errno.OK and var failed)
                return DriverError.Of(failed, "mkdir", At(name))!;
        var error = kernel.WriteWhole(At("2/f"), "x"u8, (Mode)0x180);
        byte[] opaque = Encoding.ASCII.GetBytes(features.UserXattr ? "user.overlay.opaque" : "trusted.overlay.opaque");
        if (error == Errno.OK)
            error = kernel.SetXattr(At("2/d"), opaque, "y"u8, XattrFlags.None, AtFlags.None);
        if (error != Errno.OK)
            return new DriverError("probe", scratch, error, "overlay marks cannot be written there");
        string data = $"{features.Prefix}lowerdir={scratch}/2:{scratch}/1,upperdir={scratch}/upper,workdir={scratch}/work";
        error = kernel.Mount("overlay"u8, At("merged"), "overlay"u8, MountFlags.None, ByteText.Bytes(data));
        if (error != Errno.OK)
            return new DriverError("mount", scratch + "/merged", error, "overlay does not work there");
        bool redirects = kernel.RenameAt2(Fd.Cwd, At("merged/r"), Fd.Cwd, At("merged/r2"), RenameFlags.None) == Errno.OK;
        _ = kernel.WriteWhole(At("merged/d/new"), [], (Mode)0x180); // what counts is the directory's copy
        _ = kernel.FchmodAt(Fd.Cwd, At("merged/f"), (Mode)0x100); // likewise
        Span<byte> value = stackalloc byte[8];
        bool opaqueCopied = kernel.GetXattr(At("upper/d"), opaque, value, AtFlags.None).IsOk;
        bool metacopy = kernel.GetXattr(At("upper/f"), "trusted.overlay.metacopy"u8, value, AtFlags.None).IsOk;
        error = kernel.Umount(At("merged"), UmountFlags.None);
        if (error != Errno.OK)
            return DriverError.Of(error, "umount", At("merged"))!;
        return features with { NativeDiff = features.NativeDiff && !redirects && !opaqueCopied && !metacopy, Metacopy = metacopy };
    }

    private static bool GivesTypes(IKernel kernel, byte[] home)
    {
        var opened = kernel.OpenAt(Fd.Cwd, home, OpenFlags.O_RDONLY | OpenFlags.O_DIRECTORY | OpenFlags.O_CLOEXEC, Mode.None);
        if (!opened.IsOk)
            return false;
        var listed = kernel.List(opened.Value);
        _ = kernel.Close(opened.Value); // nothing was written
        return listed.IsOk && !listed.Value.Exists(static entry => entry.Type == DirentType.DT_UNKNOWN);
    }

    /// <summary>The first user namespace maps all ids onto themselves.</summary>
    private static bool InUserNamespace(IKernel kernel)
    {
        var map = kernel.ReadWhole("/proc/self/uid_map"u8);
        if (!map.IsOk)
            return false;
        var words = Encoding.ASCII.GetString(map.Value).Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
        return words is not ["0", "0", "4294967295"];
    }

    /// <summary>Docker's names for file system magics.</summary>
    private static string NameOf(long magic) => magic switch
    {
        FsMagic.TMPFS => "tmpfs",
        FsMagic.RAMFS => "ramfs",
        FsMagic.EXT4 => "extfs",
        FsMagic.BTRFS => "btrfs",
        FsMagic.XFS => "xfs",
        FsMagic.OVERLAYFS => "overlayfs",
        FsMagic.AUFS => "aufs",
        _ => "<unknown>",
    };
}
