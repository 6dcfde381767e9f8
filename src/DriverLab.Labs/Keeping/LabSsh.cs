using System.Text;
using DriverLab.Labs.Running;
using DriverLab.Rig;
using DriverLab.Rig.Machines;
using DriverLab.Rig.Processes;

namespace DriverLab.Labs.Keeping;

/// <summary>SSH into a lab's machines without a network: for each connection the machine runs a server on a pipe, which travels over the machine's port and the keeper's socket to ssh's ProxyCommand.</summary>
internal sealed class LabSsh
{
    private const string HostKey = "/etc/ssh/driverlab_host_key", DropbearKey = "/etc/dropbear/dropbear_ed25519_host_key";
    /// <summary>Dropbear asks who is at the other end of its input and ends when that is no socket: it runs once, on the loopback device, and each connection is a pipe to it.</summary>
    private const string Dropbear = "pidof dropbear > /dev/null || dropbear -E -s -W 1048576 -R -r " + DropbearKey + " -p 127.0.0.1:22 -P /run/dropbear.pid > /run/dropbear.log 2>&1 < /dev/null; exec busybox nc 127.0.0.1 22";

    private readonly Dictionary<string, string[]> _servers = [];

    /// <summary>Makes keys, gives them to the machines, and writes a configuration for ssh. Null, and a word about it, where ssh is not installed.</summary>
    public static async Task<LabSsh?> PrepareAsync(LabStore store, Lab lab, IProgress<string> progress, CancellationToken cancellation)
    {
        if (Tool.Find("ssh-keygen") is not { } keygen)
        {
            progress.Report("ssh-keygen is not installed, so `lab ssh` will not work; install it with: apt-get install openssh-client");
            return null;
        }
        string folder = store.FolderOf(lab.File.Name), key = Path.Combine(folder, "key"), host = Path.Combine(folder, "host_key");
        foreach (string file in (string[])[key, host])
        {
            File.Delete(file);
            _ = await Tool.OutputAsync(keygen, ["-q", "-t", "ed25519", "-N", "", "-C", "driverlab lab " + lab.File.Name, "-f", file], null, cancellation).ConfigureAwait(false);
        }
        var ssh = new LabSsh();
        var config = new StringBuilder();
        foreach (var (name, machine) in lab.Machines)
        {
            bool isDebian = lab.File.Machines.First(spec => spec.Name == name).Root is not null;
            await machine.PutFileAsync("/root/.ssh/authorized_keys", await File.ReadAllBytesAsync(key + ".pub", cancellation).ConfigureAwait(false), 0x180, cancellation).ConfigureAwait(false);
            if (isDebian)
                await machine.PutFileAsync(HostKey, await File.ReadAllBytesAsync(host, cancellation).ConfigureAwait(false), 0x180, cancellation).ConfigureAwait(false);
            string prepare = isDebian
                ? "chmod 700 /root /root/.ssh; mkdir -p /run/sshd"
                : "chmod 700 /root /root/.ssh; mkdir -p /etc/dropbear /usr/lib; ln -sf /usr/lib/openssh/sftp-server /usr/lib/sftp-server; grep -q /bin/sh /etc/shells 2>/dev/null || echo /bin/sh >> /etc/shells; ip link set lo up";
            var prepared = await machine.RunAsync(prepare, cancellation).ConfigureAwait(false);
            if (prepared.Status != 0)
                throw new RigException($"machine {name} cannot be prepared for ssh: {prepared.Errors}");
            ssh._servers.Add(name, isDebian ? ["/usr/sbin/sshd", "-i", "-e", "-h", HostKey, "-o", "UsePAM=no", "-o", "LogLevel=ERROR"] : ["sh", "-c", Dropbear]);
            // Where the program is, the state folder, and the machine: all that ssh needs to find the way again.
            string proxy = string.Join(' ', LabClient.OwnCommand().Select(Word)) + $" lab connect {lab.File.Name} --on {name}";
            _ = config.Append($"Host {name}\n  User root\n  IdentityFile {key}\n  IdentitiesOnly yes\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n  ProxyCommand env DRIVERLAB_STATE={Word(Path.GetDirectoryName(store.Root)!)} {proxy}\n\n");
        }
        await File.WriteAllTextAsync(store.SshConfigOf(lab.File.Name), config.ToString(), cancellation).ConfigureAwait(false);
        return ssh;
    }

    /// <summary>Serves one connection. What the server has to complain of goes to the client's standard error, where ssh shows it.</summary>
    public Task<int> ConnectAsync(Machine machine, string name, LabWire wire, Stream input, CancellationToken cancellation) =>
        machine.ExecAsync(_servers[name], new ExecStreams(part => wire.Send(LabFrame.Output, part)) { OnErrors = part => wire.Send(LabFrame.Errors, part), Input = input }, cancellation);

    private static string Word(string text) => "'" + text.Replace("'", "'\\''", StringComparison.Ordinal) + "'";
}
