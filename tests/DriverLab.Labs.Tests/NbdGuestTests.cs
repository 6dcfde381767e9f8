using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using DriverLab.Labs.Running;
using DriverLab.Nbd;
using DriverLab.Rig;
using DriverLab.Rig.Images;
using DriverLab.Rig.Machines;
using DriverLab.Testing;

namespace DriverLab.Labs.Tests;

/// <summary>Emulated thin devices as disks of real kernels: as a virtio disk by QEMU's NBD driver, and as /dev/nbd0 by nbd-client and the kernel's own.</summary>
[Category("rig")]
[NonParallelizable]
public sealed class NbdGuestTests
{
    private const long MetadataBytes = 2 << 20, DataBytes = 64 << 20, ThinBytes = 96 << 20;
    private const string Pool = "thin-pool {meta} {data} 128 0";

    private string _folder = null!;

    [SetUp]
    public void Begin()
    {
        _folder = Directory.CreateTempSubdirectory("driverlab-test-").FullName;
        foreach (var (name, size) in ((string, long)[])[("meta", MetadataBytes), ("data", DataBytes)])
        {
            using var file = File.Create(At(name));
            file.SetLength(size);
        }
    }

    [TearDown]
    public void End() => Directory.Delete(_folder, recursive: true);

    private string At(string name) => Path.Combine(_folder, name);

    // ---- a virtio disk ---------------------------------------------------------------------------------------------------------------

    /// <summary>The whole way: ext4 made and written by the kernel, a snapshot by the emulator, the snapshot mounted and written by the kernel, and in the end both through the kernel's own thin target.</summary>
    [TestCase("6.12")]
    [TestCase("5.10", Category = "long")]
    [TestCase("6.1", Category = "long")]
    [TestCase("7.3", Category = "long")]
    public async Task A_real_kernel_makes_and_writes_ext4_on_an_emulated_thin_device_and_mounts_a_snapshot_of_it(string kernel)
    {
        using (var served = await Served.StartAsync(At("s1"), Options("thin", "create_thin 0", 0)))
        {
            string said = await RunAsync(kernel, [Disk("thin", At("s1"))], ["e2fsprogs"], """
                mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 /dev/vda && mount -t ext4 -o discard /dev/vda /mnt
                mkdir /mnt/d && echo before > /mnt/d/file && head -c 3000000 /dev/urandom > /mnt/d/big && sha256sum < /mnt/d/big && head -c 9000000 /dev/urandom > /mnt/gone && sync && rm /mnt/gone && sync
                umount /mnt && e2fsck -fn /dev/vda > /dev/null 2>&1 && echo clean
                """);
            Assert.That(said, Does.Match("^[0-9a-f]{64}  -\nclean\n$"));
            File.WriteAllText(At("sum"), said.Split(' ')[0]);
        }
        Assert.That(await Cli("thin", "check", At("meta")), Is.Zero);
        using (var served = await Served.StartAsync(At("s2"), Options("snap", "create_snap 1 0", 1)))
        {
            string said = await RunAsync(kernel, [Disk("snap", At("s2"))], ["e2fsprogs"], """
                mount -t ext4 /dev/vda /mnt && cat /mnt/d/file && sha256sum < /mnt/d/big && echo after > /mnt/d/file && echo new > /mnt/d/new && sync && umount /mnt && e2fsck -fn /dev/vda > /dev/null 2>&1 && echo clean
                """);
            Assert.That(said, Is.EqualTo($"before\n{File.ReadAllText(At("sum"))}  -\nclean\n"));
        }
        Assert.That(await Cli("thin", "check", At("meta")), Is.Zero);
        string own = await RunAsync(kernel, [new("meta", MetadataBytes, DiskFormat.Raw, At("meta")), new("data", DataBytes, DiskFormat.Raw, At("data"))], ["dmsetup"], $"""
            dmsetup create pool --table "0 {DataBytes / 512} thin-pool /dev/vda /dev/vdb 128 0" && dmsetup create origin --table "0 {ThinBytes / 512} thin /dev/dm-0 0" && dmsetup create snap --table "0 {ThinBytes / 512} thin /dev/dm-0 1"
            mkdir /o /s; mount -t ext4 -o ro,noload /dev/dm-1 /o && mount -t ext4 -o ro,noload /dev/dm-2 /s && cat /o/d/file /s/d/file /s/d/new && ls /o/d && sha256sum < /o/d/big && sha256sum < /s/d/big
            """);
        string sum = File.ReadAllText(At("sum")) + "  -\n";
        Assert.That(own, Is.EqualTo("before\nafter\nnew\nbig\nfile\n" + sum + sum));
    }

    private string[] Options(string name, string message, int id) =>
    [
        "--kernel", "6.12", "--file", $"meta={At("meta")}", "--file", $"data={At("data")}", "--table", $"pool=0 {DataBytes / 512} {Pool}", "--message", $"pool={message}",
        "--table", $"{name}=0 {ThinBytes / 512} thin {{pool}} {id}", "--export", name,
    ];

    private static MachineDisk Disk(string name, string socket) => new(name, ThinBytes, DiskFormat.Nbd, socket) { Export = name };

