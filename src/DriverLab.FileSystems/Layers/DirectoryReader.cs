using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Layers;

/// <summary>Reads a directory of a layer to its end.</summary>
internal static class DirectoryReader
{
    /// <summary>Opens a directory and hands every entry to a receiver.</summary>
    /// <param name="caller">Who reads.</param>
    /// <param name="path">The directory.</param>
    /// <param name="receiver">Takes the entries; must take all.</param>
    /// <param name="extra">More flags of open, such as O_NOATIME.</param>
    public static Errno Read(Caller caller, in VfsPath path, DirContext receiver, OpenFlags extra = OpenFlags.O_NOATIME)
    {
        var opened = Files.DentryOpen(caller, path, OpenFlags.O_RDONLY | OpenFlags.O_LARGEFILE | OpenFlags.O_DIRECTORY | extra);
        if (!opened.IsOk)
            return opened.Error;
        Errno error;
        long before;
        do
        {
            before = opened.Value.Position;
            error = Files.IterateDir(caller, opened.Value, receiver);
        }
        while (error == Errno.OK && opened.Value.Position != before);
        path.Dentry.Sb.Core.CloseLate(opened.Value);
        return error;
    }
}

/// <summary>Takes the names of a directory, but for the dots.</summary>
internal sealed class NameCollector : DirContext
{
    public List<byte[]> Names { get; } = [];

    public override bool Emit(ReadOnlySpan<byte> name, ulong ino, DirentType type)
    {
        if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
            Names.Add(name.ToArray());
        return true;
    }
}
