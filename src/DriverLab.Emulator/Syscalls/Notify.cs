using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.Emulator;

/// <summary>inotify.</summary>
public partial class EmulatedTask
{
    /// <inheritdoc/>
    public SysResult<Fd> InotifyInit(InotifyFlags flags) => Install(Inotify.Init(State.Core, flags));

    /// <inheritdoc/>
    public SysResult<int> InotifyAddWatch(Fd fd, ReadOnlySpan<byte> path, InotifyMask mask)
    {
        var file = FileOf(fd);
        var error = Inotify.Check(file, mask);
        if (error != Errno.OK)
            return error;
        var lookup = ((mask & InotifyMask.IN_DONT_FOLLOW) == 0 ? LookupFlags.LOOKUP_FOLLOW : 0) | ((mask & InotifyMask.IN_ONLYDIR) != 0 ? LookupFlags.LOOKUP_DIRECTORY : 0);
        error = Lookup(Fd.Cwd, path, lookup, out var place);
        return error != Errno.OK ? error : Inotify.Add(Caller.Through(place.Mount), file!, place.Inode, mask);
    }

    /// <inheritdoc/>
    public Errno InotifyRmWatch(Fd fd, int watch) => Inotify.Remove(FileOf(fd), watch);
}
