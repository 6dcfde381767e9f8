using System.Buffers.Binary;
using DriverLab.Block;
using DriverLab.Formats;
using DriverLab.Formats.PersistentData;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper.PersistentData;

/// <summary>Blocks of 4096 bytes of a metadata device: read once and checked, changed in memory, written together.</summary>
/// <remarks>Linux drivers/md/persistent-data/dm-block-manager.c; the checks are the validators' of each kind.</remarks>
internal sealed class BlockManager(BlockDevice device, DeviceMapper driver)
{
    public const int SectorsPerBlock = MetadataBlock.Size / 512;

    /// <summary>Enough for some 100 million mappings; memory is taken for what is there.</summary>
    private const int CachedBlocks = 1 << 19;
    private readonly BlockTable _blocks = new();
    private readonly List<MetadataBuffer> _ring = [], _dirty = [];

    /// <summary>Blocks that were read and are not sound: they stay in memory, and everyone who asks for one is told so anew. Linux drivers/md/dm-bufio.c: dm_bufio_release() lets go of what could not be read only.</summary>
    private readonly Dictionary<ulong, MetadataBuffer> _unsound = [];
    private int _hand;
    private bool _isWriting;

    /// <summary>True: every attempt to change a block is refused with EPERM.</summary>
    public bool IsReadOnly { get; set; }

    /// <summary>True as long as the keys rise in every node that was read: kernels do not check it, and what they find in other nodes depends on where they look.</summary>
    public bool AreKeysInOrder { get; private set; } = true;

    /// <summary>The device.</summary>
    public BlockDevice Device => device;

    /// <summary>What this kernel does otherwise than others.</summary>
    public DmQuirks Quirks => driver.Quirks;

    /// <summary>Writes a line to the kernel's log.</summary>
    public void Log(string part, string line) => driver.Log(part, line);

    /// <summary>A block for reading.</summary>
    /// <exception cref="MetadataException">EIO, ENOTBLK, EILSEQ, EINVAL (a block of another kind).</exception>
    public MetadataBuffer Read(ulong number, MetadataBlockKind kind)
    {
        if (_blocks[number] is { } cached)
        {
            cached.WasUsed = true;
            if (cached.Kind == kind)
                return cached;
            driver.Log("block manager", $"validator mismatch (old={NameOf(cached.Kind)} vs new={NameOf(kind)}) for block {number}");
            throw new MetadataException(Errno.EINVAL);
        }
        if (!_unsound.TryGetValue(number, out var buffer))
            Load(buffer = Allocate(number, kind));
        Check(buffer, kind);
        Insert(buffer);
        return buffer;
    }

    /// <summary>A node of a tree that is in memory, for callers that may not wait; null when it is not.</summary>
    /// <exception cref="MetadataException">EILSEQ, ENOTBLK: it is there and is not sound.</exception>
    public MetadataBuffer? CachedNode(ulong number)
    {
        if (_unsound.Count > 0 && _unsound.TryGetValue(number, out var unsound))
            Check(unsound, MetadataBlockKind.BtreeNode);
        return _blocks[number];
    }

    /// <summary>Reads a block that will be asked for soon. One that cannot be read, or is not sound, is left to who asks.</summary>
    /// <remarks>Linux drivers/md/persistent-data/dm-block-manager.c: dm_bm_prefetch().</remarks>
    public void Prefetch(ulong number, MetadataBlockKind kind)
    {
        if (_blocks[number] is not null)
            return;
        var buffer = Allocate(number, kind);
        if (_unsound.ContainsKey(number) || !TryLoad(buffer))
            return;
        if (FindFault(buffer, kind) is null)
            Insert(buffer);
        else
            _unsound.Add(number, buffer);
    }

    /// <summary>A block for changing in place.</summary>
    public MetadataBuffer Write(ulong number, MetadataBlockKind kind)
    {
        RefuseReadOnly();
        var buffer = Read(number, kind);
        MarkDirty(buffer, kind);
        return buffer;
    }

    /// <summary>A block whose old content does not matter: zeros.</summary>
    public MetadataBuffer WriteZero(ulong number, MetadataBlockKind kind)
    {
        var buffer = Overwrite(number, kind);
        buffer.Data.AsSpan().Clear();
        return buffer;
    }

    /// <summary>A block whose old content does not matter: a copy of another.</summary>
    public MetadataBuffer WriteCopy(ulong number, MetadataBlockKind kind, MetadataBuffer original)
    {
        var buffer = Overwrite(number, kind);
        original.Data.CopyTo(buffer.Data.AsSpan());
        return buffer;
    }

