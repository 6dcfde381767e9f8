using DriverLab.Block;
using DriverLab.Emulator;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;

namespace DriverLab.Benchmarks;

/// <summary>A bio of 4 KiB through five nested linear devices to a RAM disk. The machine's own kernel is no peer here: user space cannot submit a bio.</summary>
internal sealed class BioRow
{
    private const int Levels = 5;
    private const int Sectors = 8;
    private const int SectorsOfDevice = 2048;

    private readonly BlockLayer _layer;
    private readonly BlockDevice _top;
    private readonly byte[] _page = new byte[Sectors * 512];
    private int _round;

    private BioRow(EmulatedKernel kernel)
    {
        _layer = kernel.Internals.Block;
        var control = kernel.OpenAt(Fd.Cwd, "/dev/mapper/control"u8, OpenFlags.O_RDWR, 0).OrThrow("open /dev/mapper/control");
        string below = "/dev/ram0";
        DevT number = default;
        for (int level = 0; level < Levels; level++)
        {
            var name = Tree.Bytes($"level{level}");
            DmRow[] table = [new DmRow(0, SectorsOfDevice - level * Sectors, "linear", $"{below} {Sectors}")];
            var made = kernel.DmCreate(control, name).OrThrow($"dm create level{level}");
            kernel.DmLoad(control, name, table).OrThrow($"dm load level{level}");
            kernel.DmResume(control, name).OrThrow($"dm resume level{level}");
            number = DevT.Decode((uint)made.Dev);
            below = number.ToString();
        }
        _top = _layer.Devices.Find(number) ?? throw new InvalidOperationException($"no block device {number}");
    }

    /// <summary>Reads and writes, timed with <see cref="QuickLoop"/>.</summary>
    public static IEnumerable<Measured> MeasureQuickly()
    {
        var row = new BioRow(Emulators.Boot());
        foreach (var (name, operation) in ((string, Action)[])[("bio read 4 KiB, 5 linear", () => row.Transfer(BioOp.Read)), ("bio write 4 KiB, 5 linear", () => row.Transfer(BioOp.Write))])
        {
            Console.Error.WriteLine($"bench: dm: {name}");
            yield return Quick.Measure("dm", name, operation, null, "no peer: user space submits no bio");
        }
    }

    private void Transfer(BioOp operation)
    {
        var bio = _layer.AllocBio();
        bio.Device = _top;
        bio.Op = operation;
        bio.Sector = (_round = (_round + 1) & 127) * Sectors;
        bio.Sectors = Sectors;
        bio.Data = _page;
        var status = _layer.SubmitAndWait(bio);
        if (status != BlkStatus.OK)
            throw new InvalidOperationException($"bio: {status}");
    }
}
