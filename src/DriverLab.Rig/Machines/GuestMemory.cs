using System.Globalization;
using DriverLab.Rig.Cache;

namespace DriverLab.Rig.Machines;

/// <summary>Where a guest's memory lives. Machines that are restored need the same name for it as those that were saved.</summary>
/// <param name="Arguments">What QEMU is told.</param>
/// <param name="Own">The file that holds it while the machine runs, when this process has it; the machine disposes it.</param>
/// <param name="Ready">Ends when QEMU may read the memory: a copy is made while QEMU starts.</param>
/// <remarks>QEMU's migration leaves out memory that is shared (capability <c>x-ignore-shared</c>): the state file is then small, and the memory is the file.</remarks>
internal sealed record GuestMemory(IReadOnlyList<string> Arguments, AnonymousFile? Own, Task Ready)
{
    /// <summary>Zeroes; in a file of this process when moments are to be kept.</summary>
    public static GuestMemory Empty(MachineOptions options)
    {
        if (options.Snapshots)
            return OwnFile(options, static _ => { });
        return Named(string.Create(CultureInfo.InvariantCulture, $"memory-backend-ram,id=memory,size={options.MemoryMiB}M"), null, Task.CompletedTask);
    }

    /// <summary>A file that will be what it holds when the machine ends.</summary>
    public static GuestMemory WrittenTo(MachineOptions options, string file) => InFile(options, file, shared: true, null, Task.CompletedTask);

    /// <summary>What a saved file holds. The file stays as it is: it is mapped copy-on-write, or copied when moments are to be kept.</summary>
    public static GuestMemory Of(MachineOptions options, string file) =>
        !options.Snapshots ? InFile(options, file, shared: false, null, Task.CompletedTask)
        : OwnFile(options, memory =>
        {
            using var source = File.OpenHandle(file, share: FileShare.ReadWrite | FileShare.Delete);
            memory.CopyFrom(source);
        });

    /// <summary>Gives the memory back, once nothing copies into it any more.</summary>
    public async Task ReleaseAsync()
    {
        await Ready.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default).ConfigureAwait(false);
        Own?.Dispose();
    }

    private static GuestMemory OwnFile(MachineOptions options, Action<AnonymousFile> fill)
    {
        var memory = AnonymousFile.InMemory("guest memory", (long)options.MemoryMiB << 20);
        return InFile(options, memory.Path, shared: true, memory, Task.Run(() => fill(memory)));
    }

    private static GuestMemory InFile(MachineOptions options, string file, bool shared, AnonymousFile? own, Task ready) =>
        Named(string.Create(CultureInfo.InvariantCulture, $"memory-backend-file,id=memory,size={options.MemoryMiB}M,mem-path={QemuCommand.Escape(file)},share={(shared ? "on" : "off")}"), own, ready);

    private static GuestMemory Named(string backend, AnonymousFile? own, Task ready) => new(["-object", backend, "-machine", "memory-backend=memory"], own, ready);
}
