using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace DriverLab.Rig.Machines;

/// <summary>Where one QEMU finds us: an abstract socket, which no file names and which is gone with this process. Only the process that we started is let in.</summary>
internal sealed class QmpListener : IDisposable
{
    private const int SolSocket = 1, SoPeerCred = 17;
    private readonly Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    public QmpListener()
    {
        Name = $"driverlab-{Environment.ProcessId}-{Guid.NewGuid():n}";
        socket.Bind(new UnixDomainSocketEndPoint("\0" + Name));
        socket.Listen();
    }

    /// <summary>The socket's name, without the leading NUL.</summary>
    public string Name { get; }

    /// <summary>Waits for QEMU, which connects as soon as it starts; gives up when it ends first.</summary>
    public async Task<Socket> AcceptAsync(int processId, Task ended)
    {
        while (true)
        {
            using var limit = new CancellationTokenSource();
            var accepting = socket.AcceptAsync(limit.Token).AsTask();
            if (await Task.WhenAny(accepting, ended).ConfigureAwait(false) != accepting)
            {
                await limit.CancelAsync().ConfigureAwait(false);
                await accepting.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default).ConfigureAwait(false);
                throw new RigException("QEMU ended before it reached its control channel");
            }
            var connection = await accepting.ConfigureAwait(false);
            if (PeerOf(connection) == processId)
                return connection;
            connection.Dispose();
        }
    }

    public void Dispose() => socket.Dispose();

    private static int PeerOf(Socket connection)
    {
        Span<byte> credentials = stackalloc byte[12]; // struct ucred: pid, uid, gid
        _ = connection.GetRawSocketOption(SolSocket, SoPeerCred, credentials);
        return BitConverter.ToInt32(credentials);
    }
}

