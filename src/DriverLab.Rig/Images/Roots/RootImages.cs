using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using DriverLab.Rig.Cache;
using DriverLab.Rig.Kernels;
using DriverLab.Rig.Processes;

namespace DriverLab.Rig.Images.Roots;

/// <summary>A root file system on a disk.</summary>
/// <param name="File">The image: raw, sparse, one file system without partitions. Machines must not write to it: they put a file above it.</param>
/// <param name="SizeBytes">Its size.</param>
/// <param name="FileSystem"><c>ext4</c> or <c>btrfs</c>.</param>
public sealed record RootImage(string File, long SizeBytes, string FileSystem);

/// <summary>Debian root file systems for machines that want a full user land with an SSH server: made by mmdebstrap, kept in the cache, never written to.</summary>
/// <remarks>The guest program stays process 1 (there is no systemd), so such a machine is up as soon as its root is mounted. Cache layout: <c>roots/KEY.img</c> with its hash beside it.</remarks>
public sealed class RootImages(RigCache cache)
{
    /// <summary>Change it when the content changes.</summary>
    private const int Layout = 1;

    private const string Suite = "bookworm";
    private const long SizeBytes = 2L << 30;

    /// <summary>File systems that a root can have.</summary>
    public static readonly ImmutableArray<string> FileSystems = ["btrfs", "ext4"];

    private static readonly string[] s_packages =
    [
        "openssh-server", "openssh-sftp-server", "mount", "dmsetup", "thin-provisioning-tools", "btrfs-progs", "e2fsprogs", "xfsprogs", "procps", "kmod", "iproute2", "less", "file", "strace", "attr", "acl", "fdisk",
    ];

    /// <summary>The image with a file system; made when the cache has no whole one, which takes a minute or two.</summary>
    /// <exception cref="RigUsageException">There is no such file system for roots.</exception>
    /// <exception cref="RigException">mmdebstrap or a tool is missing, or Debian's archive cannot be reached.</exception>
    public async Task<RootImage> GetAsync(string fileSystem, IProgress<string>? progress, CancellationToken cancellation)
    {
        if (!FileSystems.Contains(fileSystem))
            throw new RigUsageException($"'{fileSystem}' is no file system for a root; expected one of {string.Join(", ", FileSystems)}");
        string key = FileHash.Of(Encoding.UTF8.GetBytes($"layout {Layout}\n{Suite}\n{fileSystem}\n{SizeBytes}\n{string.Join(' ', s_packages)}"))[..32];
        var image = new RootImage(cache.PathOf("roots", key + ".img"), SizeBytes, fileSystem);
        if (IsWhole(image.File))
            return image;
        using (await cache.LockAsync("root-" + key, progress, cancellation).ConfigureAwait(false))
        {
            if (!IsWhole(image.File))
                await MakeAsync(image, progress, cancellation).ConfigureAwait(false);
        }
        return image;
    }

    private async Task MakeAsync(RootImage image, IProgress<string>? progress, CancellationToken cancellation)
    {
        string mmdebstrap = Tool.Require("mmdebstrap", "mmdebstrap", "to make a Debian root file system");
        string maker = image.FileSystem == "ext4" ? Tool.Require("mke2fs", "e2fsprogs", "to make an ext4 image") : Tool.Require("mkfs.btrfs", "btrfs-progs", "to make a btrfs image");
        string work = cache.Folder("roots", Path.GetFileName(image.File) + ".work"), tar = Path.Combine(work, "root.tar"), made = Path.Combine(work, "root.img");
        try
        {
            progress?.Report($"making a Debian {Suite} root file system ({s_packages.Length} packages and what they need)");
            var mirrors = Mirrors.OfHost();
            string[] sources = [.. ((string[])[Suite, Suite + "-security"]).Select(suite => $"deb [signed-by={AptState.Keyring}] {mirrors.Of(suite)} {suite} main")];
            string[] hooks =
            [
                // No keys that every lab would share: they are made when a lab comes up.
                "--customize-hook=rm -f \"$1\"/etc/ssh/ssh_host_*", "--customize-hook=echo lab > \"$1\"/etc/hostname",
                "--customize-hook=mkdir -p \"$1\"/driverlab \"$1\"/run/sshd && chroot \"$1\" passwd -d root > /dev/null",
            ];
            string[] arguments =
            [
                "--quiet", Environment.IsPrivilegedProcess ? "--mode=root" : "--mode=unshare", "--variant=essential", "--format=tar", "--include=" + string.Join(',', s_packages),
                "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*", "--aptopt=Acquire::Retries \"3\"", "--aptopt=Acquire::Languages \"none\"", .. hooks,
                Suite, tar, .. sources,
            ];
            var result = await Tool.RunAsync(mmdebstrap, arguments, work, cancellation).ConfigureAwait(false);
            if (result.ExitCode != 0)
                throw Tool.Failed(mmdebstrap, ["--variant=essential", Suite], result);
            progress?.Report($"putting it on an {image.FileSystem} image");
            await FillAsync(maker, tar, made, image, work, cancellation).ConfigureAwait(false);
            File.Move(made, image.File, overwrite: true);
            RigCache.Commit(image.File + ".made", stream => stream.Write(Encoding.UTF8.GetBytes(Stamp(image.File))));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RigCache.NotWritable(work, e);
        }
        finally
        {
            RigCache.Remove(work);
        }
    }

    /// <summary>Unpacks the archive with its owners (as root, or as fakeroot pretends) and lets the file system's own tool copy it.</summary>
    private static async Task FillAsync(string maker, string tar, string made, RootImage image, string work, CancellationToken cancellation)
    {
        string tree = Path.Combine(work, "tree");
        string make = image.FileSystem == "ext4" ? $"\"$2\" -q -t ext4 -L lab -d \"$3\" \"$4\" {image.SizeBytes / 1024}k" : "truncate -s " + image.SizeBytes.ToString(CultureInfo.InvariantCulture) + " \"$4\" && \"$2\" -q -L lab --rootdir \"$3\" \"$4\"";
        string script = "set -e; mkdir \"$3\"; tar -x --xattrs --numeric-owner -f \"$1\" -C \"$3\"; rm \"$1\"; " + make + "; rm -rf \"$3\"";
        string[] command = ["sh", "-c", script, "sh", tar, maker, tree, made];
        var result = Environment.IsPrivilegedProcess
            ? await Tool.RunAsync(command[0], command[1..], work, cancellation).ConfigureAwait(false)
            : await Tool.RunAsync(Tool.Require("fakeroot", "fakeroot", "to keep the owners of files in a root file system without being root"), command, work, cancellation).ConfigureAwait(false);
        if (result.ExitCode != 0)
            throw Tool.Failed(maker, [image.FileSystem], result);
    }

    // Machines never write to the image, and reading two GB to be sure would take longer than booting: size and time of the file that was made must be the same.
    private static bool IsWhole(string file) => File.Exists(file) && File.Exists(file + ".made") && File.ReadAllText(file + ".made") == Stamp(file);

    private static string Stamp(string file) => string.Create(CultureInfo.InvariantCulture, $"{new FileInfo(file).Length} {File.GetLastWriteTimeUtc(file).Ticks}\n");
}
