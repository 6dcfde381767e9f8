namespace DriverLab.Block;

/// <summary>What requests a device takes, and what is best for it. Stacked devices combine those of the devices below.</summary>
/// <remarks>Linux include/linux/blkdev.h: struct queue_limits; block/blk-settings.c.</remarks>
public record struct QueueLimits
{
    public const uint MaxSectorsUnlimited = uint.MaxValue;
    /// <summary>The largest discard or write-zeroes that a bio can say: 2^32 - 1 bytes in whole sectors.</summary>
    public const uint MaxBioSectors = uint.MaxValue >> 9;

    /// <summary>Smallest unit of I/O, in bytes.</summary>
    public uint LogicalBlockSize;
    /// <summary>Smallest unit without read-modify-write, in bytes.</summary>
    public uint PhysicalBlockSize;
    /// <summary>Smallest efficient request, in bytes.</summary>
    public uint IoMin;
    /// <summary>Best request, in bytes; 0 unknown.</summary>
    public uint IoOpt;
    /// <summary>Offset of the first aligned block, in bytes.</summary>
    public uint AlignmentOffset;
    /// <summary>The devices below could not be lined up.</summary>
    public bool Misaligned;
    /// <summary>Largest request of the file system layer, in sectors.</summary>
    public uint MaxSectors;
    /// <summary>Largest request of the hardware, in sectors.</summary>
    public uint MaxHwSectors;
    public uint MaxSegments;
    /// <summary>Largest segment, in bytes.</summary>
    public uint MaxSegmentSize;
    /// <summary>Most ranges of one discard.</summary>
    public uint MaxDiscardSegments;
    /// <summary>Requests may not cross multiples of this, in sectors; 0 none.</summary>
    public uint ChunkSectors;
    /// <summary>Largest discard, in sectors; 0 means that there is no discard.</summary>
    public uint MaxDiscardSectors;
    public uint MaxHwDiscardSectors;
    /// <summary>Unit in which space is freed, in bytes.</summary>
    public uint DiscardGranularity;
    public uint DiscardAlignment;
    public bool DiscardMisaligned;
    /// <summary>Largest write-zeroes, in sectors; 0 means that zeros must be written.</summary>
    public uint MaxWriteZeroesSectors;
    public uint MaxSecureEraseSectors;
    /// <summary>The device has a volatile write cache: flushes mean something.</summary>
    public bool WriteCache;
    /// <summary>The device writes through its cache when asked to.</summary>
    public bool Fua;
    public bool NonRotational;
    public bool StableWrites;
    public bool AddRandom;
    public bool NoWait;
    /// <summary>Completions can be polled for.</summary>
    public bool Poll;

    /// <summary>What a driver starts with.</summary>
    /// <remarks>Linux block/blk-settings.c: blk_set_default_limits().</remarks>
    public static QueueLimits Default => new()
    {
        LogicalBlockSize = 512,
        PhysicalBlockSize = 512,
        IoMin = 512,
        MaxSectors = 255,
        MaxHwSectors = 255,
        MaxSegments = 128,
        MaxSegmentSize = 65536,
        MaxDiscardSegments = 1,
    };

    /// <summary>What a stacking driver starts with: anything goes.</summary>
    /// <remarks>Linux block/blk-settings.c: blk_set_stacking_limits().</remarks>
    public static QueueLimits Stacking => new()
    {
        LogicalBlockSize = 512,
        PhysicalBlockSize = 512,
        IoMin = 512,
        MaxSectors = MaxSectorsUnlimited,
        MaxHwSectors = MaxSectorsUnlimited,
        MaxSegments = ushort.MaxValue,
        MaxSegmentSize = uint.MaxValue,
        MaxDiscardSegments = ushort.MaxValue,
        MaxWriteZeroesSectors = MaxSectorsUnlimited,
    };

    /// <summary>Offset of the first aligned block at or after a sector, in bytes.</summary>
    public readonly uint AlignmentAt(long sector)
    {
        uint granularity = Math.Max(PhysicalBlockSize, IoMin);
        uint offset = (uint)(sector % (granularity >> 9)) << 9;
        return (granularity + AlignmentOffset - offset) % granularity;
    }

