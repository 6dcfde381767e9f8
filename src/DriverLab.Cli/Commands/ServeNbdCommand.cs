using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using DriverLab.Cli.Output;
using DriverLab.Labs.Files;
using DriverLab.Labs.Running;
using DriverLab.Nbd;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab serve nbd</c>: an emulated block device for real clients.</summary>
internal static class ServeNbdCommand
{
    public static Command Create(TextWriter output, TextWriter error)
    {
        var socket = new Option<string?>("--socket") { Description = "Unix socket to listen on; @NAME is an abstract one." };
        var tcp = new Option<string?>("--tcp") { Description = "Listen on ADDRESS:PORT instead: everybody who reaches it may read and write." };
        var ram = new Option<string[]>("--ram") { Description = "NAME=SIZE: a RAM disk, for example data=1G; may be repeated.", DefaultValueFactory = _ => [] };
        var file = new Option<string[]>("--file") { Description = "NAME=FILE: a file that holds the sectors; may be repeated.", DefaultValueFactory = _ => [] };
        var table = new Option<string[]>("--table") { Description = "NAME=TABLE: a mapped device, rows separated by ';', {NAME} for a device before it; may be repeated. The last one is served.", DefaultValueFactory = _ => [] };
        var message = new Option<string[]>("--message") { Description = "NAME=MESSAGE: a message to a mapped device when it is made; may be repeated.", DefaultValueFactory = _ => [] };
        var fault = new Option<string[]>("--fault") { Description = "NAME=FAULT: a fault of a RAM disk or file, for example 'data=write fails EIO nth=3'; see driverlab fault --help; may be repeated.", DefaultValueFactory = _ => [] };
        var export = new Option<string>("--export") { Description = "The export's name.", DefaultValueFactory = _ => "" };
        var readOnly = new Option<bool>("--read-only") { Description = "Refuse writes." };
        var tls = new Option<string?>("--tls") { Description = "A file with a certificate and its key (PEM): clients must use TLS then. Off when left out." };
        var kernel = new Option<string>("--kernel") { Description = "Kernel line that is emulated.", DefaultValueFactory = _ => "6.12" };
        var command = new Command("nbd", "Serve an emulated block device over NBD until Ctrl-C. The URI for clients is printed on stdout.") { socket, tcp, ram, file, table, message, fault, export, readOnly, tls, kernel };
        command.SetAction(async (parsed, cancellation) =>
        {
            if (parsed.GetValue(socket) is null == parsed.GetValue(tcp) is null)
                throw new UsageException("expected where to listen: either --socket PATH or --tcp ADDRESS:PORT");
            var devices = parsed.GetValue(ram)!.Select(RamOf).Concat(parsed.GetValue(file)!.Select(FileOf)).ToList();
            if (devices.Count == 0)
                throw new UsageException("expected a device to serve: --ram NAME=SIZE or --file NAME=FILE");
            var faults = parsed.GetValue(fault)!.Select(text => Split(text, "--fault", "NAME=FAULT")).ToLookup(pair => pair.Name, pair => pair.Value);
            if (faults.Select(group => group.Key).FirstOrDefault(faulty => devices.All(device => device.Name != faulty)) is { } nobody)
                throw new UsageException($"--fault {nobody}=…: there is no device {nobody}");
            devices = [.. devices.Select(device => faults.Contains(device.Name) ? device with { Faults = FaultCommand.Parse(string.Join('\n', faults[device.Name])) } : device)];
            var messages = parsed.GetValue(message)!.Select(text => Split(text, "--message", "NAME=MESSAGE")).ToLookup(pair => pair.Name, pair => pair.Value);
            var tables = parsed.GetValue(table)!.Select(text => Split(text, "--table", "NAME=TABLE")).Select(pair => new EmulatedTableSpec(pair.Name, pair.Value.Replace(';', '\n'), [.. messages[pair.Name]])).ToList();
            if (messages.Select(group => group.Key).FirstOrDefault(name => tables.All(made => made.Name != name)) is { } unknown)
                throw new UsageException($"--message {unknown}=…: there is no table {unknown}");
            string name = parsed.GetValue(export)!;
            using var certificate = parsed.GetValue(tls) is { } pem ? CertificateOf(pem) : null;
            string scheme = certificate is null ? "nbd" : "nbds";
            var progress = new Progress(error);
            using var disk = EmulatedDisk.Start(name, parsed.GetValue(kernel)!, devices, tables, serve: false, null);
            var exports = (NbdExport[])[disk.Export with { ReadOnly = parsed.GetValue(readOnly) }];
            try
            {
                using var server = parsed.GetValue(socket) is { } path ? NbdServer.Start(path, exports, progress.Report, certificate) : NbdServer.Start(AddressOf(parsed.GetValue(tcp)!), exports, progress.Report, certificate);
                output.WriteLine(parsed.GetValue(socket) is { } local ? $"{scheme}+unix:///{name}?socket={local}" : $"{scheme}://{server.Address}/{name}");
                await output.FlushAsync(cancellation);
                progress.Report($"serving {disk.Device.Name}, {disk.Device.CapacityBytes} bytes; Ctrl-C ends");
                await Task.Delay(Timeout.Infinite, cancellation).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            }
            catch (NbdException e)
            {
                throw new UsageException(e.Message);
            }
            return 0;
        });
        return command;
    }

    private static EmulatedDeviceSpec RamOf(string text)
    {
        var (name, value) = Split(text, "--ram", "NAME=SIZE");
        int shift = value.Length == 0 ? 0 : value[^1] switch { 'K' => 10, 'M' => 20, 'G' => 30, 'T' => 40, _ => 0 };
        return long.TryParse(shift == 0 ? value : value[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out long number) && number > 0 && number <= long.MaxValue >> shift && ((number << shift) & 511) == 0
            ? new(name, number << shift, null)
            : throw new UsageException($"--ram {text}: '{value}' is no size in whole sectors; expected for example 64M");
    }

    private static EmulatedDeviceSpec FileOf(string text)
    {
        var (name, value) = Split(text, "--file", "NAME=FILE");
        return new(name, 0, Path.GetFullPath(value));
    }

    private static X509Certificate2 CertificateOf(string file)
    {
        try
        {
            return X509Certificate2.CreateFromPemFile(file);
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"--tls {file}: expected a certificate and its key in PEM: {e.Message}");
        }
    }

    private static (string Name, string Value) Split(string text, string option, string expected)
    {
        int equals = text.IndexOf('=', StringComparison.Ordinal);
        return equals > 0 ? (text[..equals], text[(equals + 1)..]) : throw new UsageException($"{option} {text}: expected {expected}");
    }

    private static IPEndPoint AddressOf(string text) => IPEndPoint.TryParse(text, out var address) ? address : throw new UsageException($"--tcp {text}: expected ADDRESS:PORT, for example 127.0.0.1:10809");
}
