using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;

namespace DriverLab.Vfs;

/// <summary>One walk: where it is and how many links it has followed. Allocates nothing for cached names.</summary>
/// <remarks>Linux fs/namei.c: struct nameidata, link_path_walk(), walk_component(), handle_dots(), pick_link().</remarks>
internal struct PathWalker(Caller caller, VfsPath start, ResolveFlags resolve = ResolveFlags.None)
{
    private const ResolveFlags Scoped = ResolveFlags.RESOLVE_BENEATH | ResolveFlags.RESOLVE_IN_ROOT;

    private readonly Caller _caller = caller;
    private readonly ResolveFlags _resolve = resolve;
    private readonly VfsPath _root = (resolve & Scoped) != 0 ? start : caller.Root;
    private Mount _mount = start.Mount;
    private Dentry _dentry = start.Dentry;
    private int _links;
    private bool _hasLookedForRoot = (resolve & Scoped) != 0;

    public readonly VfsPath Current => new(_mount, _dentry);

    /// <summary>Walks all components.</summary>
    public Errno Lookup(ReadOnlySpan<byte> path, LookupFlags flags)
    {
        bool isStart = path.IsEmpty; // LOOKUP_EMPTY: the place itself, a link included
        while (!isStart)
        {
            var error = LinkPathWalk(path, out var last, out var type, out bool trailingSlash);
            if (error != Errno.OK)
                return error;
            if (trailingSlash)
                flags |= LookupFlags.LOOKUP_FOLLOW | LookupFlags.LOOKUP_DIRECTORY;
            error = StepLast(last, type);
            if (error != Errno.OK)
                return error;
            if ((flags & LookupFlags.LOOKUP_FOLLOW) == 0 || !_dentry.Inode!.IsSymlink)
                break;
            error = PickLink(out var text, isLast: true);
            if (error != Errno.OK)
                return error;
            if (text.IsEmpty)
                break;
            path = text.Span;
        }
        if ((flags & LookupFlags.LOOKUP_DIRECTORY) != 0 && !_dentry.IsDirectory)
            return Errno.ENOTDIR;
        return (flags & LookupFlags.LOOKUP_MOUNTPOINT) != 0 ? StepInto(_dentry) : Errno.OK;
    }

    /// <summary>Walks all components but the last.</summary>
    public Errno LinkPathWalk(ReadOnlySpan<byte> path, out ReadOnlySpan<byte> last, out LastType type, out bool trailingSlash)
    {
        last = default;
        type = LastType.Root;
        trailingSlash = false;
        if (path.Length > 0 && path[0] == '/')
        {
            var error = JumpToRoot();
            if (error != Errno.OK)
                return error;
            path = path.TrimStart((byte)'/');
        }
        if (path.IsEmpty)
            return Errno.OK;
        while (true)
        {
            var error = Permissions.Check(_dentry.Inode!, _caller.Through(_mount), AccessMode.X_OK);
            if (error != Errno.OK && !_dentry.Sb.Core.IsMutated(Mutation.SearchPermissionSkipped))
                return error;
            int length = path.IndexOf((byte)'/');
            var component = length < 0 ? path : path[..length];
            type = TypeOf(component);
            int next = length;
            while ((uint)next < (uint)path.Length && path[next] == '/')
                next++;
            if (length < 0 || next == path.Length)
            {
                last = component;
                trailingSlash = length >= 0 && type == LastType.Norm;
                return Errno.OK;
            }
            path = path[next..];
            error = WalkComponent(component, type);
            if (error != Errno.OK)
                return error;
            if (!_dentry.IsDirectory)
                return (_resolve & ResolveFlags.RESOLVE_CACHED) != 0 ? Errno.EAGAIN : Errno.ENOTDIR; // the quick walk gives up
        }
    }

    private Errno JumpToRoot()
    {
        bool isLink = _links > 0;
        if ((_resolve & ResolveFlags.RESOLVE_BENEATH) != 0)
            return Errno.EXDEV;
        // A walk learns late where the root is: until then every place counts as another mount.
        if (isLink && (_resolve & ResolveFlags.RESOLVE_NO_XDEV) != 0 && !(_hasLookedForRoot && ReferenceEquals(_mount, _root.Mount)))
            return Errno.EXDEV;
        _hasLookedForRoot = true;
        (_mount, _dentry) = _root;
        return Errno.OK;
    }

    /// <summary>Takes the last component without following a link there.</summary>
    public Errno StepLast(ReadOnlySpan<byte> last, LastType type)
    {
        switch (type)
        {
            case LastType.Norm:
                if ((_resolve & ResolveFlags.RESOLVE_CACHED) != 0 && _dentry.FindChild(last) is null)
                    return Errno.EAGAIN;
                var found = Namei.LookupPositive(_caller, _dentry, last);
                return found.IsOk ? StepInto(found.Value) : found.Error;
            case LastType.DotDot:
                return FollowDotDot();
            default:
                return Errno.OK;
        }
    }

