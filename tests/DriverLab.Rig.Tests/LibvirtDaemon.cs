using System.Diagnostics;

namespace DriverLab.Rig.Tests;

/// <summary>A libvirtd of the test's own, started by hand: private name spaces for processes and mounts, a socket in a temporary folder. No system daemon is needed or touched, and killing the test takes all of it away.</summary>
internal sealed class LibvirtDaemon : IDisposable
{
    /// <summary>Process 1 of the name space is a shell, because somebody must collect the QEMUs that libvirtd tries out.</summary>
    private const string Script = """
        set -e
        for d in /run/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /etc/libvirt; do mkdir -p $d; mount -t tmpfs none $d; done
        for f in passwd group; do cp /etc/$f "$0/$f"; done
        grep -q ^libvirt-qemu: "$0/passwd" || echo libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin >> "$0/passwd"
        grep -q ^libvirt-qemu: "$0/group" || echo libvirt-qemu:x:64055: >> "$0/group"
        for f in passwd group; do mount --bind "$0/$f" /etc/$f; done
        printf '%s\n' 'user = "root"' 'group = "root"' 'dynamic_ownership = 0' 'security_driver = "none"' 'namespaces = [ ]' 'cgroup_controllers = [ ]' 'stdio_handler = "file"' > /etc/libvirt/qemu.conf
        printf '%s\n' "unix_sock_dir = \"$0\"" 'auth_unix_rw = "none"' > "$0/libvirtd.conf"
        libvirtd --config "$0/libvirtd.conf" --pid-file "$0/pid" &
        wait
        """;

    private readonly TemporaryFolder folder = new();
    private readonly Process process;

    private LibvirtDaemon()
    {
        var start = new ProcessStartInfo("setpriv", ["--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", Script, folder.Path])
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

    public string Said { get; private set; } = "";

    private string Socket => Path.Combine(folder.Path, "libvirt-sock");

    /// <summary>Starts one and waits for its socket; the test is ignored where that cannot be.</summary>
    public static async Task<LibvirtDaemon> StartAsync()
    {
        if (!File.Exists("/usr/sbin/libvirtd") || !Directory.Exists("/usr/lib/x86_64-linux-gnu/libvirt/connection-driver"))
            Assert.Ignore("no libvirtd with QEMU here: apt-get install libvirt-daemon libvirt-daemon-driver-qemu");
        if (!Environment.IsPrivilegedProcess)
            Assert.Ignore("not root: a libvirtd of the test's own needs name spaces");
        var daemon = new LibvirtDaemon();
        for (int i = 0; i < 600 && !File.Exists(daemon.Socket) && !daemon.process.HasExited; i++)
            await Task.Delay(100);
        if (File.Exists(daemon.Socket))
            return daemon;
        daemon.Dispose();
        throw new InvalidOperationException("libvirtd did not start: " + daemon.Said);
    }

    public void Dispose()
    {
        process.Kill(entireProcessTree: true);
        process.WaitForExit();
        process.Dispose();
        folder.Dispose();
    }
}
