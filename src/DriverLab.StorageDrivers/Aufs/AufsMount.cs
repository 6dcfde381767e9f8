using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.StorageDrivers.Aufs;

/// <summary>The calls that mount a layer: one mount(2), and remounts that append the branches which found no room.</summary>
/// <param name="Data">The option string of the mount.</param>
/// <param name="Appends">The option strings of the remounts.</param>
public sealed record AufsMount(string Data, IReadOnlyList<string> Appends)
{
    /// <summary>mount(2) copies one page of data and wants a NUL in it.</summary>
    public const int LongestData = Limits.PAGE_SIZE - 1;

    /// <summary>Branches and options that aufs takes in one call; the 85th branch of one option crashes the kernel, so that some are left free.</summary>
    public const int MostOptions = 80;

    /// <summary>Builds the options.</summary>
    /// <param name="writable">The top branch.</param>
    /// <param name="below">The branches below it, nearest first.</param>
    /// <param name="words">What stands behind the branches.</param>
    /// <param name="topIsWritable">False for a view: the top is read-only too.</param>
    public static AufsMount Build(string writable, IReadOnlyList<string> below, IReadOnlyList<string> words, bool topIsWritable = true)
    {
        string suffix = string.Concat(words.Select(static w => "," + w));
        var data = new StringBuilder("br:" + writable + (topIsWritable ? "=rw" : "=ro+wh"));
        int count = 1 + words.Count, at = 0;
        for (; at < below.Count && count < MostOptions && data.Length + suffix.Length + below[at].Length + 7 <= LongestData; at++, count++)
            _ = data.Append(':').Append(below[at]).Append("=ro+wh");
        var appends = new List<string>();
        var batch = new StringBuilder();
        count = 0;
        for (; at < below.Count; at++)
        {
            string option = $"append:{below[at]}=ro+wh";
            if (batch.Length > 0 && (count == MostOptions || batch.Length + 1 + option.Length > LongestData))
            {
                appends.Add(batch.ToString());
                _ = batch.Clear();
                count = 0;
            }
            _ = batch.Append(batch.Length > 0 ? "," : "").Append(option);
            count++;
        }
        if (batch.Length > 0)
            appends.Add(batch.ToString());
        return new(data.Append(suffix).ToString(), appends);
    }

    /// <summary>Mounts; when a remount fails the mount goes again.</summary>
    internal DriverError? Run(IKernel kernel, string target)
    {
        byte[] path = ByteText.Bytes(target);
        var error = kernel.Mount("none"u8, path, "aufs"u8, MountFlags.None, ByteText.Bytes(Data));
        if (error != Errno.OK)
            return DriverError.Of(error, "mount", path);
        foreach (string append in Appends)
        {
            error = kernel.Mount("none"u8, path, "aufs"u8, MountFlags.MS_REMOUNT, ByteText.Bytes(append));
            if (error == Errno.OK)
                continue;
            _ = kernel.Umount(path, UmountFlags.MNT_DETACH); // the first error is the one to tell
            return DriverError.Of(error, "remount", path);
        }
        return null;
    }

    /// <summary>True when a union is mounted at the path.</summary>
    internal static bool IsMounted(IKernel kernel, string target)
    {
        byte[] path = ByteText.Bytes(target);
        return kernel.StatFs(path, out var fs) == Errno.OK && fs.Type == FsMagic.AUFS;
    }

    /// <summary>Makes pseudo-links real and takes the mount away: patiently, then lazily.</summary>
    internal static void Detach(IKernel kernel, string target, string diff)
    {
        const int tries = 5;
        const long pauseNs = 100_000_000;
        PseudoLinkFlush.Run(kernel, target, diff);
        byte[] path = ByteText.Bytes(target);
        for (int attempt = 1; ; attempt++)
        {
            var error = kernel.Umount(path, UmountFlags.None);
            if (error != Errno.EBUSY)
                return;
            if (attempt == tries)
                break;
            kernel.Sleep(pauseNs);
        }
        _ = kernel.Umount(path, UmountFlags.MNT_DETACH); // whoever still uses it keeps a detached tree
    }
}

/// <summary>What <c>auplink flush</c> does: names of a hard-linked file that were not linked on the writable branch yet are, by touching each.</summary>
/// <remarks>Names are found by the inode numbers that the entries of <c>.wh..wh.plnk</c> begin with. Without it the other names are the old lower file after the next mount.</remarks>
internal static class PseudoLinkFlush
{
    private const int Deepest = 400;

    public static void Run(IKernel kernel, string mounted, string diff)
    {
        var kept = kernel.ListPath(diff + "/.wh..wh.plnk");
        if (!kept.IsOk || kept.Value.Count == 0)
            return;
        var numbers = new HashSet<ulong>();
        foreach (var entry in kept.Value)
        {
            string name = ByteText.Show(entry.Name);
            int dot = name.IndexOf('.', StringComparison.Ordinal);
            if (dot > 0 && ulong.TryParse(name.AsSpan(0, dot), out ulong ino))
                _ = numbers.Add(ino);
        }
        if (numbers.Count > 0)
            Walk(kernel, ByteText.Bytes(mounted), numbers, 0);
    }

    private static void Walk(IKernel kernel, byte[] directory, HashSet<ulong> numbers, int depth)
    {
        var opened = kernel.OpenAt(Fd.Cwd, directory, KernelFiles.Listing, Mode.None);
        if (!opened.IsOk || depth == Deepest)
            return; // what cannot be read stays as it is, as with the tool
        var listed = kernel.List(opened.Value);
        _ = kernel.Close(opened.Value); // nothing was written
        if (!listed.IsOk)
            return;
        foreach (var entry in listed.Value)
        {
            byte[] path = ByteText.Join(directory, entry.Name);
            if (kernel.LStatAt(Fd.Cwd, path, out var stat) != Errno.OK)
                continue;
            if (stat.IsDirectory)
                Walk(kernel, path, numbers, depth + 1);
            else if (numbers.Contains(stat.Ino))
                _ = kernel.UtimensAt(Fd.Cwd, path, stat.AccessTime, stat.ModificationTime, AtFlags.AT_SYMLINK_NOFOLLOW); // one that fails is lost, as it would be without
        }
    }
}
