using System.Formats.Tar;
using System.Globalization;
using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Remote;
using DriverLab.Rig.Cache;
using DriverLab.Rig.Images;
using DriverLab.Rig.Images.Roots;
using DriverLab.Rig.Kernels;

namespace DriverLab.Rig.Machines;

/// <summary>Where a command's input comes from and where its output goes.</summary>
/// <param name="OnOutput">Takes standard output.</param>
public sealed record ExecStreams(BytesSink OnOutput)
{
    /// <summary>Takes standard error; null gives it to <see cref="OnOutput"/>.</summary>
    public BytesSink? OnErrors { get; init; }

    /// <summary>Standard input, read to its end; null is empty input.</summary>
    public Stream? Input { get; init; }
}

/// <summary>What a command did.</summary>
/// <param name="Status">Exit status, or 128 + signal.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Errors">Standard error.</param>
public sealed record ExecResult(int Status, string Output, string Errors);

/// <summary>How far a copy is.</summary>
/// <param name="Bytes">Bytes copied.</param>
/// <param name="Total">Bytes in all; null when that is not known beforehand.</param>
public readonly record struct CopyProgress(long Bytes, long? Total);

/// <summary>What a machine is made of, for <c>Machine.StartAsync</c>.</summary>
public sealed record MachineRequest
{
    /// <summary>Memory in MiB.</summary>
    public int MemoryMiB { get; init; } = 512;

    /// <summary>Processors.</summary>
    public int Cpus { get; init; } = 1;

    /// <summary>Disks, in the order of their letters.</summary>
    public IReadOnlyList<MachineDisk> Disks { get; init; } = [];

    /// <summary>What goes into the image: modules, tools, files.</summary>
    public ImageRecipe Recipe { get; init; } = new();

    /// <summary>A root file system instead of the initramfs; it becomes the first disk, and what is written to it goes with the machine. Such a machine boots each time.</summary>
    public RootImage? Root { get; init; }
}

/// <summary>The comfortable part: start by a kernel's name, run shell commands, copy both ways, make kernel calls.</summary>
public abstract partial class Machine
{
    /// <summary>Starts a machine with a kernel line (<c>6.12</c>) or a pinned version (<c>6.12=6.12.117-1</c>): fetched when it is missing, saved once, then ready in a fraction of a second.</summary>
    /// <returns>The machine; disposing removes it. It dies with this process, whatever ends that, and leaves nothing behind.</returns>
    /// <exception cref="RigUsageException">The kernel is not known.</exception>
    /// <exception cref="RigException">The environment lacks something; the sentence says what to do.</exception>
    public static Task<Machine> StartAsync(string kernel, MachineRequest? request = null, IProgress<string>? progress = null, CancellationToken cancellation = default) =>
        StartAsync(RealKernels.OfUser(), kernel, request, progress, cancellation);

    /// <summary>Starts a machine from kernels of one's own choice.</summary>
    public static async Task<Machine> StartAsync(RealKernels kernels, string kernel, MachineRequest? request = null, IProgress<string>? progress = null, CancellationToken cancellation = default)
    {
        var entry = await kernels.Kernels.GetAsync(kernel, progress, cancellation).ConfigureAwait(false);
        return await StartAsync(kernels, entry, request, progress, cancellation).ConfigureAwait(false);
    }

