using DriverLab.Linux;

namespace DriverLab.Vfs;

/// <summary>How a path is walked.</summary>
[Flags]
public enum LookupFlags
{
    None = 0,
    /// <summary>Follow a symbolic link in the last component.</summary>
    LOOKUP_FOLLOW = 1,
    /// <summary>The result must be a directory.</summary>
    LOOKUP_DIRECTORY = 2,
    /// <summary>An empty path means the starting point.</summary>
    LOOKUP_EMPTY = 0x4000,
}

/// <summary>Turns paths into places: components, <c>..</c>, mounts, symbolic links.</summary>
/// <remarks>Linux fs/namei.c: link_path_walk(), path_lookupat(), path_parentat().</remarks>
public static partial class PathWalk
{
    /// <summary>Walks a path as the caller sees it, from its root or working directory; what kern_path() and filename_lookup() do.</summary>
    /// <returns>The walk's errors, as <see cref="IKernel"/> lists them.</returns>
    public static Errno Lookup(Caller caller, ReadOnlySpan<byte> path, LookupFlags flags, out VfsPath result) => Lookup(caller, caller.Cwd, path, flags, out result);

    /// <summary>As above, with relative paths starting at <paramref name="start"/>.</summary>
    public static Errno Lookup(Caller caller, in VfsPath start, ReadOnlySpan<byte> path, LookupFlags flags, out VfsPath result)
    {
        result = default;
        return NotModelledException.Throw("path walk");
    }
}
