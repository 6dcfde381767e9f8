using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.StorageDrivers.DeviceMapper;

/// <summary>Writes an empty ext4 to a device: blocks of 4096 bytes, inodes of 256, a journal, extents, sparse superblocks; inode tables and journal are zeroed at once, no mount does it later.</summary>
/// <remarks>
/// The layout is that of the kernel's Documentation/filesystems/ext4 and fs/ext4/ext4.h, fs/jbd2 for the journal. Without flexible groups, checksums and reserved descriptors: a kernel that
/// grows such a file system turns meta_bg on. The same device, uuid and clock give the same bytes on every kernel.
/// </remarks>
internal sealed class Ext4Maker
{
    private const int BlockSize = 4096, BlocksPerGroup = 32768, InodeSize = 256, InodesPerBlock = BlockSize / InodeSize, DescriptorSize = 32;
    private const int RootInode = 2, JournalInode = 8, LostInode = 11, LostBlocks = 4;
    private const ushort Magic = 0xEF53;
    private readonly IKernel _kernel;
    private readonly Fd _device;
    private readonly Ext4Options _options;
    private readonly byte[] _uuid;
    private readonly uint _now;
    private readonly long _blocks;
    private readonly int _groups, _inodesPerGroup, _tableBlocks, _descriptorBlocks, _journalBlocks;

    private Ext4Maker(IKernel kernel, Fd device, long blocks, byte[] uuid, Ext4Options options)
    {
        (_kernel, _device, _uuid, _options) = (kernel, device, uuid, options);
        _now = (uint)(kernel.ClockGetTimeNs(ClockId.CLOCK_REALTIME) / 1_000_000_000);
        // A last group without room for what every group has is left out: the device's end is then not used.
        for (_blocks = blocks; ; _blocks -= _blocks % BlocksPerGroup)
        {
            _groups = (int)((_blocks + BlocksPerGroup - 1) / BlocksPerGroup);
            _descriptorBlocks = ((_groups * DescriptorSize) + BlockSize - 1) / BlockSize;
            long wanted = (_blocks * BlockSize / options.BytesPerInode + _groups - 1) / Math.Max(1, _groups);
            _inodesPerGroup = (int)Math.Clamp((wanted + InodesPerBlock - 1) / InodesPerBlock * InodesPerBlock, InodesPerBlock, BlocksPerGroup);
            _tableBlocks = _inodesPerGroup / InodesPerBlock;
            const int least = 50;
            if (_groups <= 1 || LengthOf(_groups - 1) >= 1 + _descriptorBlocks + 2 + _tableBlocks + least)
                break;
        }
        _journalBlocks = !options.HasJournal ? 0 : _blocks switch { < 2048 => 0, < 32768 => 1024, < 262144 => 4096, < 524288 => 8192, _ => 16384 };
    }

    /// <summary>Makes the file system.</summary>
    /// <param name="kernel">The task.</param>
    /// <param name="path">The device.</param>
    /// <param name="uuid">Its identity, 16 bytes.</param>
    /// <param name="options">What it is like.</param>
    /// <returns>ENOSPC (below 1 MiB), EFBIG (16 TiB or more), then what the device says.</returns>
    public static DriverError? Make(IKernel kernel, string path, byte[] uuid, Ext4Options options)
    {
        byte[] name = ByteText.Bytes(path);
        var opened = kernel.OpenAt(Fd.Cwd, name, OpenFlags.O_RDWR | OpenFlags.O_EXCL | OpenFlags.O_CLOEXEC, Mode.None);
        if (!opened.IsOk)
            return DriverError.Of(opened.Error, "open", name);
        var size = kernel.BlkGetSize64(opened.Value);
        var error = size.Error;
        if (error == Errno.OK)
            error = size.Value < 1 << 20 ? Errno.ENOSPC : size.Value / BlockSize > uint.MaxValue ? Errno.EFBIG : new Ext4Maker(kernel, opened.Value, size.Value / BlockSize, uuid, options).Write();
        var closed = kernel.Close(opened.Value);
        return DriverError.Of(error == Errno.OK ? closed : error, "mkfs.ext4", name);
    }

    private Errno Write()
    {
        var error = Errno.OK;
        for (int group = 0; error == Errno.OK && group < _groups; group++)
            error = WriteGroup(group);
        if (error == Errno.OK)
            error = WriteInodes();
        if (error == Errno.OK)
            error = WriteDirectories();
        if (error == Errno.OK && _journalBlocks > 0)
            error = WriteJournal();
        for (int group = 0; error == Errno.OK && group < _groups; group++)
            if (HasSuper(group))
                error = WriteSuper(group);
        return error == Errno.OK ? _kernel.Fsync(_device) : error;
    }

    // ---- geometry --------------------------------------------------------------------------------------------------------------------

    private int LengthOf(int group) => (int)Math.Min(BlocksPerGroup, _blocks - ((long)group * BlocksPerGroup));

    private static bool HasSuper(int group) => group <= 1 || IsPower(group, 3) || IsPower(group, 5) || IsPower(group, 7);

