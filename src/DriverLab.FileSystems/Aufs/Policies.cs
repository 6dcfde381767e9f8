using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Aufs;

/// <summary>Which branch a new object is made on, and which one something is copied up to.</summary>
/// <remarks>aufs fs/aufs/wbr_policy.c. Seen on 6.1: the counter of <c>rr</c>, and that measurements are kept.</remarks>
internal sealed class Policies(AufsSuperBlock sb)
{
    private const uint FirstCount = 30;
    private const long TickNs = 4_000_000;

    private uint _counter = FirstCount;
    private Branch? _measured;
    private long _measuredAtNs;

    /// <summary>The policy was chosen by a remount: the counter begins elsewhere.</summary>
    public void Restart(bool byRemount)
    {
        int lowest = sb.Branches.Count - 1;
        while (lowest > 0 && !sb.Branches[lowest].IsWritable)
            lowest--;
        _counter = byRemount ? unchecked((uint)-lowest) : FirstCount;
        _measured = null;
    }

    /// <summary>A measured branch may be gone.</summary>
    public void Forget() => _measured = null;

    // ---- copying up -----------------------------------------------------------------------------------------------------------------------------

    /// <summary>Where an object is copied up to, or its whiteout is put: above its top.</summary>
    /// <returns>EROFS.</returns>
    public SysResult<Branch> ForCopyUp(AufsDentry dentry)
    {
        int top = dentry.Entries.Length > 0 ? sb.IndexOf(dentry.Top.Branch) : sb.Branches.Count;
        var branch = sb.Options.CopyUp switch
        {
            CopyUpPolicy.Tdp => TopWithParent(dentry, top),
            CopyUpPolicy.Bup => LowestWithParent(dentry, top),
            _ => null,
        };
        branch ??= NearestAbove(top - 1);
        return branch is not null ? branch : Errno.EROFS;
    }

    private Branch? TopWithParent(AufsDentry dentry, int below)
    {
        foreach (var entry in dentry.Parent.Entries)
        {
            if (sb.IndexOf(entry.Branch) < below && entry.Branch.IsWritable)
                return entry.Branch;
        }
        return null;
    }

    private Branch? LowestWithParent(AufsDentry dentry, int below)
    {
        var last = Array.FindLast(dentry.Parent.Entries, e => sb.IndexOf(e.Branch) < below && e.Branch.IsWritable);
        return last.Branch;
    }

    /// <summary>The nearest writable branch at an index or above it.</summary>
    public Branch? NearestAbove(int index)
    {
        for (int i = Math.Min(index, sb.Branches.Count - 1); i >= 0; i--)
        {
            if (sb.Branches[i].IsWritable)
                return sb.Branches[i];
        }
        return null;
    }

    // ---- creating -------------------------------------------------------------------------------------------------------------------------------

    /// <summary>Where a new object goes.</summary>
    /// <returns>EROFS.</returns>
    public SysResult<Branch> ForCreate(AufsDentry dentry, bool isDirectory)
    {
        var chosen = Forced(dentry) ?? sb.Options.Create switch
        {
            CreatePolicy.Tdp => TopDown(dentry.Parent),
            CreatePolicy.Rr => RoundRobin(isDirectory),
            CreatePolicy.Mfs => MostFree(),
            CreatePolicy.Mfsrr => MostFreeOrRoundRobin(isDirectory),
            CreatePolicy.Tdmfs or CreatePolicy.Tdmfsrr => TopDownWithRoom(dentry, isDirectory),
            CreatePolicy.Pmfs => MostFreeWithParent(dentry.Parent),
            _ => MostFreeWithParentOr(dentry, isDirectory),
        };
        if (chosen is not null)
            chosen = NotHidden(dentry, chosen);
        return chosen is { IsWritable: true } ? chosen : Errno.EROFS;
    }

    private Branch? TopDown(AufsDentry parent)
    {
        var top = parent.Top.Branch;
        return top.IsWritable ? top : NearestAbove(sb.IndexOf(top) - 1);
    }

    /// <summary>The branch of a whiteout of the name, or of the mark that makes its directory opaque.</summary>
    private static Branch? Hiding(AufsDentry dentry) => dentry.WhiteoutBranch ?? dentry.Parent.OpaqueBranch;