    private static async Task<int> Cli(params string[] arguments)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        int code = await DriverLab.Cli.CommandLine.RunAsync(arguments, output, error);
        TestContext.Out.WriteLine($"driverlab {string.Join(' ', arguments)}: {code}\n{output}{error}");
        return code;
    }

    /// <summary><c>driverlab serve nbd</c> in a process of its own, until it is disposed.</summary>
    private sealed class Served(Process process) : IDisposable
    {
        public static async Task<Served> StartAsync(string socket, string[] options)
        {
            var served = new Served(Process.Start(new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "driverlab"), ["serve", "nbd", "--socket", socket, .. options]) { RedirectStandardOutput = true })!);
            Assert.That(await served.Line().WaitAsync(TimeSpan.FromMinutes(1)), Does.StartWith("nbd+unix:///").And.EndWith("?socket=" + socket));
            return served;
        }

        private Task<string?> Line() => process.StandardOutput.ReadLineAsync();

        /// <summary>Ends it in order: the pool commits. Not by Ctrl-C, which is ignored where the tests run behind another program.</summary>
        public void Dispose()
        {
            Signals.Send(process.Id, Signals.Term);
            bool hasEnded = process.WaitForExit(TimeSpan.FromSeconds(60));
            if (!hasEnded)
                process.Kill();
            process.Dispose();
            Assert.That(hasEnded, "the server has not ended 60 s after SIGTERM");
        }
    }

    // ---- the kernel's own client -----------------------------------------------------------------------------------------------------

    /// <summary>nbd-client makes the connection, over a pipe to the machine; then the kernel's driver speaks. A full pool is EIO there.</summary>
    [TestCase("6.12")]
    [TestCase("5.10", Category = "long")]
    [TestCase("6.1", Category = "long")]
    [TestCase("7.3", Category = "long")]
    public async Task The_kernels_nbd_driver_writes_flushes_trims_and_fills_an_emulated_thin_device(string kernel)
    {
        const long sectors = 16384, poolSectors = 1024;
        using var disk = EmulatedDisk.Start("thin", "6.12", [new("meta", MetadataBytes, null), new("data", poolSectors * 512, null)],
            [new("pool", $"0 {poolSectors} {Pool} 1 error_if_no_space", ["create_thin 0"]), new("thin", $"0 {sectors} thin {{pool}} 0", [])], serve: false, null);
        using var server = NbdServer.Start(At("s"), [disk.Export]);
        await using var machine = await StartAsync(kernel, [], ["nbd"]);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(At("s")));
        await using var wire = new NetworkStream(socket);
        using var errors = new MemoryStream();
        var relay = machine.ExecAsync(["sh", "-c", "ip link set lo up; exec busybox nc -l -p 10809"], new ExecStreams(bytes => wire.Write(bytes)) { OnErrors = bytes => errors.Write(bytes), Input = wire }, default);
        var result = await machine.RunAsync("""
            set -e
            /sbin/modprobe nbd
            n=0; until netstat -ltn 2>/dev/null | grep -q :10809; do n=$((n + 1)); [ $n -lt 200 ]; sleep 0.05; done
            nbd-client 127.0.0.1 10809 /dev/nbd0 -N thin > /tmp/said 2>&1 || { cat /tmp/said; exit 1; }
            cat /sys/block/nbd0/size /sys/block/nbd0/queue/write_cache
            yes abcdefg | head -c 262144 > /tmp/a
            dd if=/tmp/a of=/dev/nbd0 bs=64k seek=4 oflag=direct 2>/dev/null && sync /dev/nbd0
            dd if=/dev/nbd0 bs=64k skip=4 count=4 iflag=direct 2>/dev/null | cmp - /tmp/a && echo same
            blkdiscard -o 262144 -l 131072 /dev/nbd0 && dd if=/dev/nbd0 bs=64k skip=4 count=2 iflag=direct 2>/dev/null | tr -d '\0' | wc -c
            dd if=/dev/zero of=/dev/nbd0 bs=64k count=16 oflag=direct 2>&1 | grep -o 'Input/output error'
            nbd-client -d /dev/nbd0 > /dev/null 2>&1
            """);
        Assert.That((result.Status, result.Output), Is.EqualTo((0, $"{sectors}\nwrite back\nsame\n0\nInput/output error\n")), result.Errors + Encoding.UTF8.GetString(errors.ToArray()));
        socket.Shutdown(SocketShutdown.Both);
        _ = await relay.WaitAsync(TimeSpan.FromMinutes(1));
        Assert.That(disk.Log, Has.Some.Contains("switching pool to out-of-data-space (error IO) mode"));
    }

    // ---- machines --------------------------------------------------------------------------------------------------------------------

    private static async Task<string> RunAsync(string kernel, MachineDisk[] disks, string[] tools, string shell)
    {
        await using var machine = await StartAsync(kernel, disks, tools);
        var result = await machine.RunAsync("/sbin/modprobe -q ext4\n" + shell);
        TestContext.Out.WriteLine($"{kernel}: {result.Status}\n{result.Output}{result.Errors}");
        Assert.That(result.Status, Is.Zero, result.Errors);
        return result.Output;
    }

    private static async Task<Machine> StartAsync(string kernel, MachineDisk[] disks, string[] tools)
    {
        try
        {
            return await Machine.StartAsync(kernel, new() { Disks = disks, Recipe = new ImageRecipe { Tools = [.. tools] } });
        }
        catch (RigException e) when (e is not MachineException and not RigUsageException)
        {
            NoRig.Ignore(e);
            throw;
        }
    }
}
