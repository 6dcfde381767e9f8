using DriverLab.Linux;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Layers.Tar;

namespace DriverLab.StorageDrivers.Layers;

/// <summary>The attributes of a directory's entry, read without following links: the task steps into the directory and names the entry alone.</summary>
internal static class EntryXattrs
{
    /// <summary>The attributes that travel in layers, by name in byte order. Moves the task's working directory.</summary>
    public static SysResult<List<Xattr>> Read(IKernel task, Fd directory, ReadOnlySpan<byte> name, bool withMarks = false)
    {
        var error = task.Fchdir(directory);
        return error == Errno.OK ? ReadHere(task, name, withMarks) : error;
    }

    /// <summary>The same for an entry of the task's working directory.</summary>
    public static SysResult<List<Xattr>> ReadHere(IKernel task, ReadOnlySpan<byte> name, bool withMarks = false)
    {
        var names = task.XattrNames(name);
        if (!names.IsOk)
            return names.Error;
        var xattrs = new List<Xattr>();
        foreach (byte[] xattr in names.Value)
        {
            if (!Whiteouts.Travels(xattr) && !(withMarks && Whiteouts.IsOverlayPrivate(xattr)))
                continue;
            var value = task.XattrValue(name, xattr);
            if (value.IsOk)
                xattrs.Add(new Xattr(xattr, value.Value));
            else if (value.Error != Errno.ENODATA) // removed since it was listed
                return value.Error;
        }
        return xattrs;
    }

    /// <summary>True for the same names with the same values.</summary>
    public static bool Equal(List<Xattr> a, List<Xattr> b)
    {
        if (a.Count != b.Count)
            return false;
        for (int i = 0; i < a.Count; i++)
            if (!a[i].Name.AsSpan().SequenceEqual(b[i].Name) || !a[i].Value.AsSpan().SequenceEqual(b[i].Value))
                return false;
        return true;
    }
}