    private MetadataBuffer Overwrite(ulong number, MetadataBlockKind kind)
    {
        RefuseReadOnly();
        var buffer = _blocks[number];
        if (buffer is null)
            Add(buffer = Allocate(number, kind));
        MarkDirty(buffer, kind);
        return buffer;
    }

    /// <summary>True when a block holds nothing but zeros; it is neither checked nor kept.</summary>
    public bool IsZero(ulong number)
    {
        var buffer = Allocate(number, MetadataBlockKind.Superblock);
        Load(buffer);
        bool isZero = !buffer.Data.AsSpan().ContainsAnyExcept((byte)0);
        PageMemory.Return(buffer.Data);
        return isZero;
    }

    private void RefuseReadOnly()
    {
        if (IsReadOnly)
            throw new MetadataException(Errno.EPERM);
    }

    /// <summary>A block with whatever is in its memory.</summary>
    private static MetadataBuffer Allocate(ulong number, MetadataBlockKind kind) => new(number, PageMemory.Rent()) { Kind = kind, WasUsed = true };

    private void Add(MetadataBuffer buffer)
    {
        _ = _unsound.Remove(buffer.Number);
        _blocks.Add(buffer);
        _ring.Add(buffer);
    }

    private void Insert(MetadataBuffer buffer)
    {
        Add(buffer);
        AreKeysInOrder &= buffer.Kind != MetadataBlockKind.BtreeNode || buffer.Node.AreKeysInOrder;
    }

    private void MarkDirty(MetadataBuffer buffer, MetadataBlockKind kind)
    {
        buffer.Kind = kind;
        if (buffer.IsDirty)
            return;
        buffer.IsDirty = true;
        _dirty.Add(buffer);
    }

    private void Load(MetadataBuffer buffer)
    {
        if (!TryLoad(buffer))
            throw new MetadataException(Errno.EIO);
    }

    private bool TryLoad(MetadataBuffer buffer)
        => buffer.Number <= long.MaxValue / SectorsPerBlock && device.Layer.SubmitAndWait(MakeBio(buffer, BioOp.Read)) == BlkStatus.OK;

    private Bio MakeBio(MetadataBuffer buffer, BioOp op)
    {
        var bio = device.Layer.AllocBio();
        bio.Device = device;
        bio.Op = op;
        bio.Sector = (long)buffer.Number * SectorsPerBlock;
        bio.Sectors = SectorsPerBlock;
        bio.Data = buffer.Data;
        return bio;
    }

    /// <summary>Writes all changed blocks, then makes them durable.</summary>
    /// <exception cref="MetadataException">EPERM, EIO.</exception>
    /// <remarks>Linux drivers/md/persistent-data/dm-block-manager.c: dm_bm_flush().</remarks>
    public void Flush()
    {
        RefuseReadOnly();
        var status = WriteBack();
        var flushed = device.IssueFlush();
        if (status != BlkStatus.OK || flushed != Errno.OK)
            throw new MetadataException(Errno.EIO);
    }

    /// <summary>Writes all changed blocks.</summary>
    public BlkStatus WriteBack()
    {
        var batch = device.Layer.StartBatch();
        foreach (var buffer in _dirty)
        {
            buffer.IsDirty = false;
            Seal(buffer);
            batch.Submit(MakeBio(buffer, BioOp.Write));
        }
        _dirty.Clear();
        _isWriting = true;
        var status = device.Layer.Wait(batch);
        _isWriting = false;
        return status;
    }

    /// <summary>Forgets blocks that have not been used for a while. Not during an operation that holds some.</summary>
    public void Trim()
    {
        for (int steps = _ring.Count * 2; _ring.Count > CachedBlocks && steps > 0; steps--)
        {
            if (_hand >= _ring.Count)
                _hand = 0;
            var buffer = _ring[_hand];
            if (buffer.IsDirty || buffer.WasUsed)
            {
                buffer.WasUsed = false;
                _hand++;
                continue;
            }
            _blocks.Remove(buffer.Number);
            _ring[_hand] = _ring[^1];
            _ring.RemoveAt(_ring.Count - 1);
        }
    }

    /// <summary>Forgets all blocks and gives their memory back. Not during an operation that holds some; after one that hangs the device still has them.</summary>
    public void Release()
    {
        if (_isWriting)
            return;
        foreach (var buffer in _ring)
        {
            _blocks.Remove(buffer.Number);
            PageMemory.Return(buffer.Data);
        }
        _ring.Clear();
        _dirty.Clear();
    }

