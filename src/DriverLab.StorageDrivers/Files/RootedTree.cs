using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.StorageDrivers.Files;

/// <summary>Makes the directories that a walk misses.</summary>
internal interface IMissingDirectories
{
    /// <summary>Makes a directory; the walk opens it afterwards.</summary>
    /// <param name="parent">The open parent.</param>
    /// <param name="name">The missing name.</param>
    /// <param name="path">Its path from the root, links resolved, no leading slash.</param>
    /// <param name="obstructed">Something that is neither directory nor link has the name.</param>
    /// <returns>ENOENT or ENOTDIR to end the walk.</returns>
    Errno Make(Fd parent, byte[] name, byte[] path, bool obstructed);
}

/// <summary>
/// A directory tree whose paths are resolved component by component inside its root: absolute links start at the root, <c>..</c> stops there, no call ever
/// gets more than one component of a path that came from outside.
/// </summary>
/// <remarks>
/// Each component is opened O_PATH|O_NOFOLLOW relative to the one before; links are read and walked by hand, at most 40. That is rule 1 of safe apply: no string prefix is
/// ever compared. The tree has a task of its own, whose working directory is the directory last entered: calls on <see cref="Fd.Cwd"/> and a bare name act there,
/// which also gives the path-only calls (lsetxattr) a place to stand that a link cannot move.
/// </remarks>
internal sealed class RootedTree : IDisposable
{
    /// <summary>The most components below the root; beyond it ENAMETOOLONG. Each open component costs a descriptor.</summary>
    public const int DeepestPath = 256;

    private readonly List<Fd> _open = [];
    private readonly List<byte[]> _names = [];
    private byte[]? _entered;

    private RootedTree(IKernel task, Fd root)
    {
        Task = task;
        _open.Add(root);
    }

    /// <summary>The tree's own task; its working directory is the directory last entered.</summary>
    public IKernel Task { get; }

    /// <summary>The root directory, O_PATH.</summary>
    public Fd Root => _open[0];

    /// <summary>The directory last entered, O_PATH.</summary>
    public Fd Current => _open[^1];

    /// <summary>The path of the directory last entered, links resolved, no leading slash; empty for the root.</summary>
    public byte[] CurrentPath { get; private set; } = [];

    /// <summary>Opens a tree by its path, as the caller's task sees it.</summary>
    public static DriverResult<RootedTree> Open(IKernel kernel, ReadOnlySpan<byte> root)
    {
        var task = kernel.Fork();
        bool isKept = false;
        try
        {
            var opened = task.OpenAt(Fd.Cwd, root, OpenFlags.O_PATH | OpenFlags.O_DIRECTORY | OpenFlags.O_CLOEXEC, Mode.None);
            var error = opened.IsOk ? task.Fchdir(opened.Value) : opened.Error;
            if (error != Errno.OK)
                return DriverError.Of(error, "open", root)!;
            _ = task.Umask(Mode.None); // modes come out as given
            isKept = true;
            return new RootedTree(task, opened.Value);
        }
        finally
        {
            if (!isKept)
                task.Dispose();
        }
    }

    /// <summary>Splits a path from outside: absolute and relative are the same, <c>.</c> and doubled slashes vanish, <c>..</c> takes one component away but never leaves the root.</summary>
    public static List<byte[]> Split(ReadOnlySpan<byte> path)
    {
        var components = new List<byte[]>();
        foreach (var range in path.Split((byte)'/'))
        {
            var component = path[range];
            if (component.SequenceEqual(".."u8))
            {
                if (components.Count > 0)
                    components.RemoveAt(components.Count - 1);
            }
            else if (!component.IsEmpty && !component.SequenceEqual("."u8))
                components.Add(component.ToArray());
        }
        return components;
    }

    /// <summary>A path below the root from its components.</summary>
    public static byte[] Join(ReadOnlySpan<byte[]> components)
    {
        byte[] path = [];
        foreach (var component in components)
            path = ByteText.Join(path, component);
        return path;
    }

    /// <summary>True when this path, names with single slashes between, is the one that was entered last: entering it again does nothing.</summary>
    public bool IsEntered(ReadOnlySpan<byte> path) => _entered is not null && path.SequenceEqual(_entered);

