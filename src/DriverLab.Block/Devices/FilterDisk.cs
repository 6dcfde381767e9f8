using DriverLab.Linux;

namespace DriverLab.Block.Devices;

/// <summary>A disk that passes everything on to another one, after a look at it.</summary>
public abstract class FilterDisk : BlockDevice
{
    private readonly PassCompletion _pass;

    /// <summary>A filter above a disk.</summary>
    protected FilterDisk(BlockDevice below, DevT number, string name) : base(below.Layer, number, name)
    {
        Below = below;
        Limits = below.Limits;
        SetCapacity(below.CapacitySectors);
        _pass = new();
    }

    /// <summary>The disk below.</summary>
    public BlockDevice Below { get; }

    /// <summary>Looks at a bio before it goes down.</summary>
    /// <returns>The status with which it ends here, or null to let it pass.</returns>
    protected abstract BlkStatus? Inspect(Bio bio);

    /// <summary>Marks a bio that goes down now.</summary>
    /// <returns>What <see cref="OnEnd"/> gets when it comes back.</returns>
    protected virtual long OnPass(Bio bio) => 0;

    /// <summary>Looks at a bio that has come back from the disk below.</summary>
    protected virtual void OnEnd(long mark, BlkStatus status)
    {
    }

    /// <inheritdoc/>
    public override void SubmitBio(Bio bio)
    {
        if (Inspect(bio) is { } status)
        {
            bio.End(status);
            return;
        }
        Pass(bio);
    }

    /// <summary>Sends a bio down: as it is, or its first sectors, or to another place.</summary>
    /// <param name="bio">The bio, which ends when what went down ends.</param>
    /// <param name="sectors">How many sectors go down; all when negative.</param>
    /// <param name="shift">By how many sectors the place is off.</param>
    /// <param name="then">How the bio ends when what went down has ended well.</param>
    protected void Pass(Bio bio, int sectors = -1, long shift = 0, BlkStatus then = BlkStatus.OK)
    {
        var clone = Layer.AllocBio();
        clone.CloneFrom(bio);
        clone.Device = Below;
        clone.Sector += shift;
        if (sectors >= 0)
            clone.Sectors = sectors;
        clone.Completion = _pass;
        clone.Private = bio;
        clone.MakerValue = (long)then;
        clone.PrivateValue = OnPass(bio);
        Layer.Submit(clone);
    }

    private sealed class PassCompletion : BioCompletion
    {
        public override void EndIo(Bio bio)
        {
            var original = (Bio)bio.Private!;
            var status = bio.Status == BlkStatus.OK ? (BlkStatus)bio.MakerValue : bio.Status;
            ((FilterDisk)original.Device).OnEnd(bio.PrivateValue, status);
            original.Device.Layer.Free(bio);
            original.End(status);
        }
    }
}

/// <summary>A disk that remembers every bio in the order of submission, with a copy of written data: the raw material of crash tests.</summary>
public sealed class RecordingDisk(BlockDevice below, DevT number, string name) : FilterDisk(below, number, name)
{
    private readonly List<Entry> _entries = [];

    /// <summary>One bio as it was submitted.</summary>
    public sealed record Entry(BioOp Op, BioFlags Flags, long Sector, int Sectors, byte[]? Written);

    /// <summary>Everything recorded so far.</summary>
    public IReadOnlyList<Entry> Entries => _entries;

    /// <summary>Forgets what was recorded.</summary>
    public void Clear() => _entries.Clear();

    /// <inheritdoc/>
    protected override BlkStatus? Inspect(Bio bio)
    {
        _entries.Add(new(bio.Op, bio.Flags, bio.Sector, bio.Sectors, bio.Op == BioOp.Write && bio.Sectors != 0 ? bio.Span.ToArray() : null));
        return null;
    }
}
