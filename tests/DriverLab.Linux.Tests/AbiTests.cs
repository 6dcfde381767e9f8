using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;

namespace DriverLab.Linux.Tests;

/// <summary>Sizes and encodings that user space and kernel agree on.</summary>
public sealed class AbiTests
{
    [Test]
    public void Structures_have_the_kernels_sizes()
        => Assert.That((Unsafe.SizeOf<Statx>(), Unsafe.SizeOf<StatFs>(), Unsafe.SizeOf<Timespec>(), Unsafe.SizeOf<StatxTimestamp>()), Is.EqualTo((256, 120, 16, 16)));

    [Test]
    public void Quotas_and_shared_attributes_are_laid_out_as_the_kernels()
    {
        Assert.That((Unsafe.SizeOf<DiskQuota>(), Unsafe.SizeOf<FsXattr>()), Is.EqualTo((112, 28)));
        Assert.That((Offset<DiskQuota>(nameof(DiskQuota.Id)), Offset<DiskQuota>(nameof(DiskQuota.BlocksHard)), Offset<DiskQuota>(nameof(DiskQuota.InodesHard)), Offset<DiskQuota>(nameof(DiskQuota.BlocksUsed))), Is.EqualTo((4, 8, 24, 40)));
        Assert.That(Offset<FsXattr>(nameof(FsXattr.Project)), Is.EqualTo(12));

        static int Offset<T>(string field) => (int)Marshal.OffsetOf<T>(field);
    }

    [TestCase(0u, 0u)]
    [TestCase(7u, 300u)]
    [TestCase(259u, 70000u)]
    [TestCase(4095u, 1048575u)]
    public void Device_numbers_survive_their_encoding(uint major, uint minor)
        => Assert.That(DevT.Decode(new DevT(major, minor).Encoded), Is.EqualTo(new DevT(major, minor)));

    [TestCase(-1L, -1L, 999_999_999L)]
    [TestCase(1_500_000_000L, 1L, 500_000_000L)]
    public void Times_before_1970_have_positive_nanoseconds(long ns, long seconds, long nanoseconds)
        => Assert.That(Timespec.FromNs(ns), Is.EqualTo(new Timespec(seconds, nanoseconds)));

    [TestCase("6.12.48+deb13-cloud-amd64", 6, 12, 48)]
    [TestCase("6.1.0-40-cloud-amd64", 6, 1, 0)]
    [TestCase("7.3", 7, 3, 0)]
    [TestCase("6.18.44-fc-v657", 6, 18, 44)]
    public void Releases_are_read(string release, int major, int minor, int patch)
        => Assert.That(KernelVersion.TryParse(release, out var version) ? version : default, Is.EqualTo(new KernelVersion(major, minor, patch)));

    [TestCase("")]
    [TestCase("6")]
    [TestCase("linux")]
    [TestCase("99999999999.1")]
    public void What_is_no_release_is_refused(string release) => Assert.That(KernelVersion.TryParse(release, out _), Is.False);

    [Test]
    public void Entries_written_are_read_back()
    {
        byte[] buffer = new byte[64];
        var writer = new DirentWriter(buffer);
        Assert.That((writer.TryAppend("abc"u8, 5, 1, DirentType.DT_REG), writer.TryAppend("defgh"u8, 6, 2, DirentType.DT_DIR), writer.TryAppend("too-long"u8, 7, 3, DirentType.DT_LNK)),
            Is.EqualTo((true, true, false)));
        var reader = new DirentReader(buffer.AsSpan(0, writer.Written));
        Assert.That(reader.MoveNext() && reader.MoveNext(), Is.True);
        Assert.That((reader.Ino, reader.Offset, reader.Type, System.Text.Encoding.ASCII.GetString(reader.Name)), Is.EqualTo((6UL, 2L, DirentType.DT_DIR, "defgh")));
    }
}
