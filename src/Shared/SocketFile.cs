using System.Net.Sockets;

namespace DriverLab;

/// <summary>The file of a unix socket, before somebody serves there. Compiled into each project that serves.</summary>
internal static class SocketFile
{
    /// <summary>ENXIO: what opening a socket as a file says.</summary>
    private const int NoSuchDevice = 6;

    /// <summary>Removes a socket that a killed server left. Anything else stays.</summary>
    /// <param name="path">Where the socket is to be.</param>
    /// <exception cref="IOException">Another server answers there, or something stands there that is no socket.</exception>
    /// <exception cref="UnauthorizedAccessException">It cannot be looked at or removed.</exception>
    public static void RemoveStale(string path)
    {
        if (!File.Exists(path))
            return;
        if (!IsSocket(path))
            throw new IOException($"{path} is there and is no socket; expected a path where nothing stands, or a socket that nobody serves");
        if (Answers(path))
            throw new IOException($"another server answers on {path}; stop it first, or serve on another socket");
        File.Delete(path);
    }

    // A connection to a plain file is refused like one to a socket without a server: only opening tells them apart.
    private static bool IsSocket(string path)
    {
        try
        {
            File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete).Dispose();
            return false;
        }
        catch (IOException e) when (e.HResult == NoSuchDevice)
        {
            return true;
        }
    }

    private static bool Answers(string path)
    {
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode != SocketError.ConnectionRefused; // a full queue is a server too
        }
    }
}
