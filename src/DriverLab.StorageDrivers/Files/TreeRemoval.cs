using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.StorageDrivers.Files;

/// <summary>Removes a tree, never following a link and never entering another mount: what is mounted inside answers EBUSY with its files untouched.</summary>
internal sealed class TreeRemoval
{
    /// <summary>Below this depth a directory is first moved up beside the tree's root, so that descriptors stay few however deep a tree is.</summary>
    private const int DeepestDescriptor = 200;

    private readonly IKernel _kernel;
    private readonly Fd _top;
    private readonly Queue<byte[]> _movedUp = new();
    private int _moves;
    private DevT _device;
    private bool _foundMount;

    private TreeRemoval(IKernel kernel, Fd top) => (_kernel, _top) = (kernel, top);

    /// <summary>Removes a name from a directory with all that is under it. A missing name is no error.</summary>
    /// <param name="kernel">The task.</param>
    /// <param name="parent">The directory; <see cref="Fd.Cwd"/> will do, for a path too.</param>
    /// <param name="name">The name.</param>
    /// <returns>EBUSY (a mount inside), then what unlink(2) and rmdir(2) say.</returns>
    public static Errno Remove(IKernel kernel, Fd parent, ReadOnlySpan<byte> name) => Remove(kernel, parent, name, out _);

    /// <summary>The same, and whether EBUSY means a mount that this task can see, so that waiting would not help.</summary>
    public static Errno Remove(IKernel kernel, Fd parent, ReadOnlySpan<byte> name, out bool isMount)
    {
        var removal = new TreeRemoval(kernel, parent);
        var error = removal.RemoveName(parent, name.ToArray(), DirentType.DT_UNKNOWN, 0);
        while (error == Errno.OK && removal._movedUp.TryDequeue(out var moved))
            error = removal.RemoveName(parent, moved, DirentType.DT_DIR, 0);
        isMount = removal._foundMount;
        return error;
    }

    /// <summary>Removes a path, waiting for what is only busy for a moment: 50 tries 100 ms apart.</summary>
    /// <returns>EBUSY (a mount inside, or still busy), then what unlink(2) and rmdir(2) say.</returns>
    public static DriverError? RemovePatiently(IKernel kernel, byte[] path)
    {
        const int tries = 50;
        const long pauseNs = 100_000_000;
        for (int attempt = 1; ; attempt++)
        {
            var error = Remove(kernel, Fd.Cwd, path, out bool isMount);
            if (isMount)
                return new DriverError("remove", ByteText.Show(path), Errno.EBUSY, "something is mounted inside");
            if (error != Errno.EBUSY || attempt == tries)
                return DriverError.Of(error, "remove", path);
            kernel.Sleep(pauseNs);
        }
    }

    private Errno RemoveName(Fd parent, byte[] name, DirentType type, int depth)
    {
        if (type != DirentType.DT_DIR)
        {
            var error = _kernel.UnlinkAt(parent, name, AtFlags.None);
            if (error is Errno.OK or Errno.ENOENT)
                return Errno.OK;
            if (error != Errno.EISDIR)
                return error;
        }
        if (depth == DeepestDescriptor)
            return MoveUp(parent, name);
        var opened = _kernel.OpenAt(parent, name, KernelFiles.Listing, Mode.None);
        if (!opened.IsOk)
            return opened.Error == Errno.ENOENT ? Errno.OK : opened.Error;
        var emptied = Empty(opened.Value, depth);
        _ = _kernel.Close(opened.Value); // nothing was written
        if (emptied != Errno.OK)
            return emptied;
        var removed = _kernel.UnlinkAt(parent, name, AtFlags.AT_REMOVEDIR);
        return removed == Errno.ENOENT ? Errno.OK : removed;
    }

    private Errno Empty(Fd directory, int depth)
    {
        var error = _kernel.FStat(directory, out var stat);
        if (error != Errno.OK)
            return error;
        if (depth == 0)
            _device = stat.Dev;
        // Kernels before 5.8 do not tell mount roots; there another device number is the sign.
        bool told = (stat.AttributesMask & StatxAttributes.STATX_ATTR_MOUNT_ROOT) != 0;
        _foundMount = told ? (stat.Attributes & StatxAttributes.STATX_ATTR_MOUNT_ROOT) != 0 : stat.Dev != _device;
        if (_foundMount)
            return Errno.EBUSY;
        var listed = _kernel.List(directory);
        if (!listed.IsOk)
            return listed.Error;
        foreach (var entry in listed.Value)
            if ((error = RemoveName(directory, entry.Name, entry.Type, depth + 1)) != Errno.OK)
                return error;
        return Errno.OK;
    }

    private Errno MoveUp(Fd parent, byte[] name)
    {
        byte[] free = ByteText.Bytes($".removing-{_moves++}");
        var error = _kernel.RenameAt2(parent, name, _top, free, RenameFlags.RENAME_NOREPLACE);
        if (error == Errno.EEXIST)
            return MoveUp(parent, name);
        if (error == Errno.OK)
            _movedUp.Enqueue(free);
        return error;
    }
}