    // ---- checks ------------------------------------------------------------------------------------------------------------------

    private static void Seal(MetadataBuffer buffer)
    {
        var data = buffer.Data.AsSpan();
        BinaryPrimitives.WriteUInt64LittleEndian(data[8..], buffer.Number);
        MetadataBlock.Seal(data, buffer.Kind);
    }

    /// <summary>What is wrong with a block, and who complains of it.</summary>
    private readonly record struct Fault(Errno Error, string Part, string Line);

    private void Check(MetadataBuffer buffer, MetadataBlockKind kind)
    {
        if (FindFault(buffer, kind) is not { } fault)
            return;
        driver.Log(fault.Part, fault.Line);
        _unsound[buffer.Number] = buffer;
        driver.Log("block manager", $"{NameOf(kind)} validator check failed for block {buffer.Number}");
        throw new MetadataException(fault.Error);
    }

    private static string NameOf(MetadataBlockKind kind) => kind switch
    {
        MetadataBlockKind.Superblock => "superblock",
        MetadataBlockKind.BtreeNode => "btree_node",
        MetadataBlockKind.Bitmap => "sm_bitmap",
        MetadataBlockKind.Index => "index",
    };

    /// <remarks>Linux drivers/md/persistent-data: node_check(), index_check(), dm_bitmap_check(); drivers/md/dm-thin-metadata.c: sb_check().</remarks>
    private static Fault? FindFault(MetadataBuffer buffer, MetadataBlockKind kind) => kind switch
    {
        MetadataBlockKind.Superblock => FindInSuperblock(buffer),
        MetadataBlockKind.BtreeNode => FindInNumbers(buffer, kind, "btree spine", "node_check") ?? FindInNode(buffer),
        MetadataBlockKind.Bitmap => FindInNumbers(buffer, kind, "space map common", "bitmap check"),
        MetadataBlockKind.Index => FindInNumbers(buffer, kind, "space map common", "index_check"),
    };

    private static Fault? FindInNumbers(MetadataBuffer buffer, MetadataBlockKind kind, string part, string check)
    {
        ulong number = BinaryPrimitives.ReadUInt64LittleEndian(buffer.Data.AsSpan(8));
        if (number != buffer.Number)
            return new(Errno.ENOTBLK, part, $"{check} failed: blocknr {number} != wanted {buffer.Number}");
        uint wanted = MetadataBlock.Checksum(buffer.Data, kind), found = BinaryPrimitives.ReadUInt32LittleEndian(buffer.Data);
        return found == wanted ? null : new(Errno.EILSEQ, part, $"{check} failed: csum {wanted} != wanted {found}");
    }

    private static Fault? FindInNode(MetadataBuffer buffer)
    {
        ref readonly var header = ref DiskView.Read<BtreeNodeHeader>(buffer.Data);
        ulong max = header.MaxEntries.Value, valueSize = header.ValueSize.Value;
        string? complaint = 32 + max * (8 + valueSize) > MetadataBlock.Size ? "max_entries too large"
            : header.EntryCount.Value > max ? "too many entries"
            : (header.Flags & (BtreeNodeFlags.INTERNAL_NODE | BtreeNodeFlags.LEAF_NODE)) == 0 ? "node is neither INTERNAL or LEAF"
            : null;
        return complaint is null ? null : new(Errno.EILSEQ, "btree spine", $"node_check failed: {complaint}");
    }

    private static Fault? FindInSuperblock(MetadataBuffer buffer)
    {
        const string part = "thin metadata";
        ref readonly var sb = ref DiskView.Read<Formats.Thin.ThinSuperblock>(buffer.Data);
        if (sb.BlockNr.Value != buffer.Number)
            return new(Errno.ENOTBLK, part, $"sb_check failed: blocknr {sb.BlockNr.Value}: wanted {buffer.Number}");
        if (sb.Magic.Value != Formats.Thin.ThinSuperblock.ExpectedMagic)
            return new(Errno.EILSEQ, part, $"sb_check failed: magic {sb.Magic.Value}: wanted {Formats.Thin.ThinSuperblock.ExpectedMagic}");
        uint wanted = MetadataBlock.Checksum(buffer.Data, MetadataBlockKind.Superblock);
        return wanted == sb.Checksum.Value ? null : new(Errno.EILSEQ, part, $"sb_check failed: csum {wanted}: wanted {sb.Checksum.Value}");
    }
}
