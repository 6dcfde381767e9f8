using System.Text;
using DriverLab.Rig.Cache;
using DriverLab.Rig.Images.Tools;
using DriverLab.Rig.Images.Zfs;
using DriverLab.Rig.Kernels;
using DriverLab.Rig.Processes;

namespace DriverLab.Rig.Images;

/// <summary>A guest image that is ready to boot.</summary>
/// <param name="File">The initramfs.</param>
/// <param name="Digest">SHA-256 of what it was made from: its name in the cache.</param>
public sealed record GuestImage(string File, string Digest);

/// <summary>Makes initramfs images: busybox, the guest program as <c>/init</c>, modules, extra files. Named by a hash of the inputs, so that an image is made once.</summary>
/// <remarks>The archive is not compressed: software emulation would spend longer on unpacking it than QEMU spends on loading it.</remarks>
public sealed class ImageBuilder(RigCache cache, KernelStore kernels)
{
    private readonly GuestTools tools = new(cache);
    private readonly ZfsModules zfs = new(cache, kernels.Catalogue);

    /// <summary>Change it when the layout inside the image changes.</summary>
    private const int Layout = 3;

    /// <summary>The image for a kernel and a recipe, made when the cache has no whole one.</summary>
    public async Task<GuestImage> BuildAsync(KernelEntry kernel, string guestProgram, ImageRecipe recipe, IProgress<string>? progress, CancellationToken cancellation)
    {
        string busybox = FindBusybox();
        string? archive = recipe.Tools.IsEmpty ? null : await tools.GetAsync(recipe.Tools, progress, cancellation).ConfigureAwait(false);
        string? built = null;
        if (recipe.Tools.Contains(ZfsModules.Name))
        {
            built = await zfs.GetAsync(kernel, progress, cancellation).ConfigureAwait(false);
            recipe = recipe with { SpareModules = [.. recipe.SpareModules, ZfsModules.Name] };
        }
        string digest = await DigestAsync(kernel, guestProgram, busybox, archive, recipe, cancellation).ConfigureAwait(false);
        string file = cache.PathOf("images", digest + ".cpio");
        if (await IsWholeAsync(file, cancellation).ConfigureAwait(false))
            return new(file, digest);
        using (await cache.LockAsync("image-" + digest[..16], progress, cancellation).ConfigureAwait(false))
        {
            if (await IsWholeAsync(file, cancellation).ConfigureAwait(false))
                return new(file, digest);
            progress?.Report($"making the guest image for {kernel.Release}");
            kernel = await kernels.VerifyAsync(kernel, progress, cancellation).ConfigureAwait(false);
            var tree = new ModuleTree(kernel.Modules, built);
            var modules = await tree.ResolveAsync([.. recipe.BootModules, .. recipe.SpareModules], cancellation).ConfigureAwait(false);
            RigCache.Commit(file, stream =>
            {
                Write(stream, busybox, guestProgram, kernel, modules, recipe);
                if (archive is not null)
                {
                    using var more = File.OpenRead(archive);
                    more.CopyTo(stream);
                }
            });
            string hash = await FileHash.OfAsync(file, cancellation).ConfigureAwait(false);
            RigCache.Commit(file + ".sha256", stream => stream.Write(Encoding.ASCII.GetBytes(hash)));
        }
        return new(file, digest);
    }

    /// <summary>Writes an image; the same inputs give the same bytes.</summary>
    internal static void Write(Stream stream, string busybox, string guestProgram, KernelEntry kernel, IReadOnlyList<ModuleTree.Module> modules, ImageRecipe recipe)
    {
        var buffered = new BufferedStream(stream, 1 << 20);
        var cpio = new CpioWriter(buffered);
        foreach (string folder in (string[])["bin", "sbin", "dev", "proc", "sys", "run", "etc", "mnt", "driverlab", "usr/bin", "usr/sbin", "var/lib"])
            cpio.AddDirectory(folder);
        cpio.AddDirectory("root", 0x1C0);
        cpio.AddDirectory("tmp", 0x3FF);
        cpio.AddFile("init", File.ReadAllBytes(guestProgram), 0x1ED);
        cpio.AddLink("sbin/modprobe", "/init");
        cpio.AddFile("bin/busybox", File.ReadAllBytes(busybox), 0x1ED);
        foreach (string applet in Applets)
            cpio.AddLink("bin/" + applet, "busybox");
        cpio.AddFile("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"u8, 0x1A4);
        cpio.AddFile("etc/group", "root:x:0:\n"u8, 0x1A4);
        // Where a Debian system has it: the guest's profile of its own kernel is read from there.
        string config = string.Concat(kernel.Profile.Config.OrderBy(option => option.Key, StringComparer.Ordinal).Where(option => option.Value != "n").Select(option => $"{option.Key}={option.Value}\n"));
        cpio.AddFile("boot/config-" + kernel.Release, Encoding.UTF8.GetBytes(config), 0x1A4);
        // Where the system's tools look for modules, with the lists that depmod would make: busybox prefers a modprobe of its own to the one in /sbin.
        string tree = "lib/modules/" + kernel.Release;
        cpio.AddDirectory(tree);
        foreach (var module in modules)
            cpio.AddFile($"{tree}/{module.Info.Name}.ko", module.Content, 0x1A4);
        cpio.AddFile(tree + "/modules.dep", Encoding.UTF8.GetBytes(ModuleLists.Dep(modules)), 0x1A4);
        cpio.AddFile(tree + "/modules.alias", Encoding.UTF8.GetBytes(ModuleLists.Alias(modules)), 0x1A4);
        cpio.AddFile("driverlab/modules", Encoding.UTF8.GetBytes(ModuleLists.Guest(modules, "/" + tree)), 0x1A4);
        var present = modules.Select(module => module.Info.Name).ToHashSet();
        cpio.AddFile("driverlab/boot", Encoding.UTF8.GetBytes(string.Concat(recipe.BootModules.Select(ModuleInfo.Normal).Where(present.Contains).Select(name => name + "\n"))), 0x1A4);
        foreach (var extra in recipe.Files)
            cpio.AddFile(extra.Path, File.ReadAllBytes(extra.Source), extra.Mode);
        cpio.Finish();
        buffered.Flush();
    }

