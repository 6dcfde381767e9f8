using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Benchmarks;

/// <summary>The trees that are measured, made by the same calls on both kernels.</summary>
internal static class Tree
{
    public const int DirectoryEntries = 1000;

    /// <summary>A tmpfs at /mnt/t with a/b/file and a/b/big.</summary>
    public static void MakeTmpfs(IKernel kernel)
    {
        kernel.MkdirAt(Fd.Cwd, "/mnt"u8, (Mode)0x1ED).OrExists("mkdir /mnt");
        kernel.Mount("tmpfs"u8, "/mnt"u8, "tmpfs"u8, 0, ""u8).OrThrow("mount tmpfs /mnt");
        Mkdir(kernel, "/mnt/t");
        kernel.Mount("tmpfs"u8, "/mnt/t"u8, "tmpfs"u8, 0, ""u8).OrThrow("mount tmpfs /mnt/t");
        Mkdir(kernel, "/mnt/t/a");
        Mkdir(kernel, "/mnt/t/a/b");
        Fill(kernel, "/mnt/t/a/b/file");
        Mkdir(kernel, "/mnt/t/a/b/big");
        for (int i = 0; i < DirectoryEntries; i++)
            Touch(kernel, $"/mnt/t/a/b/big/entry-{i:D4}");
    }

    /// <summary>An overlay at /mnt/m of two lower layers and an upper one, on the tmpfs of <see cref="MakeTmpfs"/>; the file lies in the lowest, the entries in all three.</summary>
    public static void MakeOverlay(IKernel kernel)
    {
        foreach (var folder in (string[])["m", "l1", "l2", "u", "w"])
            Mkdir(kernel, "/mnt/" + folder);
        foreach (var layer in (string[])["l1", "l2", "u"])
        {
            Mkdir(kernel, $"/mnt/{layer}/a");
            Mkdir(kernel, $"/mnt/{layer}/a/b");
            Mkdir(kernel, $"/mnt/{layer}/a/b/big");
        }
        Fill(kernel, "/mnt/l1/a/b/file");
        Fill(kernel, "/mnt/l1/a/b/written");
        string[] layers = ["l1", "l2", "u"];
        for (int i = 0; i < DirectoryEntries; i++)
            Touch(kernel, $"/mnt/{layers[i % 3]}/a/b/big/entry-{i:D4}");
        kernel.Mount("overlay"u8, "/mnt/m"u8, "overlay"u8, 0, "lowerdir=/mnt/l2:/mnt/l1,upperdir=/mnt/u,workdir=/mnt/w"u8).OrThrow("mount overlay /mnt/m");
    }

    /// <summary>A directory with mode 0755.</summary>
    public static void Mkdir(IKernel kernel, string path) => kernel.MkdirAt(Fd.Cwd, Bytes(path), (Mode)0x1ED).OrThrow("mkdir " + path);

    /// <summary>A file of 256 KiB.</summary>
    private static void Fill(IKernel kernel, string path)
    {
        var fd = kernel.OpenAt(Fd.Cwd, Bytes(path), OpenFlags.O_CREAT | OpenFlags.O_WRONLY, (Mode)0x1A4).OrThrow("create " + path);
        var page = new byte[4096];
        for (int i = 0; i < 64; i++)
        {
            page.AsSpan().Fill((byte)i);
            kernel.PWrite(fd, page, i * 4096L).OrThrow("write " + path);
        }
        kernel.Close(fd).OrThrow("close " + path);
    }

    /// <summary>An empty file.</summary>
    public static void Touch(IKernel kernel, string path)
    {
        var fd = kernel.OpenAt(Fd.Cwd, Bytes(path), OpenFlags.O_CREAT | OpenFlags.O_EXCL | OpenFlags.O_WRONLY, (Mode)0x1A4).OrThrow("create " + path);
        kernel.Close(fd).OrThrow("close " + path);
    }

    /// <summary>The path as bytes, without a NUL.</summary>
    public static byte[] Bytes(string path) => System.Text.Encoding.UTF8.GetBytes(path);

    public static void OrThrow(this Errno error, string what)
    {
        if (error != Errno.OK)
            throw new InvalidOperationException($"{what}: {error}");
    }

    public static T OrThrow<T>(this SysResult<T> result, string what)
    {
        result.Error.OrThrow(what);
        return result.Value;
    }

    public static void OrExists(this Errno error, string what)
    {
        if (error != Errno.EEXIST)
            error.OrThrow(what);
    }
}
