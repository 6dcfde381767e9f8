using System.Diagnostics;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Native;

namespace DriverLab.Benchmarks;

/// <summary>Overlayfs by itself: names that are not cached yet over 3, 20 and 100 layers, copy-ups, whiteouts, creations, merged listings. A row is a batch over a fresh mount, the best of a few.</summary>
internal static class OverlayRows
{
    /// <summary>So many rounds that the runtime has optimised what is measured.</summary>
    private const int Rounds = 40;

    /// <summary>Rounds of fuse-overlayfs, which is compiled and needs no warming up.</summary>
    private const int FuseRounds = 3;

    private const int Names = 1000;
    private const Mode Directory = (Mode)0x1ED;

    private static readonly (string Name, int Layers, Action<IKernel> Operation)[] s_rows =
    [
        ("first lookup, 3 layers", 3, StatAll),
        ("first lookup, 20 layers", 20, StatAll),
        ("first lookup, 100 layers", 100, StatAll),
        ("create, 3 layers", 3, static k => ForAll(k, "new-", static (k, path) => k.Close(k.OpenAt(Fd.Cwd, path, OpenFlags.O_CREAT | OpenFlags.O_EXCL | OpenFlags.O_WRONLY, (Mode)0x1A4).OrThrow("create")))),
        ("copy-up of 4 KiB by chmod", 3, static k => ForAll(k, "low-", static (k, path) => k.FchmodAt(Fd.Cwd, path, (Mode)0x180))),
        ("whiteout by unlink", 3, static k => ForAll(k, "low-", static (k, path) => k.UnlinkAt(Fd.Cwd, path, AtFlags.None))),
        ("merged readdir, per entry", 3, ReadMerged),
    ];

    /// <summary>All rows, on the emulator and where possible on the machine's kernel and through fuse-overlayfs.</summary>
    public static List<Measured> Measure()
    {
        using var emulator = Emulators.Boot();
        using var host = PrivateMounts.Entered ? NativeKernel.NewTask() : null;
        List<Measured> kernels = [], fuse = [];
        foreach (var (name, layers, operation) in s_rows)
        {
            Console.Error.WriteLine($"bench: overlayfs: {name}");
            double ours = Best(emulator, layers, operation, MountOverlay, Rounds, out double bytes);
            kernels.Add(Beside("overlayfs", MountOverlay, Rounds));
            fuse.Add(Beside("fuse-overl", MountFuse, FuseRounds));

            Measured Beside(string peer, Action<IKernel, int> mount, int rounds)
            {
                double theirs = 0;
                string? whyNot = host is null ? "this machine gives no private mount namespace" : null;
                try
                {
                    host?.Run(k => theirs = Best(k, layers, operation, mount, rounds, out _));
                }
                catch (Exception error) when (error is InvalidOperationException or System.ComponentModel.Win32Exception)
                {
                    whyNot = error.Message;
                }
                return new(peer, name, ours, bytes, whyNot is null ? theirs : null, whyNot);
            }
        }
        return [.. kernels, .. fuse];
    }

    private static double Best(IKernel kernel, int layers, Action<IKernel> operation, Action<IKernel, int> mount, int rounds, out double bytes)
    {
        double best = double.MaxValue;
        bytes = 0;
        for (int round = 0; round < rounds; round++)
        {
            MakeLayers(kernel, layers);
            mount(kernel, layers);
            long before = GC.GetAllocatedBytesForCurrentThread(), start = Stopwatch.GetTimestamp();
            operation(kernel);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalNanoseconds / Names);
            bytes = (GC.GetAllocatedBytesForCurrentThread() - before) / (double)Names;
            kernel.Umount("/bench/m"u8, UmountFlags.MNT_DETACH).OrThrow("umount");
            kernel.Umount("/bench"u8, UmountFlags.MNT_DETACH).OrThrow("umount");
        }
        return best;
    }

    /// <summary>A tmpfs with the layers, and files of 4 KiB in the lowest.</summary>
    private static void MakeLayers(IKernel kernel, int layers)
    {
        kernel.MkdirAt(Fd.Cwd, "/bench"u8, Directory).OrExists("mkdir /bench");
        kernel.Mount("tmpfs"u8, "/bench"u8, "tmpfs"u8, 0, default).OrThrow("mount tmpfs");
        foreach (var name in (string[])["u", "w", "m"])
            Tree.Mkdir(kernel, "/bench/" + name);
        for (int layer = 0; layer < layers; layer++)
            Tree.Mkdir(kernel, $"/bench/{layer}");
        var content = new byte[4096];
        for (int i = 0; i < Names; i++)
        {
            var fd = kernel.OpenAt(Fd.Cwd, Tree.Bytes($"/bench/{layers - 1}/low-{i}"), OpenFlags.O_CREAT | OpenFlags.O_WRONLY, (Mode)0x1A4).OrThrow("create");
            kernel.Write(fd, content).OrThrow("write");
            kernel.Close(fd).OrThrow("close");
        }
    }

    private static void MountOverlay(IKernel kernel, int layers)
    {
        string lowers = string.Join(':', Enumerable.Range(0, layers).Select(static i => $"{i}"));
        kernel.Chdir("/bench"u8).OrThrow("chdir");
        kernel.Mount("overlay"u8, "/bench/m"u8, "overlay"u8, 0, Tree.Bytes($"lowerdir={lowers},upperdir=u,workdir=w")).OrThrow("mount overlay");
        kernel.Chdir("/"u8).OrThrow("chdir");
    }

    /// <summary>fuse-overlayfs is a process in this mount namespace; it ends when its mount goes.</summary>
    private static void MountFuse(IKernel kernel, int layers)
    {
        string lowers = string.Join(':', Enumerable.Range(0, layers).Select(static i => $"/bench/{i}"));
        using var process = Process.Start(new ProcessStartInfo("sh", ["-c", "exec fuse-overlayfs \"$@\" 2> /dev/null", "fuse-overlayfs", "-f", "-o", $"lowerdir={lowers},upperdir=/bench/u,workdir=/bench/w", "/bench/m"]) { UseShellExecute = false })!;
        while (!System.IO.File.ReadAllText("/proc/self/mountinfo").Contains(" /bench/m ", StringComparison.Ordinal))
        {
            if (process.HasExited)
                throw new InvalidOperationException($"fuse-overlayfs ended with {process.ExitCode}");
            Thread.Sleep(2);
        }
    }

    private static void StatAll(IKernel kernel) => ForAll(kernel, "low-", static (k, path) => k.Statx(Fd.Cwd, path, AtFlags.None, StatxMask.STATX_BASIC_STATS, out _));

    private static void ForAll(IKernel kernel, string prefix, Func<IKernel, byte[], Errno> call)
    {
        for (int i = 0; i < Names; i++)
            call(kernel, Tree.Bytes($"/bench/m/{prefix}{i}")).OrThrow(prefix);
    }

    private static void ReadMerged(IKernel kernel)
    {
        var fd = kernel.OpenAt(Fd.Cwd, "/bench/m"u8, OpenFlags.O_RDONLY | OpenFlags.O_DIRECTORY, Mode.None).OrThrow("open");
        var buffer = new byte[32768];
        while (kernel.GetDents(fd, buffer).OrThrow("getdents") > 0)
        {
        }
        kernel.Close(fd).OrThrow("close");
    }
}
