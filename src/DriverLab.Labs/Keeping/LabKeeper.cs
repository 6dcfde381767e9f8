using System.Globalization;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using DriverLab.Labs.Files;
using DriverLab.Labs.Running;
using DriverLab.Rig;
using DriverLab.Rig.Machines;

namespace DriverLab.Labs.Keeping;

/// <summary>The process that a lab lives in: holds its machines and disks, and answers the <c>driverlab lab</c> commands on an abstract socket until it is told to take the lab down.</summary>
public sealed class LabKeeper : IDisposable
{
    private const int SolSocket = 1, SoPeerCred = 17;

    private readonly LabStore _store;
    private readonly string _name;
    private readonly TextWriter _log;
    private readonly CancellationTokenSource _down = new();
    private readonly SemaphoreSlim _changing = new(1);
    private Lab? _lab;
    private LabSsh? _ssh;

    private LabKeeper(LabStore store, string name, TextWriter log) => (_store, _name, _log) = (store, name, log);

    /// <summary>Keeps a lab until it is taken down, or until it does not come up.</summary>
    /// <param name="store">Where labs are.</param>
    /// <param name="name">The lab's name.</param>
    /// <param name="log">Takes what happens.</param>
    /// <param name="cancellation">Takes it down.</param>
    /// <exception cref="RigUsageException">Another keeper has the lab.</exception>
    public static async Task RunAsync(LabStore store, string name, TextWriter log, CancellationToken cancellation)
    {
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            listener.Bind(new UnixDomainSocketEndPoint("\0" + store.SocketOf(name)));
        }
        catch (SocketException e)
        {
            throw new RigUsageException($"lab {name} has a keeper already ({e.Message})");
        }
        listener.Listen(32);
        using var keeper = new LabKeeper(store, name, log);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation, keeper._down.Token);
        try
        {
            while (true)
            {
                var connection = await listener.AcceptAsync(stop.Token).ConfigureAwait(false);
                _ = keeper.ServeAsync(connection, stop.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // Told to end.
        }
        if (keeper._lab is { } lab)
            await lab.DisposeAsync().ConfigureAwait(false);
        store.Remove(name);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _down.Dispose();
        _changing.Dispose();
    }

    private async Task ServeAsync(Socket socket, CancellationToken stop)
    {
        using var wire = new LabWire(new NetworkStream(socket, ownsSocket: true));
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(stop);
        try
        {
            if (!IsOurs(socket) || await wire.ReceiveAsync(gone.Token).ConfigureAwait(false) is not (LabFrame.Request, var bytes))
                return;
            string[] words = Encoding.UTF8.GetString(bytes).Split('\0');
            // What the client sends after its request is input; that it goes away ends the request.
            var input = new Pipe();
            var receiving = ReceiveAsync(wire, input.Writer, gone);
            int status = await CarryAsync(words, wire, input.Reader.AsStream(), gone.Token).ConfigureAwait(false);
            wire.Send(LabFrame.Done, LabWire.Status(status));
            if (words[0] is "down")
                await _down.CancelAsync().ConfigureAwait(false);
            await gone.CancelAsync().ConfigureAwait(false);
            await receiving.ConfigureAwait(false);
        }
        catch (RigException e)
        {
            Refuse(wire, $"{(e is RigUsageException ? 2 : 3)} {e.Message}");
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The client has gone.
        }
        catch (Exception e)
        {
            Log(e.ToString());
            Refuse(wire, $"70 internal error in the keeper: {e}");
        }
        // A lab that did not come up is not kept.
        if (_lab is null)
            await _down.CancelAsync().ConfigureAwait(false);
    }

    private static void Refuse(LabWire wire, string text)
    {
        try
        {
            wire.Send(LabFrame.Refused, text);
        }
        catch (IOException)
        {
            // The client has gone.
        }
    }

    private static async Task ReceiveAsync(LabWire wire, PipeWriter input, CancellationTokenSource gone)
    {
        try
        {
            while (await wire.ReceiveAsync(gone.Token).ConfigureAwait(false) is var (kind, bytes))
            {
                if (kind == LabFrame.Input && bytes.Length == 0)
                    await input.CompleteAsync().ConfigureAwait(false);
                else if (kind == LabFrame.Input)
                    _ = await input.WriteAsync(bytes, gone.Token).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            // As an end.
        }
        await input.CompleteAsync().ConfigureAwait(false);
        await gone.CancelAsync().ConfigureAwait(false);
    }

    private async Task<int> CarryAsync(string[] words, LabWire wire, Stream input, CancellationToken cancellation)
    {
        if (words[0] is not "connect" and not "state")
            Log(string.Join(' ', words));
        switch (words)
        {
            case ["up" or "up-and-run", var file]:
                return await UpAsync(LabFile.Read(file), words[0] == "up-and-run", wire, cancellation).ConfigureAwait(false);
            case ["down"]:
                return 0;
            case ["state"]:
                wire.Send(LabFrame.Output, State());
                return 0;
            case ["exec", var on, .. var command]:
                return await Machine(on).ExecAsync(command, new ExecStreams(part => wire.Send(LabFrame.Output, part)) { OnErrors = part => wire.Send(LabFrame.Errors, part), Input = input }, cancellation).ConfigureAwait(false);
            case ["connect", var on]:
                return await (_ssh ?? throw new RigUsageException($"lab {_name} has no keys for ssh: install openssh-client and take it down and up again")).ConnectAsync(Machine(on), on.Length > 0 ? on : OnlyName(), wire, input, cancellation).ConfigureAwait(false);
            case ["copy-in", var on, var source, var target]:
                await Machine(on).CopyInAsync(source, target, new Told(wire), cancellation).ConfigureAwait(false);
                return 0;
            case ["copy-out", var on, var source, var target]:
                await Machine(on).CopyOutAsync(source, target, new Told(wire), cancellation).ConfigureAwait(false);
                return 0;
            case ["console", var on]:
                wire.Send(LabFrame.Output, Machine(on).Console);
                return 0;
            case ["snapshot", var name]:
                return await ChangeAsync(lab => lab.SnapshotAsync(name, cancellation), cancellation).ConfigureAwait(false);
            case ["revert", var name]:
                return await ChangeAsync(lab => lab.RevertAsync(name, cancellation), cancellation).ConfigureAwait(false);
            default:
                throw new RigException($"the keeper of lab {_name} does not know '{words[0]}'; is it of another version? Take it down and up again");
        }
    }

    private async Task<int> UpAsync(LabFile file, bool steps, LabWire wire, CancellationToken cancellation)
    {
        var progress = new Lines(line =>
        {
            Log(line);
            wire.Send(LabFrame.Progress, line);
        });
        var lab = await Lab.StartAsync(file, null, progress, cancellation).ConfigureAwait(false);
        try
        {
            _ssh = await LabSsh.PrepareAsync(_store, lab, progress, cancellation).ConfigureAwait(false);
            int faults = !steps ? 0 : (await lab.RunStepsAsync(step => wire.Send(LabFrame.Output, StepText.Of(step)), cancellation).ConfigureAwait(false)).Count(step => step.Fault is not null);
            _lab = lab;
            return faults > 0 ? 1 : 0;
        }
        finally
        {
            if (_lab is null)
                await lab.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task<int> ChangeAsync(Func<Lab, Task> change, CancellationToken cancellation)
    {
        await _changing.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            await change(Up).ConfigureAwait(false);
            return 0;
        }
        finally
        {
            _ = _changing.Release();
        }
    }

    private Lab Up => _lab ?? throw new RigUsageException($"lab {_name} is still coming up");

    private Machine Machine(string name) => Up.MachineOf(name.Length == 0 ? null : name);

    private string OnlyName() => Up.Machines.Keys.Single();

    private string State()
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("lab", _name);
            json.WriteString("file", _lab is null ? "" : Path.GetFullPath(_lab.File.File));
            json.WriteString("state", _lab is null ? "coming up" : "up");
            json.WriteNumber("keeper", Environment.ProcessId);
            json.WriteStartArray("machines");
            foreach (var (name, machine) in _lab?.Machines ?? new Dictionary<string, Machine>())
            {
                json.WriteStartObject();
                json.WriteString("name", name);
                json.WriteString("release", machine.Hello.Release);
                json.WriteString("accelerator", machine.Accelerator.Name);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteStartArray("snapshots");
            foreach (string snapshot in _lab?.Snapshots ?? [])
                json.WriteStringValue(snapshot);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.ToArray()) + "\n";
    }

    private void Log(string line)
    {
        lock (_log)
        {
            _log.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{DateTime.UtcNow:yyyy-MM-ddTHH:mm:ss.fffZ} {line}"));
            _log.Flush();
        }
    }

    private static bool IsOurs(Socket socket)
    {
        Span<byte> peer = stackalloc byte[12]; // struct ucred: pid, uid, gid
        _ = socket.GetRawSocketOption(SolSocket, SoPeerCred, peer);
        uint user = BitConverter.ToUInt32(peer[4..]);
        string own = File.ReadLines("/proc/self/status").First(line => line.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[1];
        return user == 0 || user.ToString(CultureInfo.InvariantCulture) == own;
    }

    private sealed class Lines(Action<string> onLine) : IProgress<string>
    {
        public void Report(string value) => onLine(value);
    }

    /// <summary>Progress of a copy, told each time another hundredth, or another MiB, is done.</summary>
    private sealed class Told(LabWire wire) : IProgress<CopyProgress>
    {
        private long _last = -1;

        public void Report(CopyProgress value)
        {
            long mark = value.Total is > 0 and var total ? value.Bytes * 100 / total : value.Bytes >> 20;
            if (mark == _last)
                return;
            _last = mark;
            wire.Send(LabFrame.Progress, string.Create(CultureInfo.InvariantCulture, $"copied {value.Bytes / 1e6:0.0}{(value.Total is { } all ? $" of {all / 1e6:0.0}" : "")} MB"));
        }
    }
}