    private static bool IsPower(int number, int of)
    {
        while (number % of == 0)
            number /= of;
        return number == 1;
    }

    /// <summary>Blocks at a group's start that hold the superblock's copy and the descriptors.</summary>
    private int HeadOf(int group) => HasSuper(group) ? 1 + _descriptorBlocks : 0;

    private long BlockBitmap(int group) => ((long)group * BlocksPerGroup) + HeadOf(group);

    private long InodeBitmap(int group) => BlockBitmap(group) + 1;

    private long InodeTable(int group) => BlockBitmap(group) + 2;

    /// <summary>The first block of files, all of which are in group 0: the root, lost+found, the journal.</summary>
    private long FirstData => InodeTable(0) + _tableBlocks;

    private long JournalStart => FirstData + 1 + LostBlocks;

    private int UsedBlocks(int group) => HeadOf(group) + 2 + _tableBlocks + (group == 0 ? 1 + LostBlocks + _journalBlocks : 0);

    private static int UsedInodes(int group) => group == 0 ? LostInode : 0;

    // ---- groups ----------------------------------------------------------------------------------------------------------------------

    private Errno WriteGroup(int group)
    {
        var blocks = new byte[BlockSize];
        SetBits(blocks, 0, UsedBlocks(group));
        SetBits(blocks, LengthOf(group), BlocksPerGroup);
        var inodes = new byte[BlockSize];
        SetBits(inodes, 0, UsedInodes(group));
        SetBits(inodes, _inodesPerGroup, BlocksPerGroup);
        var error = _kernel.BlkZeroOut(_device, (ulong)(InodeTable(group) * BlockSize), (ulong)((long)_tableBlocks * BlockSize));
        if (error == Errno.OK)
            error = Put(BlockBitmap(group), blocks);
        return error == Errno.OK ? Put(InodeBitmap(group), inodes) : error;
    }

    private static void SetBits(Span<byte> bitmap, int from, int to)
    {
        for (; from < to; from++)
            bitmap[from >> 3] |= (byte)(1 << (from & 7));
    }

    /// <summary>The superblock and the descriptors at a group's start.</summary>
    private Errno WriteSuper(int group)
    {
        var head = new byte[(1 + _descriptorBlocks) * BlockSize];
        FillSuper(head.AsSpan(group == 0 ? 1024 : 0, 1024), group);
        for (int i = 0; i < _groups; i++)
        {
            var descriptor = head.AsSpan(BlockSize + (i * DescriptorSize), DescriptorSize);
            U32(descriptor, 0x0, BlockBitmap(i));
            U32(descriptor, 0x4, InodeBitmap(i));
            U32(descriptor, 0x8, InodeTable(i));
            U16(descriptor, 0xC, LengthOf(i) - UsedBlocks(i));
            U16(descriptor, 0xE, _inodesPerGroup - UsedInodes(i));
            U16(descriptor, 0x10, i == 0 ? 2 : 0);
        }
        return Put((long)group * BlocksPerGroup, head);
    }

    private void FillSuper(Span<byte> super, int group)
    {
        long free = 0;
        for (int i = 0; i < _groups; i++)
            free += LengthOf(i) - UsedBlocks(i);
        U32(super, 0x0, (long)_inodesPerGroup * _groups);
        U32(super, 0x4, _blocks);
        U32(super, 0x8, _blocks * _options.ReservedPercent / 100);
        U32(super, 0xC, free);
        U32(super, 0x10, ((long)_inodesPerGroup * _groups) - LostInode);
        U32(super, 0x18, BitOperations.Log2(BlockSize) - 10);
        U32(super, 0x1C, BitOperations.Log2(BlockSize) - 10);
        U32(super, 0x20, BlocksPerGroup);
        U32(super, 0x24, BlocksPerGroup);
        U32(super, 0x28, _inodesPerGroup);
        U32(super, 0x30, _now);
        U16(super, 0x36, 0xFFFF); // no check after any number of mounts
        U16(super, 0x38, Magic);
        U16(super, 0x3A, 1); // clean
        U16(super, 0x3C, 1); // errors: go on
        U32(super, 0x40, _now);
        U32(super, 0x4C, 1); // dynamic revision
        U32(super, 0x54, LostInode);
        U16(super, 0x58, InodeSize);
        U16(super, 0x5A, group);
        const int hasJournal = 4, extAttr = 8, dirIndex = 0x20, fileType = 2, extents = 0x40, sparseSuper = 1, largeFile = 2, hugeFile = 8, dirNlink = 0x20, extraIsize = 0x40;
        U32(super, 0x5C, extAttr | dirIndex | (_journalBlocks > 0 ? hasJournal : 0));
        U32(super, 0x60, fileType | extents);
        U32(super, 0x64, sparseSuper | largeFile | hugeFile | dirNlink | extraIsize);
        _uuid.CopyTo(super[0x68..]);
        _ = Encoding.UTF8.GetBytes(_options.Label, super[0x78..0x88]);
        _uuid.CopyTo(super[0xEC..]); // the seed of directory hashes: any
        super[0xFC] = 1; // half MD4
        U32(super, 0x100, 0xC); // mount with user attributes and ACLs
        U32(super, 0x108, _now);
        U16(super, 0x15C, 32);
        U16(super, 0x15E, 32);
        U32(super, 0x160, 1); // hashes of signed characters
        if (_journalBlocks == 0)
            return;
        U32(super, 0xE0, JournalInode);
        super[0xFD] = 1; // the journal's blocks are noted below
        FillExtent(super[0x10C..], JournalStart, _journalBlocks);
        U32(super, 0x10C + (16 * 4), (long)_journalBlocks * BlockSize);
    }

