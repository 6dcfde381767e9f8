namespace DriverLab.Native;

/// <summary>
/// Descriptors that the runtime holds for itself and reads from any thread by their numbers: they must mean the same file in the table of every task. Compiled ahead of time it makes an object's hash
/// code from random numbers, for which it keeps /dev/urandom open from the first one on: in a table where its number is another file's, that file would lose the bytes.
/// </summary>
internal static unsafe class RuntimeDescriptors
{
    /// <summary>Above what programs use: their own numbers begin at 3, as everywhere.</summary>
    private const int OutOfTheWay = 250;

    private static readonly Lazy<bool> s_prepared = new(Prepare);

    /// <summary>Opens what the runtime opens once, with all low numbers taken meanwhile. Where it has been opened before, it is where it is.</summary>
    internal static void Settle() => _ = s_prepared.Value;

    /// <summary>Those that stay open in a task's table, in rising order: the random numbers, and under a just-in-time compiler the memory file that it writes its code through.</summary>
    internal static int[] Kept()
    {
        Settle();
        var kept = new SortedSet<int>();
        foreach (var entry in new DirectoryInfo("/proc/self/fd").EnumerateFileSystemInfos())
        {
            int number = int.Parse(entry.Name, System.Globalization.CultureInfo.InvariantCulture);
            if (entry.LinkTarget is { } target && (target.StartsWith("/memfd:doublemapper", StringComparison.Ordinal) || (target == "/dev/urandom" && number >= OutOfTheWay)))
                _ = kept.Add(number);
        }
        return [.. kept];
    }

    private static bool Prepare()
    {
        const int cwd = -100, readOnlyCloseOnExec = 0x80000;
        nint* taken = stackalloc nint[OutOfTheWay + 1];
        int count = 0;
        fixed (byte* path = "/dev/null\0"u8)
            while ((count == 0 || taken[count - 1] < OutOfTheWay) && Libc.Syscall(Nr.Openat, cwd, (nint)path, readOnlyCloseOnExec, 0, 0, 0) is >= 0 and var number)
                taken[count++] = number;
        _ = new Random().Next();
        while (count > 0)
            _ = Libc.Syscall(Nr.Close, taken[--count], 0, 0, 0, 0, 0);
        return true;
    }
}