    private static readonly string[] Applets =
    [
        "sh", "ash", "awk", "base64", "basename", "blkdiscard", "blockdev", "cat", "chgrp", "chmod", "chown", "chroot", "cmp", "cp", "cut", "date", "dd", "df", "diff", "dirname", "dmesg",
        "du", "echo", "env", "expr", "false", "find", "free", "fstrim", "grep", "gunzip", "gzip", "head", "hexdump", "hostname", "id", "insmod", "kill", "killall", "ln", "ls", "lsmod", "losetup", "modinfo", "modprobe",
        "md5sum", "mkdir", "mke2fs", "mkfifo", "mknod", "mktemp", "mount", "mv", "nproc", "od", "pidof", "printf", "ps", "pwd", "readlink", "realpath", "rm", "rmdir", "rmmod", "sed", "seq", "sha256sum",
        "sleep", "sort", "stat", "strings", "stty", "sync", "sysctl", "tail", "tar", "tee", "test", "timeout", "touch", "tr", "true", "truncate", "tty", "umount", "uname", "uniq", "unshare", "uptime",
        "vi", "wc", "which", "xargs", "xxd", "xzcat", "yes", "zcat", "nsenter", "setsid", "flock", "nbd-client", "netstat", "ip", "ifconfig", "top", "mountpoint", "more", "less", "cpio", "sha1sum",
    ];

    private static async Task<string> DigestAsync(KernelEntry kernel, string guestProgram, string busybox, string? archive, ImageRecipe recipe, CancellationToken cancellation)
    {
        var text = new StringBuilder().Append("layout ").Append(Layout).Append("\nkernel ").Append(kernel.Digest).Append('\n');
        _ = text.Append("guest ").Append(await FileHash.OfAsync(guestProgram, cancellation).ConfigureAwait(false)).Append('\n');
        _ = text.Append("busybox ").Append(await FileHash.OfAsync(busybox, cancellation).ConfigureAwait(false)).Append('\n');
        if (archive is not null)
            _ = text.Append("tools ").Append(await FileHash.OfAsync(archive, cancellation).ConfigureAwait(false)).Append('\n');
        _ = text.Append("boot ").AppendJoin(' ', recipe.BootModules).Append("\nspare ").AppendJoin(' ', recipe.SpareModules).Append('\n');
        foreach (var file in recipe.Files)
        {
            if (!File.Exists(file.Source))
                throw new RigUsageException($"file {file.Source}, wanted in the guest as {file.Path}, does not exist");
            _ = text.Append(file.Path).Append(' ').Append(file.Mode).Append(' ').Append(await FileHash.OfAsync(file.Source, cancellation).ConfigureAwait(false)).Append('\n');
        }
        return FileHash.Of(Encoding.UTF8.GetBytes(text.ToString()));
    }

    private static async Task<bool> IsWholeAsync(string file, CancellationToken cancellation) =>
        File.Exists(file) && File.Exists(file + ".sha256") &&
        await File.ReadAllTextAsync(file + ".sha256", cancellation).ConfigureAwait(false) == await FileHash.OfAsync(file, cancellation).ConfigureAwait(false);

    /// <summary>The static busybox; one that wants a C library would not start in the image.</summary>
    private static string FindBusybox()
    {
        string file = Tool.Require("busybox", "busybox-static", "as the guest's shell and tools");
        var head = new byte[4096];
        using (var stream = File.OpenRead(file))
            _ = stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false);
        // A program that needs a dynamic loader names it within its first page.
        if (head.AsSpan().IndexOf("/ld-linux"u8) >= 0)
            throw new RigException($"{file} needs shared libraries, which the guest image has not; install the static one: apt-get install busybox-static");
        return file;
    }
}