    /// <summary>Moves to a child of the current directory, and on to what is mounted there.</summary>
    /// <returns>EXDEV (RESOLVE_NO_XDEV).</returns>
    public Errno StepInto(Dentry dentry)
    {
        _dentry = dentry;
        while (_dentry.IsMountpoint && _dentry.Sb.Core.MountHash.TryGetValue((_mount, _dentry), out var child))
        {
            if ((_resolve & ResolveFlags.RESOLVE_NO_XDEV) != 0)
                return Errno.EXDEV;
            (_mount, _dentry) = (child, child.Root);
        }
        return Errno.OK;
    }

    /// <summary>Reads the link at the current place and goes back to where its text starts; a magic link jumps and leaves no text.</summary>
    /// <returns>ELOOP, EACCES (fs.protected_symlinks, for a last component), ELOOP (nosymfollow), then the link's own.</returns>
    public Errno PickLink(out ReadOnlyMemory<byte> text, bool isLast)
    {
        text = default;
        if (_links++ >= Limits.MAXSYMLINKS + (_dentry.Sb.Core.IsMutated(Mutation.OneLinkMore) ? 1 : 0))
            return Errno.ELOOP;
        var denied = isLast ? Permissions.MayFollow(_dentry.Parent.Inode!, _dentry.Inode!, _caller.Through(_mount)) : Errno.OK;
        if (denied != Errno.OK)
            return denied;
        if ((_mount.Flags & MountFlags.MS_NOSYMFOLLOW) != 0 || (_resolve & ResolveFlags.RESOLVE_NO_SYMLINKS) != 0)
            return Errno.ELOOP;
        Files.TouchAtime(Current);
        var target = _dentry.Inode!.GetLink(_caller, _dentry);
        if (!target.IsOk)
            return target.Error;
        if (target.Value.IsJump)
        {
            var error = MayJump(target.Value.Jump);
            if (error != Errno.OK)
                return error;
            (_mount, _dentry) = target.Value.Jump;
        }
        else
        {
            _dentry = _dentry.Parent;
            text = target.Value.Text;
        }
        return Errno.OK;
    }

    /// <remarks>Linux fs/namei.c: nd_jump_link().</remarks>
    private readonly Errno MayJump(in VfsPath target)
    {
        if ((_resolve & ResolveFlags.RESOLVE_NO_MAGICLINKS) != 0)
            return Errno.ELOOP;
        bool leaves = (_resolve & ResolveFlags.RESOLVE_NO_XDEV) != 0 && !ReferenceEquals(_mount, target.Mount);
        return leaves || (_resolve & Scoped) != 0 ? Errno.EXDEV : Errno.OK;
    }

    private Errno WalkComponent(ReadOnlySpan<byte> component, LastType type)
    {
        var error = StepLast(component, type);
        return error == Errno.OK && _dentry.Inode!.IsSymlink ? FollowLink() : error;
    }

    private Errno FollowLink()
    {
        while (_dentry.Inode!.IsSymlink)
        {
            var error = PickLink(out var text, isLast: false);
            if (error != Errno.OK || text.IsEmpty)
                return error;
            error = LinkPathWalk(text.Span, out var last, out var type, out _);
            if (error == Errno.OK)
                error = StepLast(last, type);
            if (error != Errno.OK)
                return error;
        }
        return Errno.OK;
    }

    private Errno FollowDotDot()
    {
        var (mount, dentry) = (_mount, _dentry);
        _hasLookedForRoot = true;
        while (true)
        {
            if (ReferenceEquals(dentry, _root.Dentry) && ReferenceEquals(mount, _root.Mount) || ReferenceEquals(dentry, mount.Root) && mount.Parent is null)
            {
                if ((_resolve & ResolveFlags.RESOLVE_BENEATH) != 0)
                    return Errno.EXDEV;
                break;
            }
            if (!ReferenceEquals(dentry, mount.Root))
            {
                if (!mount.Reaches(dentry.Parent))
                    return Errno.ENOENT;
                (_mount, _dentry) = (mount, dentry.Parent);
                break;
            }
            if ((_resolve & ResolveFlags.RESOLVE_NO_XDEV) != 0)
                return Errno.EXDEV;
            (mount, dentry) = (mount.Parent!, mount.Mountpoint!);
        }
        return StepInto(_dentry);
    }

    private static LastType TypeOf(ReadOnlySpan<byte> component) => component.Length switch
    {
        1 when component[0] == '.' => LastType.Dot,
        2 when component[0] == '.' && component[1] == '.' => LastType.DotDot,
        _ => LastType.Norm,
    };
}
