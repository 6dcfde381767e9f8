using DriverLab.Block.Devices;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;

namespace DriverLab.Block.Tests;

/// <summary>A block layer with a few devices, for one test.</summary>
internal sealed class Lab
{
    public Lab(int major = 6, int minor = 1)
    {
        Layer = new(World, new KernelProfile("test", new(major, minor)));
        Loops = new(Layer);
    }

    public World World { get; } = new(1);

    public BlockLayer Layer { get; }

    public LoopControl Loops { get; }

    public RamDisk Ram(uint minor = 0, long sectors = 2048)
    {
        var disk = new RamDisk(Layer, minor, sectors);
        Layer.Devices.Add(disk);
        return disk;
    }

    public BlockFile Open(BlockDevice device, OpenFlags flags = OpenFlags.O_RDWR)
    {
        var file = BlockFile.Open(Layer.Devices, device.Number, flags);
        Assert.That(file.Error, Is.EqualTo(Errno.OK));
        return file.Value;
    }
}

/// <summary>A file in memory below a loop device, and the descriptor table that has it as every number.</summary>
internal sealed class MemoryFile(long size) : IBackingFile, IBlockCaller
{
    public byte[] Bytes { get; set; } = new byte[size];

    public List<string> Calls { get; } = [];

    public int References { get; private set; }

    public bool IsRegular => true;

    public BlockDevice? Device => null;

    public bool IsWritable { get; init; } = true;

    public bool IsDirect => false;

    public bool SupportsDirectIo => false;

    public bool SupportsFallocate => true;

    public bool SupportsFsync => true;

    public BlockDevice? FileSystemDevice => null;

    public long Size => Bytes.Length;

    public uint FileSystemBlockSize => 4096;

    public DevT Dev => new(0, 30);

    public ulong Ino => 7;

    public DevT Rdev => DevT.Zero;

    public bool IsSysAdmin => true;

    public bool IsSysRawio => true;

    public SysResult<int> Read(long position, Span<byte> buffer)
    {
        if (position >= Bytes.Length)
            return 0;
        int count = (int)Math.Min(buffer.Length, Bytes.Length - position);
        Bytes.AsSpan((int)position, count).CopyTo(buffer);
        return count;
    }

    public SysResult<int> Write(long position, ReadOnlySpan<byte> data)
    {
        data.CopyTo(Bytes.AsSpan((int)position));
        return data.Length;
    }

    public Errno Fsync()
    {
        Calls.Add("fsync");
        return Errno.OK;
    }

    public Errno Fallocate(FallocFlags mode, long position, long length)
    {
        Calls.Add($"fallocate {mode} {position} {length}");
        if ((mode & FallocFlags.FALLOC_FL_ZERO_RANGE) != 0)
            return Errno.EOPNOTSUPP;
        Bytes.AsSpan((int)position, (int)length).Clear();
        return Errno.OK;
    }

    public void Release() => References--;

    public SysResult<IBackingFile> GetFile(int fd)
    {
        if (fd < 0)
            return Errno.EBADF;
        References++;
        return this;
    }

    public SysResult<DevT> LookupBlockDevice(ReadOnlySpan<byte> path) => Errno.ENOENT;
}
