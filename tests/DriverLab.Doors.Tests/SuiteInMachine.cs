using System.Net.Sockets;
using System.Text;
using DriverLab.Rig;
using DriverLab.Rig.Machines;
using DriverLab.Testing;

namespace DriverLab.Doors.Tests;

/// <summary>A suite that runs in a machine with all its mounts, against a server here that makes its kernel calls there.</summary>
internal static class SuiteInMachine
{
    /// <summary>Starts a machine.</summary>
    public static async Task<Rig.Machines.Machine> StartAsync(string kernel, MachineRequest request)
    {
        try
        {
            return await Rig.Machines.Machine.StartAsync(kernel, request);
        }
        catch (RigException e) when (e is not MachineException and not RigUsageException)
        {
            NoRig.Ignore(e);
            throw;
        }
    }

    /// <summary>Runs the suite's command. Its connection to the server goes over its standard input and output, what it prints over its standard error.</summary>
    public static async Task<(int Code, string Output)> RunAsync(Rig.Machines.Machine guest, string socketPath, string command)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath));
        using var connection = new NetworkStream(socket);
        using var printed = new MemoryStream();
        var streams = new ExecStreams(bytes => connection.Write(bytes)) { Input = connection, OnErrors = bytes => printed.Write(bytes) };
        int code = await guest.ExecAsync(["sh", "-c", "DRIVERLAB_SOCKET=- " + command], streams, CancellationToken.None);
        return (code, Encoding.UTF8.GetString(printed.ToArray()));
    }
}
