using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using DriverLab.Block;
using DriverLab.Linux;

namespace DriverLab.Nbd;

/// <summary>Serves devices to NBD clients, from its start until it is disposed. A thread for each connection; the devices' kernels are entered through their gates.</summary>
public sealed class NbdServer : IDisposable
{
    private const int SolSocket = 1, SoPeerCred = 17;

    private readonly Socket _listener;
    private readonly string? _file;
    private readonly IReadOnlyList<NbdExport> _exports;
    private readonly Dictionary<BlockLayer, DeviceGate> _gates = [];
    private readonly List<DeviceGate> _ownGates = [];
    private readonly HashSet<Socket> _connections = [];
    private readonly List<Thread> _threads = [];
    private readonly Action<string> _onTrouble;
    private readonly bool _checkPeer;
    private readonly X509Certificate2? _certificate;

    private NbdServer(Socket listener, string address, string? file, bool checkPeer, IReadOnlyList<NbdExport> exports, Action<string>? onTrouble, X509Certificate2? certificate)
    {
        (_listener, Address, _file, _checkPeer, _exports, _onTrouble, _certificate) = (listener, address, file, checkPeer, exports, onTrouble ?? (_ => { }), certificate);
        foreach (var export in exports)
        {
            if (export.Gate is { } given)
                _gates[export.Device.Layer] = given;
            else if (!_gates.ContainsKey(export.Device.Layer))
                _ownGates.Add(_gates[export.Device.Layer] = new DeviceGate(export.Device.Layer));
        }
        Start(Accept, "nbd " + address);
    }

    /// <summary>What clients connect to: the socket's path, <c>@name</c>, or <c>address:port</c>.</summary>
    public string Address { get; }

    /// <summary>Connections that are open now.</summary>
    public int Connections
    {
        get
        {
            lock (_connections)
                return _connections.Count;
        }
    }

    /// <summary>Serves on a unix socket that only this user reaches. A path of <c>@name</c> is an abstract socket: no file, gone with the process; others than this user and root are turned away.</summary>
    /// <param name="path">The socket.</param>
    /// <param name="exports">What is served.</param>
    /// <param name="onTrouble">Told in a sentence when a client breaks the protocol or a device says that something is not modelled.</param>
    /// <param name="certificate">With one and its key, clients must use TLS.</param>
    /// <exception cref="NbdException">The socket cannot be made, or two exports have one name.</exception>
    public static NbdServer Start(string path, IReadOnlyList<NbdExport> exports, Action<string>? onTrouble = null, X509Certificate2? certificate = null)
    {
        CheckNames(exports);
        bool isAbstract = path.StartsWith('@');
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            if (!isAbstract)
                SocketFile.RemoveStale(path);
            listener.Bind(new UnixDomainSocketEndPoint(isAbstract ? "\0" + path[1..] : path));
            if (!isAbstract)
                File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            listener.Listen(64);
        }
        catch (Exception e) when (e is SocketException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            listener.Dispose();
            throw new NbdException($"the socket {path} cannot be made: {e.Message}", e);
        }
        return new(listener, path, isAbstract ? null : path, isAbstract, exports, onTrouble, certificate);
    }

    /// <summary>Serves on TCP: everybody who reaches the address may read and write. TLS keeps the bytes from others on the way; it does not ask who the client is.</summary>
    /// <exception cref="NbdException">The address is taken or not ours, or two exports have one name.</exception>
    public static NbdServer Start(IPEndPoint address, IReadOnlyList<NbdExport> exports, Action<string>? onTrouble = null, X509Certificate2? certificate = null)
    {
        CheckNames(exports);
        var listener = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            listener.Bind(address);
            listener.Listen(64);
        }
        catch (SocketException e)
        {
            listener.Dispose();
            throw new NbdException($"{address} cannot be listened on: {e.Message}", e);
        }
        return new(listener, listener.LocalEndPoint!.ToString()!, null, false, exports, onTrouble, certificate);
    }

    /// <summary>Ends all connections and removes the socket.</summary>
    public void Dispose()
    {
        _listener.Dispose();
        lock (_connections)
        {
            foreach (var connection in _connections)
                End(connection);
        }
        Thread[] threads;
        lock (_threads)
            threads = [.. _threads];
        foreach (var thread in threads)
            thread.Join();
        foreach (var gate in _ownGates)
            gate.Dispose();
        if (_file is not null)
            File.Delete(_file);
    }

    private static void CheckNames(IReadOnlyList<NbdExport> exports)
    {
        if (exports.GroupBy(export => export.Name).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw new NbdException($"two exports are named '{twice.Key}'; each needs a name of its own");
    }

    private void Start(Action body, string name)
    {
        var thread = new Thread(() =>
        {
            body();
            lock (_threads)
                _ = _threads.Remove(Thread.CurrentThread);
        })
        { IsBackground = true, Name = name };
        lock (_threads)
            _threads.Add(thread);
        thread.Start();
    }

    private void Accept()
    {
        while (true)
        {
            Socket socket;
            try
            {
                socket = _listener.Accept();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;
            }
            lock (_connections)
                _ = _connections.Add(socket);
            Start(() => Serve(socket), "nbd client");
        }
    }

    private void Serve(Socket socket)
    {
        try
        {
            if (_checkPeer && !IsOurs(socket))
                return;
            if (socket.AddressFamily == AddressFamily.Unix)
                (socket.SendBufferSize, socket.ReceiveBufferSize) = (1 << 20, 1 << 20);
            else
                socket.NoDelay = true;
            using var channel = new NbdChannel(socket);
            var handshake = new Handshake(channel, _exports, _certificate);
            if (handshake.Run() is { } export)
                Transmit(channel, export, handshake);
        }
        catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
        {
            // The client has gone.
        }
        catch (NbdException e)
        {
            _onTrouble(e.Message);
        }
        finally
        {
            lock (_connections)
                _ = _connections.Remove(socket);
            socket.Dispose();
        }
    }

    private void Transmit(NbdChannel channel, NbdExport export, Handshake handshake)
    {
        var gate = _gates[export.Device.Layer];
        var error = gate.Run(() => export.Device.Open(!export.IsReadOnly, null));
        if (error != Errno.OK)
            throw new NbdException($"export '{export.Name}': the device cannot be opened: {error}");
        try
        {
            new Connection(channel, export, gate, handshake, _onTrouble).Serve();
        }
        finally
        {
            _ = gate.Run(() =>
            {
                export.Device.Close(null);
                return 0;
            });
        }
    }

    private static bool IsOurs(Socket socket)
    {
        Span<byte> peer = stackalloc byte[12]; // struct ucred: pid, uid, gid
        _ = socket.GetRawSocketOption(SolSocket, SoPeerCred, peer);
        uint user = BitConverter.ToUInt32(peer[4..]);
        return user == 0 || user == UserId();
    }

    private static uint UserId() => uint.Parse(File.ReadLines("/proc/self/status").First(line => line.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[1], System.Globalization.CultureInfo.InvariantCulture);

    private static void End(Socket socket)
    {
        try
        {
            socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Gone already.
        }
    }
}
