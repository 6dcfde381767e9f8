using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using DriverLab.Guest.Wire;
using DriverLab.Rig.Processes;

namespace DriverLab.Rig.Machines;

/// <summary>A machine in a QEMU process of its own, which dies with this process.</summary>
public sealed partial class QemuMachine : Machine
{
    private readonly MachineOptions options;
    private readonly IMachineProcess process;
    private readonly PortLink link;
    private readonly ConsoleTail console = new();
    private readonly Requests requests;
    private readonly Watchdog watchdog;
    private readonly Task consoleDrained;
    private Task<Socket>? reached;
    private QmpClient? control;
    private GuestMemory? memory;
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile string? lastTraceLine;
    private volatile bool poweringOff;

    private QemuMachine(MachineOptions options, Accelerator accelerator, IMachineProcess process, bool midStream)
    {
        this.options = options;
        Accelerator = accelerator;
        this.process = process;
        var clock = new GuestClock(process.Id);
        requests = new(clock);
        consoleDrained = Drain(process.Error, console);
        link = new PortLink(process.Input, process.Output, OnFrame, broken => _ = EndAsync(broken), midStream);
        watchdog = new Watchdog(options, requests, console, link, clock, what => _ = HangAsync(what));
    }

    /// <inheritdoc/>
    public override GuestHello Hello => hello ?? throw new InvalidOperationException("the machine is not ready yet");

    private GuestHello? hello;

    /// <inheritdoc/>
    public override Accelerator Accelerator { get; }

    /// <inheritdoc/>
    public override TimeSpan BootTime => bootTime;

    private TimeSpan bootTime;

    /// <inheritdoc/>
    public override IReadOnlyList<(string Phase, TimeSpan At)> Phases
    {
        get
        {
            lock (phases)
                return [.. phases.OrderBy(static phase => phase.At)];
        }
    }

    private readonly List<(string Phase, TimeSpan At)> phases = [];

    // The guest and QEMU are spoken to at the same time.
    private void Note(string phase, TimeSpan at)
    {
        lock (phases)
            phases.Add((phase, at));
    }

    /// <inheritdoc/>
    public override bool Restored { get; private protected set; }

    /// <inheritdoc/>
    public override string Console => console.All();

    /// <summary>Id of the QEMU process.</summary>
    public int ProcessId => process.Id;

    /// <inheritdoc/>
    public override int? HostProcessId => process.Id > 0 ? process.Id : null;

    /// <summary>Boots a machine and waits for the guest's hello.</summary>
    /// <exception cref="RigException">QEMU is missing.</exception>
    /// <exception cref="MachineException">The guest did not get ready; which one says why.</exception>
    public static Task<QemuMachine> StartAsync(MachineOptions options, Accelerator accelerator, CancellationToken cancellation) =>
        StartAsync(options, accelerator, GuestMemory.Empty(options), midStream: false, null, cancellation);

