using System.CommandLine;
using System.Security.Cryptography;
using DriverLab.Cli.Layers;
using DriverLab.Cli.Output;
using DriverLab.Containerd;
using DriverLab.Docker;
using DriverLab.Native;
using DriverLab.StorageDrivers;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Snapshots;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab serve snapshotter|graphdriver|nbd</c>: doors for containerd and dockerd on this machine's kernel, and for NBD clients on the emulator.</summary>
internal static class ServeCommand
{
    public static Command Create(TextWriter output, TextWriter error) => new("serve", "Doors for real clients: a storage driver for containerd or dockerd on this machine's kernel, an emulated block device for NBD clients.")
    {
        Snapshotter(output, error), GraphDriver(output, error), ServeNbdCommand.Create(output, error),
    };

    private static Option<string> SocketOption(string description) => new("--socket") { Description = description, Required = true };

    private static Option<string> DriverOption()
    {
        var option = new Option<string>("--driver") { Description = $"One of {string.Join(", ", DriverCatalog.Names)}.", DefaultValueFactory = static _ => "overlay2" };
        return option.AcceptOnlyFromAmong([.. DriverCatalog.Names]);
    }

    private static Option<string[]> OptOption() => new("--opt") { Description = "An option of the driver, KEY=VALUE; may be repeated.", DefaultValueFactory = static _ => [] };

    private static Command Snapshotter(TextWriter output, TextWriter error)
    {
        var socket = SocketOption("The unix socket to serve on; containerd's proxy_plugins address.");
        var root = new Option<string>("--root") { Description = "Where snapshots are kept, absolute.", Required = true };
        var driver = DriverOption();
        var opt = OptOption();
        var command = new Command("snapshotter", "containerd's snapshots service, as a proxy plugin of type snapshot.") { socket, root, driver, opt };
        command.SetAction(async (parsed, cancellation) =>
        {
            string place = Path.GetFullPath(parsed.GetValue(root)!), name = parsed.GetValue(driver)!;
            using var kernel = RootKernel();
            using var held = StoreLock.Take(place, create: true, TimeSpan.Zero, new Progress(error));
            using var opened = Value(DriverCatalog.Open(kernel, name, $"{place}/{name}", NewIds(), parsed.GetValue(opt)!, HostMkfs.Xfs));
            var store = Value(SnapshotStore.Open(kernel, opened, place, TimeProvider.System));
            return await ServeAsync(parsed.GetValue(socket)!, $"snapshots with {name} in {place}", output, error,
                async path => await SnapshotterServer.StartAsync(path, store, cancellation), cancellation);
        });
        return command;
    }

    private static Command GraphDriver(TextWriter output, TextWriter error)
    {
        var socket = SocketOption("The unix socket to serve on; dockerd looks in /run/docker/plugins/NAME.sock.");
        var driver = DriverOption();
        var opt = OptOption();
        var command = new Command("graphdriver", "Docker's graphdriver plugin protocol; the daemon names the home.") { socket, driver, opt };
        command.SetAction(async (parsed, cancellation) =>
        {
            string name = parsed.GetValue(driver)!;
            string[] words = parsed.GetValue(opt)!;
            using var kernel = RootKernel();
            return await ServeAsync(parsed.GetValue(socket)!, $"layers with {name}", output, error, async path => await GraphDriverServer.StartAsync(
                path, (home, options) => DriverCatalog.Open(kernel, name, $"{home}/{name}", NewIds(), [.. words, .. options], HostMkfs.Xfs), cancellation), cancellation);
        });
        return command;
    }

    private static async Task<int> ServeAsync(string socket, string what, TextWriter output, TextWriter error, Func<string, Task<IAsyncDisposable>> start, CancellationToken cancellation)
    {
        string path = Path.GetFullPath(socket);
        var progress = new Progress(error);
        IAsyncDisposable server;
        try
        {
            _ = Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            server = await start(path);
        }
        catch (IOException e)
        {
            throw new UsageException($"cannot serve on {path}: {e.Message}");
        }
        await using (server)
        {
            progress.Report($"serving {what} on {path}; Ctrl-C ends it");
            await output.WriteLineAsync($"ready {path}");
            await output.FlushAsync(CancellationToken.None);
            try
            {
                await Task.Delay(Timeout.Infinite, cancellation);
            }
            catch (OperationCanceledException)
            {
                progress.Report("stopping");
            }
        }
        // The runtime removes the socket with the listener, and says nothing when it cannot: here that is an error.
        File.Delete(path);
        return ExitCode.Same;
    }

    private static NativeKernel RootKernel()
    {
        if (!Environment.IsPrivilegedProcess)
            throw new UsageException("serve makes devices, owners and mounts, and needs root; run it as root (sudo)");
        var kernel = NativeKernel.NewTask();
        _ = kernel.Umask(Linux.Abi.Mode.None); // modes come out as given
        return kernel;
    }

    private static IdSource NewIds() => new(BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)));

    private static T Value<T>(DriverResult<T> result) => result.IsOk ? result.Value : throw new UsageException(result.Error!.ToString());
}
