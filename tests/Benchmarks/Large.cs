using System.Diagnostics;
using System.Globalization;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Native;

namespace DriverLab.Benchmarks;

/// <summary>Large things through an overlay of two tmpfs layers, on the emulator and on the machine's kernel: a merged directory of a million entries, a sparse file of a TiB that is copied up. What comes out is checked.</summary>
internal static class Large
{
    private const int Entries = 1_000_000, Looked = 100_000;
    private const long TiB = 1L << 40;
    private static readonly long[] s_data = [0, TiB / 2, TiB - 4096];

    /// <summary>Prints seconds for each step, and what the emulator keeps in memory.</summary>
    public static void Print(TextWriter output)
    {
        List<(string Name, double Value)> ours, theirs = [];
        using (var emulator = Emulators.Boot())
            ours = Measure(emulator, isEmulated: true);
        if (PrivateMounts.Entered)
        {
            using var host = NativeKernel.NewTask();
            host.Run(kernel => theirs = Measure(kernel, isEmulated: false));
        }
        output.WriteLine($"{"overlay of two tmpfs layers",-56}{"emulator",12}{"the kernel",12}");
        foreach (var (name, value) in ours)
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-56}{value,12:F3}{(theirs.Find(row => row.Name == name) is (not null, var other) ? other.ToString("F3", CultureInfo.InvariantCulture) : "-"),12}"));
    }

    private static List<(string Name, double Value)> Measure(IKernel kernel, bool isEmulated)
    {
        var rows = new List<(string, double)>();
        long before = Held();
        kernel.MkdirAt(Fd.Cwd, "/large"u8, (Mode)0x1ED).OrExists("mkdir /large");
        kernel.Mount("tmpfs"u8, "/large"u8, "tmpfs"u8, 0, "nr_inodes=0"u8).OrThrow("mount tmpfs");
        foreach (string name in (string[])["l", "u", "w", "m", "l/d", "u/d"])
            Tree.Mkdir(kernel, "/large/" + name);
        Timed($"create {Entries:N0} files, half of them in each layer, s", () =>
        {
            for (int i = 0; i < Entries; i++)
                Tree.Touch(kernel, $"/large/{((i & 1) == 0 ? 'l' : 'u')}/d/entry-{i:D7}");
        });
        MakeSparse(kernel, "/large/l/big");
        Keep("memory for them, MiB");
        kernel.Mount("overlay"u8, "/large/m"u8, "overlay"u8, 0, "lowerdir=/large/l,upperdir=/large/u,workdir=/large/w"u8).OrThrow("mount overlay");
        Timed("list them through the overlay, s", () => List(kernel));
        Keep("memory after that, MiB");
        Timed($"look {Looked:N0} of them up for the first time, s", () =>
        {
            for (int i = 0; i < Looked; i++)
                kernel.Statx(Fd.Cwd, Tree.Bytes($"/large/m/d/entry-{i * (Entries / Looked):D7}"), AtFlags.None, StatxMask.STATX_BASIC_STATS, out _).OrThrow("statx");
        });
        ulong sectors = 0;
        Timed("copy a sparse file of 1 TiB up by a write, s", () => sectors = WriteSparse(kernel, "/large/m/big"));
        rows.Add(("sectors of the copy", sectors));
        Keep("memory after that, MiB, with the file");
        kernel.Umount("/large/m"u8, UmountFlags.None).OrThrow("umount overlay");
        kernel.Umount("/large"u8, UmountFlags.None).OrThrow("umount tmpfs");
        return rows;

        void Timed(string name, Action step)
        {
            if (isEmulated) // a task on the machine's kernel has descriptors of its own
                Console.Error.WriteLine($"bench: large: {name}");
            long start = Stopwatch.GetTimestamp();
            step();
            rows.Add((name, Stopwatch.GetElapsedTime(start).TotalSeconds));
        }

        void Keep(string name)
        {
            if (isEmulated)
                rows.Add((name, (Held() - before) / 1048576.0));
        }
    }

    private static long Held() => GC.GetTotalMemory(forceFullCollection: true);

    private static void List(IKernel kernel)
    {
        var fd = kernel.OpenAt(Fd.Cwd, "/large/m/d"u8, OpenFlags.O_RDONLY | OpenFlags.O_DIRECTORY, Mode.None).OrThrow("open");
        var buffer = new byte[65536];
        int count = 0;
        for (int filled; (filled = kernel.GetDents(fd, buffer).OrThrow("getdents")) > 0;)
        {
            for (int at = 0; at < filled; at += BitConverter.ToUInt16(buffer, at + 16)) // d_reclen of linux_dirent64
                count++;
        }
        kernel.Close(fd).OrThrow("close");
        if (count != Entries + 2)
            throw new InvalidOperationException($"the merged directory shows {count} entries, expected {Entries + 2}");
    }

    private static void MakeSparse(IKernel kernel, string path)
    {
        var fd = kernel.OpenAt(Fd.Cwd, Tree.Bytes(path), OpenFlags.O_CREAT | OpenFlags.O_WRONLY, (Mode)0x1A4).OrThrow("create");
        foreach (long at in s_data)
            kernel.PWrite(fd, Page(at), at).OrThrow("pwrite");
        kernel.Close(fd).OrThrow("close");
    }

    /// <summary>The sectors that the copy takes: the kernel copies whole MiB from where data begins.</summary>
    private static ulong WriteSparse(IKernel kernel, string path)
    {
        var fd = kernel.OpenAt(Fd.Cwd, Tree.Bytes(path), OpenFlags.O_RDWR, Mode.None).OrThrow("open for writing");
        kernel.PWrite(fd, Page(1), TiB / 4).OrThrow("pwrite");
        var page = new byte[4096];
        foreach (long at in s_data)
        {
            if (kernel.PRead(fd, page, at).OrThrow("pread") != page.Length || !page.AsSpan().SequenceEqual(Page(at)))
                throw new InvalidOperationException($"the copy of {path} differs at {at}");
        }
        kernel.Statx(fd, ""u8, AtFlags.AT_EMPTY_PATH, StatxMask.STATX_BASIC_STATS, out var stat).OrThrow("statx");
        kernel.Close(fd).OrThrow("close");
        return stat.Size == TiB ? stat.Blocks : throw new InvalidOperationException($"the copy has {stat.Size} bytes, expected {TiB}");
    }

    private static byte[] Page(long seed)
    {
        var page = new byte[4096];
        page.AsSpan().Fill((byte)((seed >> 32) + 7));
        return page;
    }
}