    // ---- files -----------------------------------------------------------------------------------------------------------------------

    private Errno WriteInodes()
    {
        var table = new byte[BlockSize];
        FillInode(table.AsSpan((RootInode - 1) * InodeSize), 0x41ED, 3, FirstData, 1);
        FillInode(table.AsSpan((LostInode - 1) * InodeSize), 0x41C0, 2, FirstData + 1, LostBlocks);
        if (_journalBlocks > 0)
            FillInode(table.AsSpan((JournalInode - 1) * InodeSize), 0x8180, 1, JournalStart, _journalBlocks);
        return Put(InodeTable(0), table);
    }

    private void FillInode(Span<byte> inode, int mode, int links, long start, int blocks)
    {
        const int usesExtents = 0x80000;
        U16(inode, 0x0, mode);
        U32(inode, 0x4, (long)blocks * BlockSize);
        foreach (int time in (ReadOnlySpan<int>)[0x8, 0xC, 0x10, 0x90])
            U32(inode, time, _now);
        U16(inode, 0x1A, links);
        U32(inode, 0x1C, (long)blocks * (BlockSize / 512));
        U32(inode, 0x20, usesExtents);
        FillExtent(inode[0x28..], start, blocks);
        U16(inode, 0x80, 32);
    }

    /// <summary>A tree of one extent, as it stands in an inode.</summary>
    private static void FillExtent(Span<byte> tree, long start, int blocks)
    {
        U16(tree, 0, 0xF30A);
        U16(tree, 2, 1);
        U16(tree, 4, 4);
        U16(tree, 16, blocks);
        U32(tree, 20, start);
    }

    private Errno WriteDirectories()
    {
        var root = new byte[BlockSize];
        FillEntry(root, 0, 12, RootInode, "."u8);
        FillEntry(root, 12, 12, RootInode, ".."u8);
        FillEntry(root, 24, BlockSize - 24, LostInode, "lost+found"u8);
        var lost = new byte[LostBlocks * BlockSize];
        FillEntry(lost, 0, 12, LostInode, "."u8);
        FillEntry(lost, 12, BlockSize - 12, RootInode, ".."u8);
        for (int block = 1; block < LostBlocks; block++)
            U16(lost, (block * BlockSize) + 4, BlockSize);
        var error = Put(FirstData, root);
        return error == Errno.OK ? Put(FirstData + 1, lost) : error;
    }

    private static void FillEntry(Span<byte> block, int at, int length, int inode, ReadOnlySpan<byte> name)
    {
        const byte directory = 2;
        U32(block, at, inode);
        U16(block, at + 4, length);
        block[at + 6] = (byte)name.Length;
        block[at + 7] = directory;
        name.CopyTo(block[(at + 8)..]);
    }

    private Errno WriteJournal()
    {
        var error = _kernel.BlkZeroOut(_device, (ulong)(JournalStart * BlockSize), (ulong)((long)_journalBlocks * BlockSize));
        if (error != Errno.OK)
            return error;
        var super = new byte[BlockSize];
        const uint magic = 0xC03B3998, superV2 = 4;
        int at = 0;
        foreach (uint word in (ReadOnlySpan<uint>)[magic, superV2, 0, BlockSize, (uint)_journalBlocks, 1, 1, 0]) // …, block size, length, first block, first sequence, start: none
        {
            BinaryPrimitives.WriteUInt32BigEndian(super.AsSpan(at), word);
            at += 4;
        }
        _uuid.CopyTo(super.AsSpan(0x30));
        BinaryPrimitives.WriteUInt32BigEndian(super.AsSpan(0x40), 1); // one user
        return Put(JournalStart, super);
    }

    private Errno Put(long block, ReadOnlySpan<byte> data)
    {
        for (long at = block * BlockSize; !data.IsEmpty;)
        {
            var written = _kernel.PWrite(_device, data, at);
            if (!written.IsOk)
                return written.Error;
            at += written.Value;
            data = data[written.Value..];
        }
        return Errno.OK;
    }

    private static void U16(Span<byte> bytes, int at, int value) => BinaryPrimitives.WriteUInt16LittleEndian(bytes[at..], (ushort)value);

    private static void U32(Span<byte> bytes, int at, long value) => BinaryPrimitives.WriteUInt32LittleEndian(bytes[at..], (uint)value);
}
