using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Aufs;

/// <summary>One rename, on one branch: both ends are brought there, a whiteout takes the old name's place when something is below it, and the branch renames.</summary>
/// <remarks>aufs fs/aufs/i_op_ren.c: aufs_rename(), do_rename(). Directories with something on a lower branch do not move: EXDEV, and user space copies.</remarks>
internal ref struct Renaming
{
    private readonly AufsSuperBlock _sb;
    private readonly Caller _caller;
    private readonly AufsDentry _old;
    private readonly AufsDentry _new;
    private readonly RenameFlags _flags;
    private readonly bool _exchanges;
    private readonly bool _isDirectory;
    private Branch _branch = null!;

    public Renaming(Caller caller, AufsDentry old, AufsDentry target, RenameFlags flags)
    {
        _sb = old.Sb;
        _caller = caller;
        _old = old;
        _new = target;
        _flags = flags;
        _exchanges = (flags & RenameFlags.RENAME_EXCHANGE) != 0;
        _isDirectory = old.IsDirectory;
    }

    /// <summary>Does it.</summary>
    /// <returns>EINVAL (flags), EPERM (a name of aufs's own), ENOTEMPTY, EROFS, EXDEV, EBUSY, then what the branch says.</returns>
    public Errno Run()
    {
        if ((_flags & ~(RenameFlags.RENAME_EXCHANGE | RenameFlags.RENAME_NOREPLACE)) != 0)
            return Errno.EINVAL;
        if (Whiteouts.IsReserved(_old.Name) || Whiteouts.IsReserved(_new.Name))
            return Errno.EPERM;
        var error = !_exchanges && _new.IsDirectory ? Merge.CheckEmpty(_sb, _new.Entries) : Errno.OK;
        if (error == Errno.OK)
            error = ChooseBranch();
        if (error == Errno.OK && _isDirectory)
            error = CheckDirectory();
        if (error == Errno.OK)
            error = _exchanges ? BringBoth() : BringOld();
        if (error != Errno.OK)
            return error;
        return _exchanges ? Exchange() : Replace();
    }

    /// <summary>The source's branch, unless the target's, or a whiteout at the target, is higher.</summary>
    private Errno ChooseBranch()
    {
        var source = _old.Top.Branch.IsWritable ? _old.Top.Branch : _sb.Policies.ForCopyUp(_old);
        if (!source.IsOk)
            return source.Error;
        int index = _sb.IndexOf(source.Value);
        var above = _new.Entries.Length > 0 ? _new.Top.Branch : _new.WhiteoutBranch;
        if (above is not null && _sb.IndexOf(above) < index)
            index = _sb.IndexOf(above);
        if (_sb.Policies.NearestAbove(index) is not { } branch || _sb.Policies.NotHidden(_new, branch) is not { } visible)
            return Errno.EROFS;
        _branch = visible;
        return Errno.OK;
    }

    /// <summary>Nothing that is visible in the directory may come from a branch below.</summary>
    private readonly Errno CheckDirectory()
    {
        var error = Merge.CheckEmptyBelow(_sb, _old.Entries, _branch);
        if (error != Errno.ENOTEMPTY)
            return error;
        if (_sb.Core.IsMutated(Mutation.LowerDirectoryRenamed))
            return Errno.OK;
        if (_sb.Options.DirRen)
            return NotModelledException.Throw("renaming a directory of several branches with dirren");
        if (_sb.Type.WarnsFirst("may_rename_srcdir"))
            _sb.Log("may_rename_srcdir", "renaming dir who has child(ren) on multiple branches, is not supported");
        return Errno.EXDEV;
    }

    private readonly Errno BringOld()
    {
        var error = CopyUp.To(_old, _branch);
        return error == Errno.OK ? CopyUp.Parents(_new, _branch) : error;
    }

    private readonly Errno BringBoth()
    {
        bool isSameDirectory = ReferenceEquals(_old.Parent, _new.Parent);
        if (!isSameDirectory && !_old.Top.Branch.IsWritable && _old.Parent.On(_branch) is null)
        {
            var parents = CopyUp.Parents(_new, _branch);
            _sb.Log("au_do_pin", "err -16");
            return parents == Errno.OK ? Errno.EBUSY : parents;
        }
        var error = CopyUp.To(_old, _branch);
        return error == Errno.OK ? CopyUp.To(_new, _branch) : error;
    }

    /// <summary>Would a directory under this name be merged with a lower one, or does a whiteout stand there?</summary>
    private readonly Errno NeedsMark(AufsDentry at, out bool needed)
    {
        needed = ReferenceEquals(at.WhiteoutBranch, _branch);
        if (needed)
            return Errno.OK;
        return BranchLookup.DirectoryBelow(at.Parent, _branch, at.Name, out needed);
    }

    private readonly Errno Mark(AufsDentry moved, AufsDentry at)
    {
        var error = NeedsMark(at, out bool needed);
        if (error != Errno.OK || !needed)
            return error;
        error = Whiteouts.MarkOpaque(_sb, Creation.CreatorFor(_sb, _caller), _branch, moved.On(_branch)!);
        if (error == Errno.OK)
            moved.OpaqueBranch = _branch;
        return error;
    }

    private readonly Errno Replace()
    {
        var oldDirectory = _old.Parent.On(_branch)!;
        var newDirectory = _new.Parent.On(_branch)!;
        var replaced = _new.On(_branch);
        var error = BranchLookup.ExistsBelow(_old.Parent, _branch, _old.Name, out bool hasLower);
        if (error == Errno.OK && _isDirectory)
            error = Mark(_old, _new);
        if (error == Errno.OK && hasLower)
            error = Whiteouts.Create(_sb, Creation.CreatorFor(_sb, _caller), _branch, oldDirectory, _old.Name);
        if (error == Errno.OK && replaced is { IsDirectory: true })
            error = Whiteouts.MoveAway(_sb, newDirectory, replaced);
        if (error != Errno.OK)
            return error;
        var entry = Namei.LookupOne(_sb.Kernel, newDirectory, _new.Name);
        error = entry.IsOk ? Namei.VfsRename(_sb.Kernel, oldDirectory.Inode!, _old.On(_branch)!, newDirectory.Inode!, entry.Value, RenameFlags.None) : entry.Error;
        if (error != Errno.OK)
        {
            if (hasLower)
                _ = Whiteouts.Remove(_sb, oldDirectory, Whiteouts.NameOf(_old.Name)); // the first error counts
            return error;
        }
        if (ReferenceEquals(_new.WhiteoutBranch, _branch))
            error = Whiteouts.Remove(_sb, newDirectory, Whiteouts.NameOf(_new.Name));
        if (error == Errno.OK && replaced is { IsDirectory: true })
            error = Whiteouts.RemoveTree(_sb, _branch, newDirectory, replaced);
        if (_new.Inode is { } victim)
            Bury(victim, replaced is not null, _new.Top.Branch);
        Settle(_old, _new.WhiteoutBranch);
        return error;
    }

    private static void Bury(AufsInode victim, bool wasOnBranch, Branch nameWasOn)
    {
        if (victim.IsDirectory)
            victim.Nlink = 0;
        else
            Removal.DropLink(victim, wasOnBranch, nameWasOn);
    }

    /// <summary>Only what was moved counts under the new name; a whiteout of that name on a branch below stays.</summary>
    private readonly void Settle(AufsDentry moved, Branch? whiteout)
    {
        moved.Entries = [new(_branch, moved.On(_branch)!)];
        moved.WhiteoutBranch = ReferenceEquals(whiteout, _branch) ? null : whiteout;
        if (moved.IsDirectory)
        {
            moved.Inode!.KeepOnly(_branch);
            ((AufsDirectory)moved.Inode).NoteChange();
        }
        moved.Inode!.CopyAttributes();
        ((AufsDirectory)_old.Parent.Inode!).NoteChange();
        ((AufsDirectory)_new.Parent.Inode!).NoteChange();
    }

    /// <summary>The target is not looked into: of a lower directory an empty copy changes place, and what was in it is not seen again (seen on 6.1).</summary>
    private readonly Errno Exchange()
    {
        var error = _isDirectory ? Mark(_old, _new) : Errno.OK;
        if (error == Errno.OK && _new.IsDirectory)
            error = Mark(_new, _old);
        if (error != Errno.OK)
            return error;
        if (_new.IsDirectory && Merge.CheckEmptyBelow(_sb, _new.Entries, _branch) == Errno.ENOTEMPTY)
            _sb.Warn($"data loss: RENAME_EXCHANGE onto {System.Text.Encoding.Latin1.GetString(_new.Name)}, a directory with entries on a lower branch, says ok; they are not seen again");
        var (oldDirectory, newDirectory) = (_old.Parent.On(_branch)!, _new.Parent.On(_branch)!);
        error = Namei.VfsRename(_sb.Kernel, oldDirectory.Inode!, _old.On(_branch)!, newDirectory.Inode!, _new.On(_branch)!, RenameFlags.RENAME_EXCHANGE);
        if (error != Errno.OK)
            return error;
        var (atOld, atNew) = (_old.WhiteoutBranch, _new.WhiteoutBranch);
        Settle(_old, atNew);
        Settle(_new, atOld);
        return Errno.OK;
    }
}