    /// <summary>Combines the limits of one more device below, whose used area starts at a sector.</summary>
    /// <returns>False when the combination is misaligned, which is no error.</returns>
    /// <remarks>Linux block/blk-settings.c: blk_stack_limits().</remarks>
    public bool Stack(in QueueLimits below, long startSector)
    {
        bool aligned = true;
        MaxSectors = MinNotZero(MaxSectors, below.MaxSectors);
        MaxHwSectors = MinNotZero(MaxHwSectors, below.MaxHwSectors);
        MaxWriteZeroesSectors = Math.Min(MaxWriteZeroesSectors, below.MaxWriteZeroesSectors);
        MaxSegments = MinNotZero(MaxSegments, below.MaxSegments);
        MaxSegmentSize = MinNotZero(MaxSegmentSize, below.MaxSegmentSize);
        MaxDiscardSegments = MinNotZero(MaxDiscardSegments, below.MaxDiscardSegments);
        Misaligned |= below.Misaligned;
        uint alignment = below.AlignmentAt(startSector);
        if (AlignmentOffset != alignment)
        {
            uint top = Math.Max(PhysicalBlockSize, IoMin) + AlignmentOffset;
            uint bottom = Math.Max(below.PhysicalBlockSize, below.IoMin) + alignment;
            aligned = Math.Max(top, bottom) % Math.Min(top, bottom) == 0;
        }
        LogicalBlockSize = Math.Max(LogicalBlockSize, below.LogicalBlockSize);
        PhysicalBlockSize = Math.Max(PhysicalBlockSize, below.PhysicalBlockSize);
        IoMin = Math.Max(IoMin, below.IoMin);
        IoOpt = LcmNotZero(IoOpt, below.IoOpt);
        if (below.ChunkSectors != 0)
            ChunkSectors = Gcd(ChunkSectors, below.ChunkSectors);
        aligned &= FixMultiples();
        AlignmentOffset = LcmNotZero(AlignmentOffset, alignment) % Math.Max(PhysicalBlockSize, IoMin);
        aligned &= (AlignmentOffset & (LogicalBlockSize - 1)) == 0;
        Misaligned |= !aligned;
        MaxSectors = RoundSectors(MaxSectors, LogicalBlockSize);
        MaxHwSectors = RoundSectors(MaxHwSectors, LogicalBlockSize);
        StackDiscard(below, startSector);
        MaxSecureEraseSectors = MinNotZero(MaxSecureEraseSectors, below.MaxSecureEraseSectors);
        return aligned;
    }

    /// <summary>What is made of the limits when a driver sets them: requests get a cap, which gives way to the best and to the smallest request; discards come in whole blocks.</summary>
    /// <param name="cap">The cap, in sectors.</param>
    /// <remarks>Linux block/blk-settings.c: blk_validate_limits(), since 6.11.</remarks>
    public void Validate(uint cap)
    {
        uint wished = IoOpt >> 9 > cap ? IoOpt >> 9 : Math.Max(IoMin >> 9, cap);
        MaxSectors = RoundSectors(Math.Min(MaxHwSectors, wished), LogicalBlockSize);
        if (MaxDiscardSectors != 0)
            DiscardGranularity = Math.Max(DiscardGranularity, PhysicalBlockSize);
    }

    private bool FixMultiples()
    {
        bool aligned = true;
        if ((PhysicalBlockSize & (LogicalBlockSize - 1)) != 0)
        {
            PhysicalBlockSize = LogicalBlockSize;
            aligned = false;
        }
        if ((IoMin & (PhysicalBlockSize - 1)) != 0)
        {
            IoMin = PhysicalBlockSize;
            aligned = false;
        }
        if ((IoOpt & (PhysicalBlockSize - 1)) != 0)
        {
            IoOpt = 0;
            aligned = false;
        }
        if (((ChunkSectors << 9) & (PhysicalBlockSize - 1)) != 0)
        {
            ChunkSectors = 0;
            aligned = false;
        }
        return aligned;
    }

    private void StackDiscard(in QueueLimits below, long startSector)
    {
        if (below.DiscardGranularity == 0)
            return;
        uint alignment = below.DiscardAlignmentAt(startSector);
        if (DiscardGranularity != 0 && DiscardAlignment != alignment)
        {
            uint top = DiscardGranularity + DiscardAlignment;
            uint bottom = below.DiscardGranularity + alignment;
            if (Math.Max(top, bottom) % Math.Min(top, bottom) != 0)
                DiscardMisaligned = true;
        }
        MaxDiscardSectors = MinNotZero(MaxDiscardSectors, below.MaxDiscardSectors);
        MaxHwDiscardSectors = MinNotZero(MaxHwDiscardSectors, below.MaxHwDiscardSectors);
        DiscardGranularity = Math.Max(DiscardGranularity, below.DiscardGranularity);
        DiscardAlignment = LcmNotZero(DiscardAlignment, alignment) % DiscardGranularity;
    }

    private readonly uint DiscardAlignmentAt(long sector)
    {
        uint granularity = DiscardGranularity >> 9;
        if (MaxDiscardSectors == 0 || granularity == 0)
            return 0;
        uint offset = (uint)(sector % granularity);
        return ((granularity + (DiscardAlignment >> 9) - offset) % granularity) << 9;
    }

    private static uint MinNotZero(uint a, uint b) => a == 0 ? b : b == 0 ? a : Math.Min(a, b);

    /// <summary>Least common multiple, where 0 means that a side has no opinion.</summary>
    private static uint LcmNotZero(uint a, uint b)
    {
        if (a == 0 || b == 0)
            return a == 0 ? b : a;
        ulong lcm = (ulong)(a / Gcd(a, b)) * b;
        return unchecked((uint)lcm);
    }

    private static uint Gcd(uint a, uint b)
    {
        while (b != 0)
            (a, b) = (b, a % b);
        return a;
    }

    private static uint RoundSectors(uint sectors, uint logicalBlockSize)
    {
        uint rounded = (uint)((ulong)sectors & ~(((ulong)logicalBlockSize >> 9) - 1));
        return Math.Max(rounded, 8);
    }
}