    /// <summary>Starts a machine with a kernel that is at hand.</summary>
    public static async Task<Machine> StartAsync(RealKernels kernels, KernelEntry entry, MachineRequest? request = null, IProgress<string>? progress = null, CancellationToken cancellation = default)
    {
        request ??= new();
        var options = await kernels.PrepareAsync(entry, request.Recipe, progress, cancellation).ConfigureAwait(false);
        options = options with { MemoryMiB = request.MemoryMiB, Cpus = request.Cpus, Disks = [.. request.Disks], Snapshots = true };
        AnonymousFile? written = null;
        if (request.Root is { } root)
        {
            written = new(kernels.Cache.Folder("runs"));
            var disk = await QemuImage.AboveAsync(new("root", root.SizeBytes, DiskFormat.Raw, root.File), written, cancellation).ConfigureAwait(false);
            options = options with { Disks = [disk, .. options.Disks], FromSaved = false, CommandLine = $"driverlab.root=/dev/vda driverlab.rootfstype={root.FileSystem}" };
        }
        var machine = (QemuMachine)await kernels.StartAsync(options, progress, cancellation).ConfigureAwait(false);
        var revertible = new RevertibleMachine(kernels.Cache, options, machine, written);
        try
        {
            if (request.Root is not null && machine.Hello.Complaints.FirstOrDefault(complaint => complaint.StartsWith("mount ", StringComparison.Ordinal) || complaint.StartsWith("enter ", StringComparison.Ordinal)) is { } refused)
                throw new RigException($"the guest did not get into its root file system: {refused}");
            // A saved machine has not looked at its disks yet: its driver is loaded now, unless the kernel has it built in. By its path: busybox would prefer a modprobe of its own, which knows no built-in modules.
            if (options.Disks.Length > 0 && await revertible.RunAsync("[ -e /sys/block/vda ] || /sbin/modprobe virtio_blk", cancellation).ConfigureAwait(false) is { Status: not 0 } failed)
                throw new RigException($"the guest's kernel {entry.Release} does not see its disks: virtio_blk cannot be loaded. {failed.Errors}");
            return revertible;
        }
        catch
        {
            await revertible.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Runs a line of shell as root.</summary>
    public async Task<ExecResult> RunAsync(string shell, CancellationToken cancellation = default)
    {
        using var output = new MemoryStream();
        using var errors = new MemoryStream();
        int status = await ExecAsync(["sh", "-c", shell], new ExecStreams(bytes => output.Write(bytes)) { OnErrors = bytes => errors.Write(bytes) }, cancellation).ConfigureAwait(false);
        return new(status, Encoding.UTF8.GetString(output.ToArray()), Encoding.UTF8.GetString(errors.ToArray()));
    }

    /// <summary>A task of the superuser on the machine's kernel. Each call is a round trip of a millisecond or more: programs of many calls are better sent whole.</summary>
    public IKernel NewTask() => RemoteKernel.NewTask(new Calls(this));

    /// <summary>Copies a file or a folder into the guest.</summary>
    /// <param name="source">On this machine.</param>
    /// <param name="target">Where it goes, absolute; folders above it are made.</param>
    /// <param name="progress">Told as bytes go.</param>
    /// <param name="cancellation">Stops it; a part may have arrived.</param>
    /// <exception cref="RigUsageException">There is no such source.</exception>
    /// <exception cref="GuestRequestException">The guest refused it.</exception>
    public async Task CopyInAsync(string source, string target, IProgress<CopyProgress>? progress = null, CancellationToken cancellation = default)
    {
        if (Directory.Exists(source))
        {
            using var archive = new AnonymousFile(Path.GetTempPath());
            var stream = new FileStream(archive.Path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            await using (stream.ConfigureAwait(false))
            {
                await TarFile.CreateFromDirectoryAsync(source, stream, includeBaseDirectory: false, cancellation).ConfigureAwait(false);
                stream.Position = 0;
                await PourAsync(stream, ["sh", "-c", "mkdir -p \"$0\" && exec tar -x -C \"$0\" -f -", target], target, progress, cancellation).ConfigureAwait(false);
            }
            return;
        }
        if (!File.Exists(source))
            throw new RigUsageException($"{source} does not exist; expected a file or a folder to copy");
        string mode = Convert.ToString((int)File.GetUnixFileMode(source), 8);
        var file = new FileStream(source, FileMode.Open, FileAccess.Read, FileShare.Read);
        await using (file.ConfigureAwait(false))
            await PourAsync(file, ["sh", "-c", "mkdir -p \"$(dirname \"$0\")\" && cat > \"$0\" && chmod \"$1\" \"$0\"", target, mode], target, progress, cancellation).ConfigureAwait(false);
    }

    /// <summary>Copies a file or a folder out of the guest.</summary>
    /// <param name="source">In the guest, absolute.</param>
    /// <param name="target">Where it goes; a file appears whole or not at all.</param>
    /// <param name="progress">Told as bytes come.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="GuestRequestException">There is no such source, or it cannot be read.</exception>
    public async Task CopyOutAsync(string source, string target, IProgress<CopyProgress>? progress = null, CancellationToken cancellation = default)
    {
        var kind = await ExecOutputAsync(["sh", "-c", "if [ -d \"$0\" ]; then echo folder; else stat -L -c '%s %a' \"$0\"; fi", source], cancellation).ConfigureAwait(false);
        if (kind.Status != 0)
            throw new GuestRequestException($"copy {source}: {kind.Errors.Trim()}");
        string folder = Path.GetDirectoryName(Path.GetFullPath(target))!;
        if (!Directory.Exists(folder))
            throw new RigUsageException($"{folder} does not exist; expected a folder for {Path.GetFileName(target)}");
        string temporary = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $".{Path.GetFileName(target)}.{Environment.ProcessId}.tmp"));
        bool isFolder = kind.Output.StartsWith("folder", StringComparison.Ordinal);
        string[] words = kind.Output.Trim().Split(' ');
        long? total = isFolder ? null : long.Parse(words[0], CultureInfo.InvariantCulture);
        try
        {
            var stream = new FileStream(temporary, FileMode.Create, FileAccess.ReadWrite, FileShare.None, 1 << 16, FileOptions.None);
            await using (stream.ConfigureAwait(false))
            {
                void Take(ReadOnlySpan<byte> bytes)
                {
                    stream.Write(bytes);
                    progress?.Report(new(stream.Position, total));
                }
                if (!isFolder)
                    await GetFileAsync(source, Take, cancellation).ConfigureAwait(false);
                else if (await ExecAsync(["tar", "-c", "-C", source, "-f", "-", "."], new ExecStreams(Take) { OnErrors = _ => { } }, cancellation).ConfigureAwait(false) is not 0 and var status)
                    throw new GuestRequestException($"copy {source}: tar ended with status {status}");
                else
                {
                    stream.Position = 0;
                    _ = Directory.CreateDirectory(target);
                    await TarFile.ExtractToDirectoryAsync(stream, target, overwriteFiles: true, cancellation).ConfigureAwait(false);
                }
            }
            if (!isFolder)
            {
                File.SetUnixFileMode(temporary, (UnixFileMode)(Convert.ToInt32(words[1], 8) & 0x1FF));
                File.Move(temporary, target, overwrite: true);
            }
        }
        finally
        {
            RigCache.Remove(temporary);
        }
    }

    private async Task PourAsync(Stream source, string[] command, string target, IProgress<CopyProgress>? progress, CancellationToken cancellation)
    {
        using var errors = new MemoryStream();
        using var counted = new CountedStream(source, progress);
        int status = await ExecAsync(command, new ExecStreams(bytes => errors.Write(bytes)) { Input = counted }, cancellation).ConfigureAwait(false);
        if (status != 0)
            throw new GuestRequestException($"copy to {target}: {Encoding.UTF8.GetString(errors.ToArray()).Trim()} (status {status})");
    }

    private async Task<ExecResult> ExecOutputAsync(IReadOnlyList<string> arguments, CancellationToken cancellation)
    {
        using var output = new MemoryStream();
        using var errors = new MemoryStream();
        int status = await ExecAsync(arguments, new ExecStreams(bytes => output.Write(bytes)) { OnErrors = bytes => errors.Write(bytes) }, cancellation).ConfigureAwait(false);
        return new(status, Encoding.UTF8.GetString(output.ToArray()), Encoding.UTF8.GetString(errors.ToArray()));
    }

    private sealed class Calls(Machine machine) : ICallChannel
    {
        public ReadOnlyMemory<byte> Exchange(ReadOnlySpan<byte> request) => machine.KernelCallAsync(request.ToArray(), CancellationToken.None).GetAwaiter().GetResult();
    }

    /// <summary>Tells how much was read.</summary>
    private sealed class CountedStream(Stream inner, IProgress<CopyProgress>? progress) : Stream
    {
        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => inner.Length;
        public override long Position { get => inner.Position; set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => Told(inner.Read(buffer, offset, count));

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => Told(await inner.ReadAsync(buffer, cancellationToken).ConfigureAwait(false));

        public override void Flush() { }
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        private int Told(int read)
        {
            progress?.Report(new(inner.Position, inner.Length));
            return read;
        }
    }
}
