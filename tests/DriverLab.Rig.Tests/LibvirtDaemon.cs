using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace DriverLab.Rig.Tests;

/// <summary>A libvirtd of the test's own, started by hand: private name spaces for processes and mounts, a socket in a temporary folder. No system daemon is needed or touched, and killing the test takes all of it away.</summary>
internal sealed class LibvirtDaemon : IDisposable
{
    /// <summary>Process 1 of the name space is a shell, because somebody must collect the QEMUs that libvirtd tries out.</summary>
    private const string Script = """
        set -e
        mount -t tmpfs none /run
        for d in /run/libvirt /run/lock /run/sshd; do mkdir -p $d; done
        for d in /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /etc/libvirt; do mkdir -p $d; mount -t tmpfs none $d; done
        for f in passwd group; do cp /etc/$f "$0/$f"; done
        grep -q ^libvirt-qemu: "$0/passwd" || echo libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin >> "$0/passwd"
        grep -q ^libvirt-qemu: "$0/group" || echo libvirt-qemu:x:64055: >> "$0/group"
        for f in passwd group; do mount --bind "$0/$f" /etc/$f; done
        printf '%s\n' 'user = "root"' 'group = "root"' 'dynamic_ownership = 0' 'security_driver = "none"' 'namespaces = [ ]' 'cgroup_controllers = [ ]' 'stdio_handler = "file"' > /etc/libvirt/qemu.conf
        printf '%s\n' "unix_sock_dir = \"$0\"" 'auth_unix_rw = "none"' > "$0/libvirtd.conf"
        ln -s "$0/libvirt-sock" /run/libvirt/libvirt-sock
        if [ -n "$1" ]; then
            ssh-keygen -q -t ed25519 -N '' -f "$0/host"
            ssh-keygen -q -t ed25519 -N '' -f "$0/key"
            printf '%s\n' "Port $1" 'ListenAddress 127.0.0.1' "HostKey $0/host" "AuthorizedKeysFile $0/key.pub" 'StrictModes no' 'UsePAM no' 'PermitRootLogin prohibit-password' 'PidFile none' > "$0/sshd.conf"
            /usr/sbin/sshd -D -e -f "$0/sshd.conf" &
        fi
        libvirtd --config "$0/libvirtd.conf" --pid-file "$0/pid" &
        wait
        """;

    private readonly TemporaryFolder folder = new();
    private readonly Process process;

    private readonly int sshPort;

    private LibvirtDaemon(int sshPort)
    {
        this.sshPort = sshPort;
        var start = new ProcessStartInfo("setpriv", ["--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", Script, folder.Path, sshPort == 0 ? "" : sshPort.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        process = Process.Start(start)!;
        process.BeginOutputReadLine();
        process.ErrorDataReceived += (_, line) => Said += line.Data + "\n";
        process.BeginErrorReadLine();
    }

    public string Uri => $"qemu+unix:///system?socket={Socket}";

    /// <summary>The same daemon as another host sees it: through an sshd beside it, with a key of its own, and libvirt's helper at the far end.</summary>
    public string UriBySsh => string.Create(CultureInfo.InvariantCulture, $"qemu+ssh://root@127.0.0.1:{sshPort}/system?keyfile={folder.Path}/key&no_verify=1");

    public string Said { get; private set; } = "";

    private string Socket => Path.Combine(folder.Path, "libvirt-sock");

    /// <summary>Starts one and waits for its socket; the test is ignored where that cannot be.</summary>
    /// <param name="ssh">Also start an sshd beside it.</param>
    public static async Task<LibvirtDaemon> StartAsync(bool ssh = false)
    {
        if (!File.Exists("/usr/sbin/libvirtd") || !Directory.Exists("/usr/lib/x86_64-linux-gnu/libvirt/connection-driver"))
            Assert.Ignore("no libvirtd with QEMU here: apt-get install libvirt-daemon libvirt-daemon-driver-qemu");
        if (!Environment.IsPrivilegedProcess)
            Assert.Ignore("not root: a libvirtd of the test's own needs name spaces");
        if (ssh && !(File.Exists("/usr/sbin/sshd") && File.Exists("/usr/bin/virt-ssh-helper")))
            Assert.Ignore("no sshd and virt-ssh-helper here: apt-get install openssh-server libvirt-clients");
        var daemon = new LibvirtDaemon(ssh ? FreePort() : 0);
        for (int i = 0; i < 600 && !File.Exists(daemon.Socket) && !daemon.process.HasExited; i++)
            await Task.Delay(100);
        if (File.Exists(daemon.Socket))
            return daemon;
        daemon.Dispose();
        throw new InvalidOperationException("libvirtd did not start: " + daemon.Said);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    public void Dispose()
    {
        process.Kill(entireProcessTree: true);
        process.WaitForExit();
        process.Dispose();
        folder.Dispose();
    }
}
