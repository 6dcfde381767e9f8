using DriverLab.Block.Devices;
using DriverLab.Linux;

namespace DriverLab.Block.Faults;

/// <summary>A disk with faults by plan.</summary>
public sealed class FaultyDisk : FilterDisk, IReportsAllocation
{
    private readonly FaultPlan _plan;
    private readonly long[] _seen;
    private readonly long _startNs;

    /// <summary>A disk with faults above one that has none. Its clock starts now.</summary>
    public FaultyDisk(BlockDevice below, DevT number, string name, FaultPlan plan) : base(below, number, name)
    {
        _plan = plan;
        _seen = new long[plan.Faults.Length];
        _startNs = Layer.World.Clock.MonotonicNs;
    }

    /// <summary>How many requests have been struck.</summary>
    public long Struck { get; private set; }

    /// <summary>While true nothing is struck and nothing counts: for whoever looks after the disk, not for its users.</summary>
    public bool IsPaused { get; set; }

    /// <inheritdoc/>
    protected override BlkStatus? Inspect(Bio bio) => null;

    /// <summary>What nobody may skip: a reader that leaves out holes would miss faults of reads.</summary>
    public bool IsAllocated(long sector, long mostSectors, out long sectors)
    {
        if (IsPaused && Below is IReportsAllocation map)
            return map.IsAllocated(sector, mostSectors, out sectors);
        sectors = mostSectors;
        return true;
    }

    /// <inheritdoc/>
    public override void SubmitBio(Bio bio)
    {
        if (Strikes(bio) is not { } fault)
        {
            base.SubmitBio(bio);
            return;
        }
        Struck++;
        switch (fault.Kind)
        {
            case FaultKind.Fails:
                bio.End(fault.Error.ToBlkStatus());
                break;
            case FaultKind.Torn when fault.Keep > 0:
                Pass(bio, Math.Min(fault.Keep, bio.Sectors), then: fault.Error.ToBlkStatus());
                break;
            case FaultKind.Torn:
                bio.End(fault.Error.ToBlkStatus());
                break;
            case FaultKind.Astray when bio.Sector + fault.By >= 0 && bio.EndSector + fault.By <= CapacitySectors:
                Pass(bio, shift: fault.By);
                break;
            case FaultKind.Lost or FaultKind.Astray:
                bio.End(BlkStatus.OK);
                break;
        }
    }

    private Fault? Strikes(Bio bio)
    {
        Fault? first = null;
        for (int i = 0; i < _seen.Length && !IsPaused; i++)
        {
            var fault = _plan.Faults[i];
            if (!IsMeant(fault, bio))
                continue;
            long number = ++_seen[i];
            if (first is null && number >= fault.Nth && number - fault.Nth < fault.Count)
                first = fault;
        }
        return first;
    }

    private bool IsMeant(Fault fault, Bio bio)
    {
        bool op = fault.Op switch
        {
            FaultyOp.Io => true,
            FaultyOp.Read => bio.Op == BioOp.Read,
            FaultyOp.Write => bio.Op == BioOp.Write && bio.Sectors != 0,
            FaultyOp.Flush => bio.IsEmptyFlush,
            FaultyOp.Discard => bio.Op is BioOp.Discard or BioOp.SecureErase,
            FaultyOp.Zero => bio.Op == BioOp.WriteZeroes,
        };
        if (!op || (!bio.IsEmptyFlush && (bio.Sector >= fault.Start + Math.Min(fault.Length, long.MaxValue - fault.Start) || bio.EndSector <= fault.Start)))
            return false;
        if (fault.Down == 0)
            return true;
        long second = (Layer.World.Clock.MonotonicNs - _startNs) / 1_000_000_000;
        return second % (fault.Up + fault.Down) >= fault.Up;
    }
}
