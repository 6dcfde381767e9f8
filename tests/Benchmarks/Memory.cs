using System.Globalization;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Benchmarks;

/// <summary>What the emulator keeps in memory for files.</summary>
internal static class Memory
{
    private const int Files = 1_000_000;
    private const int FilesInDirectory = 1000;

    /// <summary>Prints the bytes per file, beyond name and content, of a million files on the emulated tmpfs.</summary>
    public static void Print(TextWriter output)
    {
        var kernel = Emulators.Boot();
        kernel.MkdirAt(Fd.Cwd, "/mnt"u8, (Mode)0x1ED).OrExists("mkdir /mnt");
        kernel.Mount("tmpfs"u8, "/mnt"u8, "tmpfs"u8, 0, "size=64g,nr_inodes=0"u8).OrThrow("mount tmpfs /mnt");

        long before = GC.GetTotalMemory(forceFullCollection: true);
        long names = 0;
        for (int i = 0; i < Files; i++)
        {
            string folder = $"/mnt/d{i / FilesInDirectory:D4}";
            if (i % FilesInDirectory == 0)
                Tree.Mkdir(kernel, folder);
            string name = $"file-{i:D7}";
            names += name.Length;
            Tree.Touch(kernel, $"{folder}/{name}");
        }
        long after = GC.GetTotalMemory(forceFullCollection: true);
        double each = (double)(after - before - names) / Files;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"memory: {each:F0} bytes a file beyond its name, {Files:N0} empty files on the emulated tmpfs (at most 500)"));
        GC.KeepAlive(kernel);
    }
}