/// <summary>QEMU's own control channel, used to save and restore a machine.</summary>
/// <remarks>QEMU docs/interop/qmp-spec: one JSON object a line; events come in between.</remarks>
internal sealed class QmpClient : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60), AnswerLimit = TimeSpan.FromSeconds(120);

    private readonly StreamReader reader;
    private readonly NetworkStream stream;

    private QmpClient(Socket socket)
    {
        stream = new NetworkStream(socket, ownsSocket: true);
        reader = new StreamReader(stream, Encoding.UTF8);
    }

    /// <summary>Begins to talk.</summary>
    public static async Task<QmpClient> StartAsync(Socket socket, CancellationToken cancellation)
    {
        var client = new QmpClient(socket);
        (await client.ReadAsync(cancellation).ConfigureAwait(false)).Dispose(); // the greeting
        await client.DoAsync("""{"execute":"qmp_capabilities"}""", cancellation).ConfigureAwait(false);
        return client;
    }

    /// <summary>Sends memory through a file that both runs share, and everything else through a state file.</summary>
    public Task ShareMemoryAsync(CancellationToken cancellation) => DoAsync(ShareMemory, cancellation);

    private const string ShareMemory = """{"execute":"migrate-set-capabilities","arguments":{"capabilities":[{"capability":"x-ignore-shared","state":true}]}}""";

    /// <summary>Stops the machine: its processors rest, its disks are flushed.</summary>
    public Task StopAsync(CancellationToken cancellation) => DoAsync("""{"execute":"stop"}""", cancellation);

    /// <summary>Lets the machine go on.</summary>
    public Task ContinueAsync(CancellationToken cancellation) => DoAsync("""{"execute":"cont"}""", cancellation);

    /// <summary>Freezes what a disk holds: from now on its writes go to a new file above it.</summary>
    /// <param name="node">The node that takes the writes now.</param>
    /// <param name="file">The file above. It is there already: QEMU would tell on its standard output, which is the guest's port, that it makes one.</param>
    /// <param name="above">Name of the node for it.</param>
    /// <param name="cancellation">Gives up.</param>
    public Task FreezeDiskAsync(string node, string file, string above, CancellationToken cancellation) =>
        DoAsync("{\"execute\":\"blockdev-snapshot-sync\",\"arguments\":{\"node-name\":" + Text(node) + ",\"snapshot-file\":" + Text(file) + ",\"snapshot-node-name\":" + Text(above) + ",\"format\":\"qcow2\",\"mode\":\"existing\"}}", cancellation);

    /// <summary>Writes the state of a stopped machine.</summary>
    public async Task SaveAsync(string stateFile, CancellationToken cancellation)
    {
        // Nobody is waiting on the other end of a wire.
        await DoAsync("""{"execute":"migrate-set-parameters","arguments":{"max-bandwidth":17179869184}}""", cancellation).ConfigureAwait(false);
        await DoAsync("{\"execute\":\"migrate\",\"arguments\":{\"uri\":" + Text("exec:exec cat > " + ShellWord(stateFile)) + "}}", cancellation).ConfigureAwait(false);
        for (var limit = DateTime.UtcNow + Limit; DateTime.UtcNow < limit; await Task.Delay(5, cancellation).ConfigureAwait(false))
        {
            using var answer = await ExecuteAsync("""{"execute":"query-migrate"}""", cancellation).ConfigureAwait(false);
            string status = answer.RootElement.GetProperty("return").TryGetProperty("status", out var value) ? value.GetString() ?? "" : "";
            if (status == "completed")
                return;
            if (status is "failed" or "cancelled")
                throw new RigException($"QEMU could not save the machine (migration {status}); is there space for {stateFile}?");
        }
        throw new RigException($"QEMU did not save the machine within {Limit.TotalSeconds:0} s");
    }

    /// <summary>Has a machine go on from a state; it runs when the state has been read, if it ran when it was saved.</summary>
    public async Task GoOnAsync(string stateFile, CancellationToken cancellation)
    {
        // In one piece: QEMU need not wait for us in between.
        await SendAsync(ShareMemory + "{\"execute\":\"migrate-incoming\",\"arguments\":{\"uri\":" + Text("exec:exec cat " + ShellWord(stateFile)) + "}}", cancellation).ConfigureAwait(false);
        (await AnswerAsync("x-ignore-shared", cancellation).ConfigureAwait(false)).Dispose();
        (await AnswerAsync("migrate-incoming", cancellation).ConfigureAwait(false)).Dispose();
    }

    /// <summary>Lets a machine run that was saved at rest: QEMU refuses until the state has been read.</summary>
    public async Task ContinueWhenReadAsync(CancellationToken cancellation)
    {
        for (var limit = DateTime.UtcNow + Limit; DateTime.UtcNow < limit; await Task.Delay(2, cancellation).ConfigureAwait(false))
        {
            using var answer = await ExecuteAsync("""{"execute":"query-status"}""", cancellation).ConfigureAwait(false);
            if (answer.RootElement.GetProperty("return").GetProperty("status").GetString() == "inmigrate")
                continue;
            await ContinueAsync(cancellation).ConfigureAwait(false);
            return;
        }
        throw new RigException($"QEMU did not restore the machine within {Limit.TotalSeconds:0} s");
    }

    public async ValueTask DisposeAsync()
    {
        reader.Dispose();
        await stream.DisposeAsync().ConfigureAwait(false);
    }

    private async Task DoAsync(string command, CancellationToken cancellation) => (await ExecuteAsync(command, cancellation).ConfigureAwait(false)).Dispose();

    private async Task<JsonDocument> ExecuteAsync(string command, CancellationToken cancellation)
    {
        await SendAsync(command, cancellation).ConfigureAwait(false);
        return await AnswerAsync(command, cancellation).ConfigureAwait(false);
    }

    private async Task SendAsync(string commands, CancellationToken cancellation)
    {
        try
        {
            await stream.WriteAsync(Encoding.UTF8.GetBytes(commands + "\n"), cancellation).ConfigureAwait(false);
        }
        catch (IOException e)
        {
            // QEMU ends when it cannot make sense of a state: the pipe may break before the answer is read.
            throw new RigException($"QEMU's control channel broke: {e.Message}", e);
        }
    }

    private async Task<JsonDocument> AnswerAsync(string command, CancellationToken cancellation)
    {
        while (true)
        {
            var answer = await ReadAsync(cancellation).ConfigureAwait(false);
            if (answer.RootElement.TryGetProperty("error", out var error))
            {
                string said = error.TryGetProperty("desc", out var description) ? description.GetString() ?? "" : "";
                answer.Dispose();
                throw new RigException($"QEMU refused {command}: {said}");
            }
            if (answer.RootElement.TryGetProperty("return", out _))
                return answer;
            answer.Dispose(); // an event
        }
    }

    /// <summary>The next object. QEMU answers while its machine rests, too: one that says nothing for so long will not do it any more.</summary>
    private async Task<JsonDocument> ReadAsync(CancellationToken cancellation)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(AnswerLimit);
        try
        {
            string line = await reader.ReadLineAsync(patience.Token).ConfigureAwait(false) ?? throw new RigException("QEMU closed its control channel");
            return JsonDocument.Parse(line);
        }
        catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
        {
            throw new RigException($"QEMU has not answered on its control channel for {AnswerLimit.TotalSeconds:0} s; the machine is lost", e);
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            throw new RigException($"QEMU's control channel broke: {e.Message}", e);
        }
    }

    private static string Text(string value) => "\"" + JsonEncodedText.Encode(value) + "\"";

    internal static string ShellWord(string file) => "'" + file.Replace("'", "'\\''", StringComparison.Ordinal) + "'";
}
