using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace DriverLab.Rig.Machines;

/// <summary>QEMU's own control channel, used to save and restore a machine.</summary>
/// <remarks>QEMU docs/interop/qmp-spec: one JSON object a line; events come in between. The socket's name is removed as soon as we are connected, so nobody else can be.</remarks>
internal sealed class QmpClient : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly StreamReader reader;
    private readonly NetworkStream stream;

    private QmpClient(Socket socket)
    {
        stream = new NetworkStream(socket, ownsSocket: true);
        reader = new StreamReader(stream, Encoding.UTF8);
    }

    /// <summary>Connects as soon as QEMU listens; gives up when <paramref name="ended"/> completes first.</summary>
    public static async Task<QmpClient> ConnectAsync(string path, Task ended, CancellationToken cancellation)
    {
        while (true)
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation).ConfigureAwait(false);
                File.Delete(path);
                var client = new QmpClient(socket);
                _ = await client.ReadAsync(cancellation).ConfigureAwait(false); // the greeting
                _ = await client.ExecuteAsync("""{"execute":"qmp_capabilities"}""", cancellation).ConfigureAwait(false);
                return client;
            }
            catch (SocketException) when (!ended.IsCompleted)
            {
                socket.Dispose();
                await Task.Delay(2, cancellation).ConfigureAwait(false);
            }
            catch (SocketException e)
            {
                socket.Dispose();
                throw new RigException($"QEMU ended before its control channel could be reached ({e.Message})", e);
            }
        }
    }

    /// <summary>Sends memory through a file that both runs share, and everything else through a state file.</summary>
    public async Task ShareMemoryAsync(CancellationToken cancellation) =>
        _ = await ExecuteAsync("""{"execute":"migrate-set-capabilities","arguments":{"capabilities":[{"capability":"x-ignore-shared","state":true}]}}""", cancellation).ConfigureAwait(false);

    /// <summary>Stops the machine and writes its state.</summary>
    public async Task SaveAsync(string stateFile, CancellationToken cancellation)
    {
        _ = await ExecuteAsync("""{"execute":"stop"}""", cancellation).ConfigureAwait(false);
        _ = await ExecuteAsync("{\"execute\":\"migrate\",\"arguments\":{\"uri\":" + Text("exec:cat > " + ShellWord(stateFile)) + "}}", cancellation).ConfigureAwait(false);
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

    /// <summary>Reads a state and lets the machine run.</summary>
    public async Task RestoreAsync(string stateFile, CancellationToken cancellation)
    {
        _ = await ExecuteAsync("{\"execute\":\"migrate-incoming\",\"arguments\":{\"uri\":" + Text("exec:cat " + ShellWord(stateFile)) + "}}", cancellation).ConfigureAwait(false);
        // The machine was saved stopped: it waits until it is told to go on, which QEMU refuses until the state has been read.
        for (var limit = DateTime.UtcNow + Limit; DateTime.UtcNow < limit; await Task.Delay(2, cancellation).ConfigureAwait(false))
        {
            using var answer = await ExecuteAsync("""{"execute":"query-status"}""", cancellation).ConfigureAwait(false);
            string status = answer.RootElement.GetProperty("return").GetProperty("status").GetString() ?? "";
            if (status == "inmigrate")
                continue;
            _ = await ExecuteAsync("""{"execute":"cont"}""", cancellation).ConfigureAwait(false);
            return;
        }
        throw new RigException($"QEMU did not restore the machine within {Limit.TotalSeconds:0} s");
    }

    public async ValueTask DisposeAsync()
    {
        reader.Dispose();
        await stream.DisposeAsync().ConfigureAwait(false);
    }

    private async Task<JsonDocument> ExecuteAsync(string command, CancellationToken cancellation)
    {
        try
        {
            await stream.WriteAsync(Encoding.UTF8.GetBytes(command + "\n"), cancellation).ConfigureAwait(false);
        }
        catch (IOException e)
        {
            // QEMU ends when it cannot make sense of a state: the pipe may break before the answer is read.
            throw new RigException($"QEMU's control channel broke: {e.Message}", e);
        }
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

    private async Task<JsonDocument> ReadAsync(CancellationToken cancellation)
    {
        try
        {
            string line = await reader.ReadLineAsync(cancellation).ConfigureAwait(false) ?? throw new RigException("QEMU closed its control channel");
            return JsonDocument.Parse(line);
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            throw new RigException($"QEMU's control channel broke: {e.Message}", e);
        }
    }

    private static string Text(string value) => "\"" + JsonEncodedText.Encode(value) + "\"";

    private static string ShellWord(string file) => "'" + file.Replace("'", "'\\''", StringComparison.Ordinal) + "'";
}
