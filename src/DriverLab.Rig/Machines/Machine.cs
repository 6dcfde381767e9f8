namespace DriverLab.Rig.Machines;

/// <summary>What the guest said about itself when it was ready.</summary>
/// <param name="Release"><c>uname -r</c>.</param>
/// <param name="Version"><c>uname -v</c>.</param>
/// <param name="UptimeSeconds">Age of the guest's kernel at that moment.</param>
/// <param name="Modules">Loaded modules.</param>
/// <param name="Complaints">Modules of the boot list that could not be loaded, with the reason.</param>
public sealed record GuestHello(string Release, string Version, double UptimeSeconds, IReadOnlyList<string> Modules, IReadOnlyList<string> Complaints);

/// <summary>Takes bytes that a guest sent; the span is valid during the call only.</summary>
public delegate void BytesSink(ReadOnlySpan<byte> bytes);

/// <summary>A running machine with a guest program that answers. All members may be called from several threads.</summary>
/// <remarks>Each member throws <see cref="MachinePanicException"/>, <see cref="MachineHangException"/> or <see cref="MachineLostException"/> when that ended the machine.</remarks>
public abstract partial class Machine : IAsyncDisposable
{
    /// <summary>What the guest said when it was ready.</summary>
    public abstract GuestHello Hello { get; }

    /// <summary>What runs the guest's instructions.</summary>
    public abstract Accelerator Accelerator { get; }

    /// <summary>From the start of the process to the guest's hello.</summary>
    public abstract TimeSpan BootTime { get; }

    /// <summary>What was done until the guest's hello, and when it was done, from the start of the process: where the time of a start goes.</summary>
    public virtual IReadOnlyList<(string Phase, TimeSpan At)> Phases => [];

    /// <summary>True when this is a saved machine that goes on, false when it booted.</summary>
    public abstract bool Restored { get; private protected set; }

    /// <summary>Id of the process that runs the machine, when it is on this host and known.</summary>
    public virtual int? HostProcessId => null;

    /// <summary>What the console showed last.</summary>
    public abstract string Console { get; }

    /// <summary>Runs a batch of programs (in the runner's own encoding); each trace line arrives before the call after it is made.</summary>
    /// <exception cref="GuestRequestException">The guest's runner refused the batch.</exception>
    public abstract Task RunProgramAsync(ReadOnlyMemory<byte> program, BytesSink onTraceLine, CancellationToken cancellation);

    /// <summary>Carries out one encoded kernel call. A round trip costs a millisecond or more: batches belong into programs.</summary>
    public abstract Task<byte[]> KernelCallAsync(ReadOnlyMemory<byte> call, CancellationToken cancellation);

    /// <summary>Runs a command; its output and errors go to <paramref name="onOutput"/> as they come.</summary>
    /// <returns>Its exit status, or 128 + signal.</returns>
    public abstract Task<int> ExecAsync(IReadOnlyList<string> arguments, BytesSink onOutput, CancellationToken cancellation);

    /// <summary>Runs a command with input, its output and errors apart. Cancelling kills it, with what it started.</summary>
    /// <returns>Its exit status, or 128 + signal.</returns>
    public virtual Task<int> ExecAsync(IReadOnlyList<string> arguments, ExecStreams streams, CancellationToken cancellation) => throw NotHere("give input to commands");

    /// <summary>Reads a file of the guest.</summary>
    /// <exception cref="GuestRequestException">It cannot be read; the sentence has the errno.</exception>
    public virtual Task GetFileAsync(string path, BytesSink onBytes, CancellationToken cancellation) => throw NotHere("send files");

    /// <summary>Keeps the machine as it is now, memory and disks, under a name; a snapshot of that name is replaced. The machine goes on.</summary>
    public virtual Task SnapshotAsync(string name, CancellationToken cancellation = default) => throw NotHere("take snapshots");

    /// <summary>Goes back to a snapshot: memory and disks are as they were; clock and random pool are set anew. Calls under way fail with <see cref="MachineLostException"/>.</summary>
    /// <exception cref="RigUsageException">There is no such snapshot.</exception>
    public virtual Task RevertAsync(string name, CancellationToken cancellation = default) => throw NotHere("revert");

    /// <summary>Names of the snapshots, the oldest first.</summary>
    public virtual IReadOnlyList<string> Snapshots => [];

    private static RigException NotHere(string what) => new($"this kind of machine cannot {what}; start it with Machine.StartAsync");

    /// <summary>Writes a file in the guest, with the folders above it.</summary>
    public abstract Task PutFileAsync(string path, ReadOnlyMemory<byte> content, uint mode, CancellationToken cancellation);

    /// <summary>Loads modules with what they need.</summary>
    public abstract Task LoadModulesAsync(IReadOnlyList<string> names, CancellationToken cancellation);

    /// <summary>Sets the guest's real-time clock.</summary>
    public abstract Task SetClockAsync(DateTimeOffset time, CancellationToken cancellation);

    /// <summary>Stops the guest's kernel and waits until the machine is gone.</summary>
    public abstract Task PowerOffAsync(CancellationToken cancellation);

    /// <summary>Removes the machine at once, whatever it does.</summary>
    public abstract ValueTask DisposeAsync();
}