    /// <summary>This branch, unless a whiteout of the name, or something about the directories above it, would hide what is made there: then the nearest writable one above that.</summary>
    public Branch? NotHidden(AufsDentry dentry, Branch chosen)
    {
        int index = sb.IndexOf(chosen), seen = index;
        void Limit(Branch? hiding)
        {
            if (hiding is not null)
                seen = Math.Min(seen, sb.IndexOf(hiding));
        }
        // Of the name alone a whiteout may be below: what is made covers it.
        Limit(dentry.IsNegative ? dentry.WhiteoutBranch : null);
        for (var above = dentry.Parent; !above.IsRoot; above = above.Parent)
        {
            Limit(above.OpaqueBranch);
            Limit(above.WhiteoutBranch);
        }
        return seen == index ? chosen : NearestAbove(seen);
    }

    /// <summary>Where something hides what is below, the new object goes there, whatever the policy is; the policy is not asked and its counter stays.</summary>
    private Branch? Forced(AufsDentry dentry) =>
        sb.Options.Create is not (CreatePolicy.Tdp or CreatePolicy.Tdmfs or CreatePolicy.Tdmfsrr) && Hiding(dentry) is { } at ? NearestAbove(sb.IndexOf(at)) : null;

    private Branch? RoundRobin(bool isDirectory)
    {
        uint count = (uint)sb.Branches.Count;
        if (isDirectory)
        {
            var current = sb.Branches[(int)(_counter % count)];
            return current.IsWritable ? current : FirstWritable();
        }
        for (int tries = 0; tries <= sb.Branches.Count + 1; tries++)
        {
            uint value = _counter--;
            if (value == 0)
                continue;
            var branch = sb.Branches[(int)(value % count)];
            if (branch.IsWritable)
                return branch;
        }
        return null;
    }

    private Branch? FirstWritable()
    {
        foreach (var branch in sb.Branches)
        {
            if (branch.IsWritable)
                return branch;
        }
        return null;
    }

    /// <summary>Bytes that are available on a branch.</summary>
    private static long FreeBytes(Branch branch) =>
        branch.Root.Sb.StatFs(branch.Root, out var stat) == Errno.OK ? (long)Math.Min(stat.BlocksAvailable * (ulong)stat.BlockSize, long.MaxValue) : 0;

    private Branch? MostFree()
    {
        long now = sb.Core.NowNs;
        long keptNs = Math.Max(sb.Options.CreateSeconds * 1_000_000_000L, TickNs);
        if (_measured is { IsGone: false, IsWritable: true } kept && now < _measuredAtNs + keptNs)
            return kept;
        _measured = MostFreeOf(sb.Branches);
        _measuredAtNs = now;
        return _measured;
    }

    /// <summary>Of branches with equal space the lowest.</summary>
    private static Branch? MostFreeOf(IEnumerable<Branch> branches)
    {
        Branch? best = null;
        long most = -1;
        foreach (var branch in branches)
        {
            if (!branch.IsWritable)
                continue;
            long free = FreeBytes(branch);
            if (free >= most)
                (best, most) = (branch, free);
        }
        return best;
    }

    private Branch? MostFreeOrRoundRobin(bool isDirectory)
    {
        var most = MostFree();
        return most is not null && FreeBytes(most) > sb.Options.CreateLow ? most : RoundRobin(isDirectory);
    }

    private Branch? TopDownWithRoom(AufsDentry dentry, bool isDirectory)
    {
        int last = sb.IndexOf(dentry.Parent.Entries[^1].Branch);
        for (int i = 0; i <= last; i++)
        {
            if (sb.Branches[i].IsWritable && FreeBytes(sb.Branches[i]) > sb.Options.CreateLow)
                return sb.Branches[i];
        }
        return sb.Options.Create == CreatePolicy.Tdmfsrr ? MostFreeOrRoundRobin(isDirectory) : MostFree();
    }

    private Branch? MostFreeWithParent(AufsDentry parent)
    {
        var best = MostFreeOf(parent.Entries.Select(static e => e.Branch));
        return best ?? TopDown(parent);
    }

    private Branch? MostFreeWithParentOr(AufsDentry dentry, bool isDirectory)
    {
        var best = MostFreeWithParent(dentry.Parent);
        return best is not null && FreeBytes(best) > sb.Options.CreateLow ? best : MostFreeOrRoundRobin(isDirectory);
    }
}
