using System.Diagnostics;
using DriverLab.Block;
using DriverLab.Block.Devices;
using DriverLab.Linux;
using DriverLab.Simulation;
using System.Security.Cryptography.X509Certificates;

namespace DriverLab.Nbd.Tests;

/// <summary>An emulated kernel's block layer with a RAM disk, served on an abstract socket.</summary>
internal sealed class Served : IDisposable
{
    public Served(long sectors = 131072, Func<BlockLayer, BlockDevice>? make = null, bool readOnly = false, X509Certificate2? certificate = null)
    {
        Layer = new(World, new KernelProfile("test", new(6, 12)));
        Device = make?.Invoke(Layer) ?? new RamDisk(Layer, 0, sectors);
        Gate = new(Layer);
        Server = NbdServer.Start(Socket, [new NbdExport("disk", Device) { Description = "a RAM disk", ReadOnly = readOnly, Gate = Gate }], Troubles.Add, certificate);
    }

    public World World { get; } = new(1);
    public BlockLayer Layer { get; }
    public BlockDevice Device { get; }
    public DeviceGate Gate { get; }
    public NbdServer Server { get; }
    public List<string> Troubles { get; } = [];
    public string Socket { get; } = Path.Combine(Path.GetTempPath(), $"nbd-{Guid.NewGuid():n}");
    public string Uri => $"nbd+unix:///disk?socket={Socket}";

    public void Dispose()
    {
        Server.Dispose();
        Gate.Dispose();
    }
}

/// <summary>A disk that answers writes as it is told, and counts what reaches it.</summary>
internal sealed class ToldDisk : BlockDevice
{
    private readonly RamDisk _inner;

    public ToldDisk(BlockLayer layer, long sectors) : base(layer, new(200, 0), "told")
    {
        _inner = new(layer, 0, sectors);
        SetCapacity(sectors);
        Limits.WriteCache = true;
        Limits.Fua = true;
        Limits.MaxDiscardSectors = 2048;
        Limits.MaxWriteZeroesSectors = 4096;
    }

    public BlkStatus WriteStatus { get; set; }
    public Dictionary<string, int> Counts { get; } = [];
    public bool Delays { get; set; }
    public long DelayNs { get; set; } = 20_000_000;

    public override void SubmitBio(Bio bio)
    {
        string what = bio.IsEmptyFlush ? "flush" : bio.Has(BioFlags.Fua) ? bio.Op + " FUA" : bio.Has(BioFlags.NoUnmap) ? bio.Op + " no unmap" : bio.Op.ToString();
        Counts[what] = Counts.GetValueOrDefault(what) + 1;
        if (bio.Op == BioOp.Write && bio.Sectors > 0 && WriteStatus != BlkStatus.OK)
            bio.End(WriteStatus);
        else if (bio.Op is BioOp.Discard or BioOp.WriteZeroes || bio.Sectors == 0)
            bio.End();
        else if (Delays)
            Layer.World.Queue.Add(new Later(_inner, bio), Layer.World.Clock.NowNs + DelayNs);
        else
            _inner.SubmitBio(bio);
    }

    private sealed class Later(RamDisk inner, Bio bio) : WorkItem
    {
        public override void Run() => inner.SubmitBio(bio);
    }
}

internal static class Tools
{
    /// <summary>Runs a client; one that is not installed ignores the test and names its package.</summary>
    public static (int Status, string Output, string Error) Run(string tool, params string[] arguments)
    {
        string? file = "/usr/bin:/bin:/usr/sbin:/sbin".Split(':').Select(folder => Path.Combine(folder, tool)).FirstOrDefault(File.Exists);
        if (file is null)
            Assert.Ignore($"{tool} is not installed; apt-get install {(tool == "fio" ? "fio" : tool.StartsWith("nbd", StringComparison.Ordinal) ? "libnbd-bin" : "qemu-utils")}");
        using var process = Process.Start(new ProcessStartInfo(file!, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        TestContext.Out.WriteLine($"{tool} {string.Join(' ', arguments)}: {process.ExitCode}\n{output}{error.Result}");
        return (process.ExitCode, output, error.Result);
    }
}
