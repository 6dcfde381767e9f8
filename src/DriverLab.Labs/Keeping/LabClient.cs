using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using DriverLab.Labs.Files;
using DriverLab.Rig;
using DriverLab.Rig.Processes;

namespace DriverLab.Labs.Keeping;

/// <summary>Where a request's output goes and its input comes from.</summary>
/// <param name="Output">Takes data.</param>
/// <param name="Errors">Takes a command's errors.</param>
/// <param name="Progress">Takes progress.</param>
public sealed record LabStreams(Stream Output, Stream Errors, IProgress<string> Progress)
{
    /// <summary>Input for a command.</summary>
    public Stream? Input { get; init; }
}

/// <summary>Talks to the keepers of labs.</summary>
public sealed class LabClient(LabStore store)
{
    /// <summary>Starts a lab's keeper, which starts the lab; both go on when this process has ended.</summary>
    /// <returns>Exit status: 0, or 1 when a step did not show what was expected (the lab is up then, too).</returns>
    /// <exception cref="RigUsageException">A lab of that name is up already, or its file is wrong.</exception>
    /// <exception cref="RigException">It does not come up; nothing of it is left.</exception>
    public async Task<int> UpAsync(LabFile file, bool steps, LabStreams streams, CancellationToken cancellation)
    {
        if (await TryConnectAsync(file.Name, cancellation).ConfigureAwait(false) is { } there)
        {
            there.Dispose();
            throw new RigUsageException($"a lab named {file.Name} is up already; take it down with: driverlab lab down {file.Name}");
        }
        string folder = store.FolderOf(file.Name), log = store.LogOf(file.Name);
        string[] command = [.. OwnCommand(), "lab", "keep", file.Name];
        // A session of its own: neither the terminal's end nor its Ctrl-C is the lab's end.
        var start = new ProcessStartInfo(Tool.Require("setsid", "util-linux", "to let a lab live on when the command has ended"), ["sh", "-c", "exec \"$@\" > \"$0\" 2>&1 < /dev/null", log, .. command])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        };
        start.Environment["DRIVERLAB_STATE"] = Path.GetDirectoryName(store.Root)!;
        using var keeper = Process.Start(start)!;
        LabWire? wire = null;
        while (wire is null)
        {
            if (keeper.HasExited)
            {
                string said = File.Exists(log) ? (await File.ReadAllTextAsync(log, cancellation).ConfigureAwait(false)).Trim() : "";
                store.Remove(file.Name);
                throw new RigException($"the keeper of lab {file.Name} ended at once: {said}");
            }
            wire = await TryConnectAsync(file.Name, cancellation).ConfigureAwait(false);
            if (wire is null)
                await Task.Delay(20, cancellation).ConfigureAwait(false);
        }
        using (wire)
            return await TalkAsync(wire, file.Name, [steps ? "up-and-run" : "up", Path.GetFullPath(file.File)], streams, cancellation).ConfigureAwait(false);
    }

    /// <summary>Sends a request to a lab that is up.</summary>
    /// <returns>Exit status.</returns>
    /// <exception cref="RigUsageException">It is not up, or it refuses.</exception>
    public async Task<int> AskAsync(string lab, IReadOnlyList<string> words, LabStreams streams, CancellationToken cancellation)
    {
        using var wire = await TryConnectAsync(lab, cancellation).ConfigureAwait(false) ?? throw new RigUsageException(await NotUpAsync(lab, cancellation).ConfigureAwait(false));
        return await TalkAsync(wire, lab, words, streams, cancellation).ConfigureAwait(false);
    }

    /// <summary>Takes a lab down; one whose keeper was killed is cleaned up.</summary>
    public async Task DownAsync(string lab, LabStreams streams, CancellationToken cancellation)
    {
        if (await TryConnectAsync(lab, cancellation).ConfigureAwait(false) is { } wire)
        {
            using (wire)
                _ = await TalkAsync(wire, lab, ["down"], streams, cancellation).ConfigureAwait(false);
            // The keeper says so and then ends; its socket goes with it.
            while (await TryConnectAsync(lab, cancellation).ConfigureAwait(false) is { } still)
            {
                still.Dispose();
                await Task.Delay(20, cancellation).ConfigureAwait(false);
            }
        }
        else if (!store.Names.Contains(lab))
            throw new RigUsageException(await NotUpAsync(lab, cancellation).ConfigureAwait(false));
        store.Remove(lab);
    }

    /// <summary>Labs that are up. Folders of labs whose keepers are gone are removed, and told.</summary>
    public async Task<IReadOnlyList<string>> ListAsync(IProgress<string>? progress, CancellationToken cancellation)
    {
        var up = new List<string>();
        foreach (string lab in store.Names)
        {
            if (await TryConnectAsync(lab, cancellation).ConfigureAwait(false) is { } wire)
            {
                wire.Dispose();
                up.Add(lab);
            }
            else
            {
                progress?.Report($"lab {lab}: its keeper is gone, and the lab with it; its folder is removed");
                store.Remove(lab);
            }
        }
        return up;
    }

    /// <summary>How this program starts itself again.</summary>
    public static IReadOnlyList<string> OwnCommand()
    {
        string program = Path.Combine(AppContext.BaseDirectory, "driverlab.dll");
        if (!File.Exists(program))
            throw new RigException($"{program} does not exist; the driverlab command is expected beside this program, which starts it for what must outlive it or may take it down");
        string? host = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") is { Length: > 0 } path && File.Exists(path) ? path : null;
        host ??= Path.GetFileName(Environment.ProcessPath) == "dotnet" ? Environment.ProcessPath : null;
        string beside = Path.GetFullPath(Path.Combine(System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", "dotnet"));
        host ??= File.Exists(beside) ? beside : Tool.Require("dotnet", "dotnet-runtime-10.0", "to start the driverlab command again");
        return [host!, program];
    }

    internal async Task<LabWire?> TryConnectAsync(string lab, CancellationToken cancellation)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint("\0" + store.SocketOf(lab)), cancellation).ConfigureAwait(false);
            return new(new NetworkStream(socket, ownsSocket: true));
        }
        catch (SocketException)
        {
            socket.Dispose();
            return null;
        }
    }

    private async Task<string> NotUpAsync(string lab, CancellationToken cancellation)
    {
        var up = await ListAsync(null, cancellation).ConfigureAwait(false);
        return $"there is no lab {lab} up; {(up.Count == 0 ? "none is; start one with: driverlab lab up FILE.yaml" : "up are: " + string.Join(", ", up))}";
    }

    private static async Task<int> TalkAsync(LabWire wire, string lab, IReadOnlyList<string> words, LabStreams streams, CancellationToken cancellation)
    {
        wire.Send(LabFrame.Request, string.Join('\0', words));
        using var feeding = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var feed = FeedAsync(wire, streams.Input, feeding.Token);
        try
        {
            while (await wire.ReceiveAsync(cancellation).ConfigureAwait(false) is var (kind, bytes))
            {
                switch (kind)
                {
                    case LabFrame.Output:
                        await streams.Output.WriteAsync(bytes, cancellation).ConfigureAwait(false);
                        await streams.Output.FlushAsync(cancellation).ConfigureAwait(false);
                        break;
                    case LabFrame.Errors:
                        await streams.Errors.WriteAsync(bytes, cancellation).ConfigureAwait(false);
                        await streams.Errors.FlushAsync(cancellation).ConfigureAwait(false);
                        break;
                    case LabFrame.Progress:
                        streams.Progress.Report(Encoding.UTF8.GetString(bytes));
                        break;
                    case LabFrame.Done:
                        return int.Parse(Encoding.UTF8.GetString(bytes), CultureInfo.InvariantCulture);
                    case LabFrame.Refused:
                        string[] parts = Encoding.UTF8.GetString(bytes).Split(' ', 2);
                        throw parts[0] == "2" ? new RigUsageException(parts[1]) : new RigException(parts[1]);
                    default:
                        throw new RigException($"the keeper of lab {lab} sent a frame of kind {kind}; is it of another version? Take it down and up again");
                }
            }
            throw new RigException($"the keeper of lab {lab} ended; its log may say why: driverlab lab logs {lab}");
        }
        finally
        {
            await feeding.CancelAsync().ConfigureAwait(false);
            _ = feed; // a terminal may hold it in a read until the process ends
        }
    }

    private static async Task FeedAsync(LabWire wire, Stream? input, CancellationToken cancellation)
    {
        byte[] buffer = new byte[32 << 10];
        try
        {
            while (input is not null && await input.ReadAsync(buffer, cancellation).ConfigureAwait(false) is > 0 and var n)
                wire.Send(LabFrame.Input, buffer.AsSpan(0, n));
            wire.Send(LabFrame.Input, []);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // The request has ended.
        }
    }
}
