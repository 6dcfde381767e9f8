using DriverLab.Linux;

namespace DriverLab.Vfs;

/// <summary>The descriptors of a task; the lowest free number is given first.</summary>
/// <remarks>Linux include/linux/fdtable.h: struct files_struct.</remarks>
public sealed class FdTable
{
    private OpenFile?[] _files = new OpenFile?[16];

    /// <summary>One more than the largest descriptor (RLIMIT_NOFILE).</summary>
    public const int Limit = 1024;

    /// <summary>Slots that may hold a file; walk them with <see cref="Get"/>.</summary>
    public int Capacity => _files.Length;

    /// <summary>The open file of a descriptor, or null.</summary>
    public OpenFile? Get(int fd) => (uint)fd < (uint)_files.Length ? _files[fd] : null;

    /// <summary>The lowest free number, or EMFILE. Nothing is reserved.</summary>
    public SysResult<int> LowestFree()
    {
        int fd = Array.IndexOf(_files, null);
        if (fd < 0)
            fd = _files.Length;
        return fd < Limit ? fd : Errno.EMFILE;
    }

    /// <summary>Puts a file at a free number; the caller's reference moves into the table.</summary>
    public void Install(int fd, OpenFile file)
    {
        if (fd >= _files.Length)
            Array.Resize(ref _files, _files.Length * 2);
        _files[fd] = file;
    }

    /// <summary>Takes a file out; the table's reference moves to the caller.</summary>
    public OpenFile? Remove(int fd)
    {
        var file = Get(fd);
        if (file is not null)
            _files[fd] = null;
        return file;
    }

    /// <summary>A copy whose descriptors share the open files.</summary>
    public FdTable Clone()
    {
        var copy = new FdTable { _files = (OpenFile?[])_files.Clone() };
        foreach (var file in copy._files)
            file?.Hold();
        return copy;
    }
}