    /// <summary>Makes a directory the current one.</summary>
    /// <param name="components">Its path, as <see cref="Split"/> gives it.</param>
    /// <param name="missing">Makes what is missing on the way; null ends the walk with ENOENT.</param>
    /// <param name="followLast">False refuses a link as the last component with ELOOP.</param>
    /// <returns>ENOENT, ENOTDIR, ELOOP (over 40 links), ENAMETOOLONG (too deep), then what openat(2) says.</returns>
    public Errno Enter(ReadOnlySpan<byte[]> components, IMissingDirectories? missing, bool followLast = true)
    {
        byte[] wanted = Join(components);
        if (followLast && _entered is not null && wanted.AsSpan().SequenceEqual(_entered))
            return Errno.OK;
        _entered = null;
        int kept = SharedPrefix(components);
        Ascend(kept);
        var error = Walk(components[kept..], missing, followLast);
        if (error == Errno.OK)
            error = Task.Fchdir(Current);
        CurrentPath = Join([.. _names]);
        if (error == Errno.OK && followLast)
            _entered = wanted;
        return error;
    }

    /// <summary>Says that directories or links have been replaced: the next <see cref="Enter"/> walks anew.</summary>
    public void Forget()
    {
        Ascend(0);
        _entered = null;
    }

    /// <summary>What is open is a path of real directories, so where the wanted path begins with the same names it leads to the same place.</summary>
    private int SharedPrefix(ReadOnlySpan<byte[]> components)
    {
        int shared = 0;
        while (shared < components.Length && shared < _names.Count && components[shared].AsSpan().SequenceEqual(_names[shared]))
            shared++;
        return shared;
    }

    private Errno Walk(ReadOnlySpan<byte[]> components, IMissingDirectories? missing, bool followLast)
    {
        var pending = new Stack<byte[]>();
        Push(pending, components);
        int links = 0;
        while (pending.TryPop(out var name))
        {
            if (name.AsSpan().SequenceEqual(".."u8))
            {
                Ascend(Math.Max(0, _names.Count - 1));
                continue;
            }
            if (_names.Count == DeepestPath)
                return Errno.ENAMETOOLONG;
            var opened = Open(name);
            if (opened.Error is Errno.ENOTDIR or Errno.ELOOP)
            {
                var target = Task.ReadLink(Current, name);
                if (target.IsOk)
                {
                    if (++links > Limits.MAXSYMLINKS || (pending.Count == 0 && !followLast))
                        return Errno.ELOOP;
                    if (target.Value is [(byte)'/', ..])
                        Ascend(0);
                    Push(pending, SplitTarget(target.Value));
                    continue;
                }
                opened = Make(missing, name, obstructed: true);
            }
            else if (opened.Error == Errno.ENOENT)
                opened = Make(missing, name, obstructed: false);
            if (!opened.IsOk)
                return opened.Error;
            _open.Add(opened.Value);
            _names.Add(name);
        }
        return Errno.OK;
    }

    private SysResult<Fd> Open(ReadOnlySpan<byte> name) =>
        Task.OpenAt(Current, name, OpenFlags.O_PATH | OpenFlags.O_DIRECTORY | OpenFlags.O_NOFOLLOW | OpenFlags.O_CLOEXEC, Mode.None);

    private SysResult<Fd> Make(IMissingDirectories? missing, byte[] name, bool obstructed)
    {
        if (missing is null)
            return obstructed ? Errno.ENOTDIR : Errno.ENOENT;
        var error = missing.Make(Current, name, Join([.. _names, name]), obstructed);
        return error == Errno.OK ? Open(name) : error;
    }

    /// <summary>Unlike <see cref="Split"/>, keeps <c>..</c>: in a link's target it means the parent of where the walk stands.</summary>
    private static byte[][] SplitTarget(ReadOnlySpan<byte> target)
    {
        var components = new List<byte[]>();
        foreach (var range in target.Split((byte)'/'))
            if (!target[range].IsEmpty && !target[range].SequenceEqual("."u8))
                components.Add(target[range].ToArray());
        return [.. components];
    }

    private static void Push(Stack<byte[]> pending, ReadOnlySpan<byte[]> components)
    {
        for (int i = components.Length - 1; i >= 0; i--)
            pending.Push(components[i]);
    }

    private void Ascend(int depth)
    {
        for (int i = _names.Count; i > depth; i--)
        {
            _ = Task.Close(_open[i]); // O_PATH: nothing to flush
            _open.RemoveAt(i);
            _names.RemoveAt(i - 1);
        }
    }

    /// <summary>Ends the tree's task, which closes its descriptors.</summary>
    public void Dispose() => Task.Dispose();
}
