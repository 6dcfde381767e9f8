using DriverLab.Linux;

namespace DriverLab.Block;

/// <summary>How zeros are made.</summary>
[Flags]
public enum ZeroOutFlags
{
    None = 0,
    /// <summary>Keep the space allocated.</summary>
    NoUnmap = 1,
    /// <summary>Fail rather than write zeros.</summary>
    NoFallback = 2,
}

/// <summary>Whole operations on a device that wait for their bios: flush, discard, zero-out.</summary>
/// <remarks>Linux block/blk-lib.c, block/blk-flush.c.</remarks>
public static class BlockIssue
{
    private static readonly byte[] Zeros = new byte[1024 * 1024];

    extension(BlockDevice device)
    {
        /// <summary>Makes everything that has ended durable.</summary>
        /// <returns>What the device says.</returns>
        /// <remarks>Linux block/blk-flush.c: blkdev_issue_flush().</remarks>
        public Errno IssueFlush()
        {
            var bio = MakeBio(device, BioOp.Write, 0, 0);
            bio.Flags = BioFlags.PreFlush;
            return device.Layer.SubmitAndWait(bio).ToErrno();
        }

        /// <summary>Discards a run of sectors, cut at the device's granularity. A driver's own EOPNOTSUPP counts as success.</summary>
        /// <returns>EPERM (read-only), EOPNOTSUPP, EINVAL (not a multiple of the logical block, or nothing), what the device says.</returns>
        /// <remarks>Linux block/blk-lib.c: blkdev_issue_discard().</remarks>
        public Errno IssueDiscard(long sector, long sectors)
        {
            if (device.IsReadOnly)
                return Errno.EPERM;
            if (device.Limits.MaxDiscardSectors == 0 || device.Limits.DiscardGranularity == 0)
                return Errno.EOPNOTSUPP;
            if (((sector | sectors) & ((device.Limits.LogicalBlockSize >> 9) - 1)) != 0 || sectors == 0)
                return Errno.EINVAL;
            var batch = device.Layer.StartBatch();
            while (sectors > 0)
            {
                int part = (int)Math.Min(sectors, DiscardLimit(device, sector));
                var bio = MakeBio(device, BioOp.Discard, sector, part);
                sector += part;
                sectors -= part;
                bio.Flags = Waited(sectors);
                batch.Submit(bio);
            }
            var status = device.Layer.Wait(batch);
            return status == BlkStatus.NotSupported ? Errno.OK : status.ToErrno();
        }

        /// <summary>Makes a run of sectors read as zeros: by the device if it can, else by writing them.</summary>
        /// <returns>EINVAL (not a multiple of the logical block), EPERM (read-only), EOPNOTSUPP (no fallback wanted), what the device says.</returns>
        /// <remarks>Linux block/blk-lib.c: blkdev_issue_zeroout().</remarks>
        public Errno IssueZeroOut(long sector, long sectors, ZeroOutFlags flags)
        {
            if (((sector | sectors) & ((device.Limits.LogicalBlockSize >> 9) - 1)) != 0)
                return Errno.EINVAL;
            if (device.IsReadOnly)
                return Errno.EPERM;
            bool noFallback = (flags & ZeroOutFlags.NoFallback) != 0;
            if (device.Limits.MaxWriteZeroesSectors != 0)
            {
                var status = WriteZeroes(device, sector, sectors, (flags & ZeroOutFlags.NoUnmap) != 0 ? BioFlags.NoUnmap : BioFlags.None);
                if (status == BlkStatus.OK || noFallback || (status != BlkStatus.NotSupported && !device.Layer.Quirks.ZeroOutFallsBackAlways))
                    return status.ToErrno();
            }
            return noFallback ? Errno.EOPNOTSUPP : WriteZeroPages(device, sector, sectors).ToErrno();
        }
    }

    private static BlkStatus WriteZeroes(BlockDevice device, long sector, long sectors, BioFlags flags)
    {
        var batch = device.Layer.StartBatch();
        long largest = Math.Min(device.Limits.MaxWriteZeroesSectors, QueueLimits.MaxBioSectors) & ~((device.Limits.LogicalBlockSize >> 9) - 1L);
        while (sectors > 0)
        {
            int part = (int)Math.Min(sectors, largest);
            var bio = MakeBio(device, BioOp.WriteZeroes, sector, part);
            sector += part;
            sectors -= part;
            bio.Flags = flags | Waited(sectors);
            batch.Submit(bio);
        }
        return device.Layer.Wait(batch);
    }

    private static BlkStatus WriteZeroPages(BlockDevice device, long sector, long sectors)
    {
        var batch = device.Layer.StartBatch();
        while (sectors > 0)
        {
            int part = (int)Math.Min(sectors, Zeros.Length >> 9);
            var bio = MakeBio(device, BioOp.Write, sector, part);
            bio.Data = Zeros;
            sector += part;
            sectors -= part;
            bio.Flags = Waited(sectors);
            batch.Submit(bio);
        }
        return device.Layer.Wait(batch);
    }

    /// <summary>The last bio of a chain is the one that is waited for.</summary>
    /// <remarks>Linux block/bio.c: submit_bio_wait().</remarks>
    private static BioFlags Waited(long sectorsLeft) => sectorsLeft == 0 ? BioFlags.Sync : BioFlags.None;

    private static Bio MakeBio(BlockDevice device, BioOp op, long sector, int sectors)
    {
        var bio = device.Layer.AllocBio();
        bio.Device = device;
        bio.Op = op;
        bio.Sector = sector;
        bio.Sectors = sectors;
        return bio;
    }

    /// <summary>Most sectors of one discard from here, so that later ones start on the granularity.</summary>
    /// <remarks>Linux block/blk.h: bio_discard_limit().</remarks>
    private static long DiscardLimit(BlockDevice device, long sector)
    {
        // The kernel rounds with masks, as if every granularity were a power of two: with others its cuts lie elsewhere.
        long granularity = device.Limits.DiscardGranularity >> 9;
        if (granularity <= 1)
            return QueueLimits.MaxBioSectors;
        long aligned = ((sector - 1) | (granularity - 1)) + 1;
        return aligned != sector ? aligned - sector : (uint.MaxValue & ~(device.Limits.DiscardGranularity - 1L)) >> 9;
    }
}