    /// <summary>A machine whose QEMU somebody else runs (libvirt). It has no control channel of ours.</summary>
    internal static async Task<QemuMachine> OverAsync(MachineOptions options, Accelerator accelerator, IMachineProcess process, bool restored, long start, CancellationToken cancellation)
    {
        var machine = new QemuMachine(options, accelerator, process, midStream: false) { Restored = restored };
        try
        {
            machine.Note(restored ? "state read" : "guest runs", Stopwatch.GetElapsedTime(start));
            await machine.FirstWordsAsync(start, cancellation).ConfigureAwait(false);
            return machine;
        }
        catch
        {
            await machine.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Waits for the guest's hello, and gives it the time and, after a restore, entropy.</summary>
    private async Task FirstWordsAsync(long start, CancellationToken cancellation)
    {
        await GreetAsync(cancellation).ConfigureAwait(false);
        bootTime = Stopwatch.GetElapsedTime(start);
        Note("guest answered", bootTime);
        // Both are on their way before the first is answered.
        var clock = SetClockAsync(DateTimeOffset.UtcNow, cancellation);
        var entropy = Restored ? AskAsync(FrameKind.Entropy, RandomNumberGenerator.GetBytes(64), null, cancellation) : Task.CompletedTask;
        await Task.WhenAll(clock, entropy).ConfigureAwait(false);
        Note("clock and entropy", Stopwatch.GetElapsedTime(start));
    }

    /// <param name="options">The machine.</param>
    /// <param name="accelerator">What runs it.</param>
    /// <param name="memory">Its memory; taken over, also when this fails.</param>
    /// <param name="midStream">As <see cref="PortLink"/> has it.</param>
    /// <param name="goOn">Tells QEMU from which state to go on; null boots.</param>
    /// <param name="cancellation">Gives up.</param>
    private static async Task<QemuMachine> StartAsync(MachineOptions options, Accelerator accelerator, GuestMemory memory, bool midStream, Func<QmpClient, Task>? goOn, CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        var listener = new QmpListener();
        TetheredProcess started;
        try
        {
            string qemu = Tool.Require(QemuCommand.Program, QemuCommand.Package, "to run guests");
            started = await TetheredProcess.StartAsync(qemu, QemuCommand.Arguments(options, accelerator, [.. memory.Arguments, .. goOn is null ? (string[])[] : ["-incoming", "defer"], .. QemuCommand.Control(listener.Name)])).ConfigureAwait(false);
        }
        catch
        {
            listener.Dispose();
            await memory.ReleaseAsync().ConfigureAwait(false);
            throw;
        }
        var forked = Stopwatch.GetElapsedTime(start);
        var machine = new QemuMachine(options, accelerator, started, midStream) { Restored = goOn is not null, memory = memory };
        machine.reached = machine.ReachedAsync(listener);
        try
        {
            machine.Note("process started", forked);
            // The guest is asked already: when QEMU has read its state, the question is there.
            var told = goOn is null ? Task.CompletedTask : TellAsync();
            var asked = machine.FirstWordsAsync(start, cancellation);
            if (await Task.WhenAny(told, asked).ConfigureAwait(false) == told)
                await told.ConfigureAwait(false);
            await asked.ConfigureAwait(false);
            await told.ConfigureAwait(false);
            return machine;
        }
        catch
        {
            await machine.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        async Task TellAsync()
        {
            var channel = await machine.ControlAsync(cancellation).ConfigureAwait(false);
            machine.Note("QEMU reached", Stopwatch.GetElapsedTime(start));
            await memory.Ready.ConfigureAwait(false);
            await goOn(channel).ConfigureAwait(false);
            machine.Note("state asked for", Stopwatch.GetElapsedTime(start));
        }
    }

    private async Task<Socket> ReachedAsync(QmpListener listener)
    {
        using (listener)
            return await listener.AcceptAsync(process.Id, process.Exited).ConfigureAwait(false);
    }

    /// <summary>QEMU's control channel, spoken to from the first need on: QEMU reads it byte by byte, and a start that needs none is faster.</summary>
    private async Task<QmpClient> ControlAsync(CancellationToken cancellation)
    {
        if (control is not null)
            return control;
        if (reached is null)
            throw new RigUsageException("a machine of libvirt keeps no moments; expected one of QEMU's own (--machine qemu)");
        try
        {
            return control = await QmpClient.StartAsync(await reached.WaitAsync(cancellation).ConfigureAwait(false), cancellation).ConfigureAwait(false);
        }
        catch (RigException) when (process.Exited.IsCompleted)
        {
            // The reason is what its console says.
            _ = await Task.WhenAny(consoleDrained, Task.Delay(1000, cancellation)).ConfigureAwait(false);
            int status = await process.Exited.ConfigureAwait(false);
            throw new MachineLostException(Lost(true, status, "it ended before it was reached"), status, console.Tail(), null);
        }
    }

    /// <inheritdoc/>
    public override Task RunProgramAsync(ReadOnlyMemory<byte> program, BytesSink onTraceLine, CancellationToken cancellation)
    {
        lastTraceLine = null;
        return AskAsync(FrameKind.RunProgram, program, line =>
        {
            lastTraceLine = Encoding.UTF8.GetString(line);
            onTraceLine(line);
        }, cancellation);
    }

    /// <inheritdoc/>
    public override Task<byte[]> KernelCallAsync(ReadOnlyMemory<byte> call, CancellationToken cancellation) => AskAsync(FrameKind.KernelCall, call, null, cancellation);

    /// <inheritdoc/>
    public override async Task<int> ExecAsync(IReadOnlyList<string> arguments, BytesSink onOutput, CancellationToken cancellation)
    {
        byte[] status = await AskAsync(FrameKind.Exec, Payload.Words(arguments), onOutput, cancellation).ConfigureAwait(false);
        return BitConverter.ToInt32(status);
    }

    /// <inheritdoc/>
    public override async Task<int> ExecAsync(IReadOnlyList<string> arguments, ExecStreams streams, CancellationToken cancellation)
    {
        using var window = new SemaphoreSlim(Payload.InputWindow / InputPiece);
        using var feeding = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var request = requests.Add(FrameKind.ExecWithInput, streams.OnOutput, streams.OnErrors, _ => window.Release());
        link.Send(FrameKind.ExecWithInput, request.Id, Payload.Words(arguments));
        var feed = FeedAsync(request.Id, streams.Input, window, feeding.Token);
        try
        {
            byte[] status = await request.Answer.WaitAsync(cancellation).ConfigureAwait(false);
            return BitConverter.ToInt32(status);
        }
        catch (OperationCanceledException)
        {
            link.Send(FrameKind.Signal, request.Id, Payload.Number(9));
            throw;
        }
        finally
        {
            requests.Remove(request);
            await feeding.CancelAsync().ConfigureAwait(false);
            await feed.ConfigureAwait(false);
        }
    }

    private const int InputPiece = 32 << 10;

    /// <summary>Sends a command's input piece by piece, never further ahead than the window.</summary>
    private async Task FeedAsync(uint id, Stream? input, SemaphoreSlim window, CancellationToken cancellation)
    {
        var buffer = new byte[InputPiece];
        try
        {
            while (input is not null && await input.ReadAsync(buffer, cancellation).AsTask().WaitAsync(cancellation).ConfigureAwait(false) is > 0 and var n)
            {
                await window.WaitAsync(cancellation).ConfigureAwait(false);
                link.Send(FrameKind.Input, id, buffer.AsMemory(0, n));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // The command has ended, or its input broke: both are the end of the input.
        }
        link.Send(FrameKind.Input, id, default);
    }

    /// <inheritdoc/>
    public override Task GetFileAsync(string path, BytesSink onBytes, CancellationToken cancellation) => AskAsync(FrameKind.GetFile, Encoding.UTF8.GetBytes(path), onBytes, cancellation);

    /// <inheritdoc/>
    public override async Task PutFileAsync(string path, ReadOnlyMemory<byte> content, uint mode, CancellationToken cancellation)
    {
        const int piece = 1 << 20;
        for (int at = 0; at == 0 || at < content.Length; at += piece)
        {
            var part = content.Slice(at, Math.Min(piece, content.Length - at));
            _ = await AskAsync(FrameKind.PutFile, Payload.File(path, mode, at > 0, part.Span), null, cancellation).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public override Task LoadModulesAsync(IReadOnlyList<string> names, CancellationToken cancellation) => AskAsync(FrameKind.LoadModules, Payload.Words(names), null, cancellation);

    /// <inheritdoc/>
    public override Task SetClockAsync(DateTimeOffset time, CancellationToken cancellation) =>
        AskAsync(FrameKind.SetClock, Payload.Number((time - DateTimeOffset.UnixEpoch).Ticks * 100), null, cancellation);

    /// <inheritdoc/>
    public override async Task PowerOffAsync(CancellationToken cancellation)
    {
        poweringOff = true;
        link.Send(FrameKind.PowerOff, 0, default);
        _ = await process.Exited.WaitAsync(cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        poweringOff = true;
        watchdog.Dispose();
        await process.DisposeAsync().ConfigureAwait(false);
        requests.EndAll(new ObjectDisposedException(nameof(QemuMachine)));
        link.Dispose();
        if (control is not null)
            await control.DisposeAsync().ConfigureAwait(false);
        else if (reached is not null && await reached.ContinueWith(static done => done.IsCompletedSuccessfully ? done.Result : null, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default).ConfigureAwait(false) is { } unused)
            unused.Dispose();
        if (memory is not null)
            await memory.ReleaseAsync().ConfigureAwait(false);
    }

    private async Task GreetAsync(CancellationToken cancellation)
    {
        string nonce = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        byte[] answer = await AskAsync(FrameKind.Hello, Encoding.ASCII.GetBytes(nonce), null, cancellation).ConfigureAwait(false);
        var fields = Encoding.UTF8.GetString(answer).Split('\n').Select(line => line.Split('=', 2)).Where(pair => pair.Length == 2).ToLookup(pair => pair[0], pair => pair[1]);
        string Field(string name) => fields[name].FirstOrDefault() ?? "";
        if (Field("nonce") != nonce || Field("protocol") != FrameHeader.Version.ToString(CultureInfo.InvariantCulture))
            throw new MachineLostException($"the guest answered with nonce '{Field("nonce")}' and protocol '{Field("protocol")}', expected '{nonce}' and '{FrameHeader.Version}'", 0, console.Tail(), null);
        _ = double.TryParse(Field("uptime"), CultureInfo.InvariantCulture, out double uptime);
        hello = new(Field("release"), Field("version"), uptime, Field("modules").Split(',', StringSplitOptions.RemoveEmptyEntries), [.. fields["complaint"]]);
        watchdog.Ready();
    }

    private async Task<byte[]> AskAsync(FrameKind kind, ReadOnlyMemory<byte> payload, BytesSink? onBytes, CancellationToken cancellation)
    {
        var request = requests.Add(kind, onBytes);
        link.Send(kind, request.Id, payload);
        try
        {
            return await request.Answer.WaitAsync(cancellation).ConfigureAwait(false);
        }
        finally
        {
            requests.Remove(request);
        }
    }

    private void OnFrame(FrameHeader header, byte[] payload)
    {
        watchdog.SignOfLife();
        requests.Take(header, payload);
    }

    /// <summary>The port's stream ended: says why, once the process's last words are read.</summary>
    private async Task EndAsync(string broken)
    {
        bool gone = await Task.WhenAny(process.Exited, Task.Delay(3000)).ConfigureAwait(false) == process.Exited;
        _ = await Task.WhenAny(consoleDrained, Task.Delay(1000)).ConfigureAwait(false);
        int status = gone ? await process.Exited.ConfigureAwait(false) : 0;
        if (console.Panic() is { } reason)
            requests.EndAll(new MachinePanicException(reason, console.Tail(), lastTraceLine));
        else if (poweringOff)
            requests.EndAll(new MachineLostException("the machine was stopped", status, "", lastTraceLine));
        else
            requests.EndAll(new MachineLostException(Lost(gone, status, broken), status, console.Tail(), lastTraceLine));
        process.Kill();
        _ = ended.TrySetResult();
    }

    private static string Lost(bool gone, int status, string broken) =>
        !gone ? $"the connection to the guest broke ({broken}) while QEMU still runs"
        : status is 128 + 6 or 128 + 11 ? $"QEMU crashed (signal {status - 128})"
        : status > 128 ? $"QEMU was ended from outside (signal {status - 128})"
        : $"QEMU ended with status {status} although the guest was not told to stop";

    private async Task HangAsync(string what)
    {
        // The guest's own account of what is blocked, when it can still give one.
        link.Send(FrameKind.DumpBlocked, 0, default);
        await Task.Delay(1000).ConfigureAwait(false);
        requests.EndAll(new MachineHangException($"{what} (kernel {options.Kernel.Release}, {Accelerator.Name})", console.Tail(40), lastTraceLine));
        process.Kill();
    }

    private static Task Drain(Stream stream, ConsoleTail into)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() =>
        {
            var buffer = new byte[16 << 10];
            try
            {
                while (stream.Read(buffer) is > 0 and var n)
                    into.Add(buffer.AsSpan(0, n));
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                // The process has gone; what it said is kept.
            }
            done.SetResult();
        })
        { IsBackground = true, Name = "console" }.Start();
        return done.Task;
    }
}
