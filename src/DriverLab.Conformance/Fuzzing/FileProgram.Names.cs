using DriverLab.Conformance.Scenarios;
namespace DriverLab.Conformance.Fuzzing;

/// <content>Operations on names.</content>
internal abstract partial class FileProgram
{
    protected static IReadOnlyList<Operation<FileProgram>> NameOperations { get; } =
    [
        new("mkdir", 10, static p => p.Mkdir()),
        new("create", 14, static p => p.Create()),
        new("symlink", 5, static p => p.Symlink()),
        new("link", 7, static p => p.Link()),
        new("mknod", 3, static p => p.Mknod()),
        new("unlink", 10, static p => p.Unlink()),
        new("rmdir", 6, static p => p.Rmdir()),
        new("rename", 12, static p => p.Rename()),
        new("readlink", 2, static p => p.ReadLink()),
        new("readdir", 4, static p => p.ReadDir()),
        new("lookup", 3, static p => p.Look()),
    ];

    private void Mkdir()
    {
        var place = Place();
        Writer.Add("mkdir", Draw.Chance(40) ? [Writer.Option("mode", Mode())] : null, PathTo(place));
        _ = Tree.Add(place.Directory, place.Name, NodeKind.Directory);
    }

    /// <summary>A file with content.</summary>
    private void Create()
    {
        var place = Place();
        if (HasFifos)
        {
            Writer.Add("mknod", PathTo(place), Writer.Word("reg"), Writer.Word(Mode()));
            _ = Tree.Add(place.Directory, place.Name, NodeKind.File);
            return;
        }
        Writer.Add("write", Draw.Chance(15) ? [Writer.Option("mode", Mode())] : Draw.Chance(20) ? [new("append", null)] : null, PathTo(place), Data());
        _ = Tree.Add(place.Directory, place.Name, NodeKind.File);
    }

    private void Symlink()
    {
        var place = Place();
        string target = Draw.Next(8) switch
        {
            0 => "nothing",
            1 => place.Name,
            2 => "..",
            3 => ".",
            4 when Existing() is { } near => near.Name,
            5 => "{t*300}",
            _ => Existing(Draw.Chance(60) ? NodeKind.Directory : null)?.Path ?? "/a",
        };
        Writer.Add("symlink", Writer.Word(target), PathTo(place));
        _ = Tree.Add(place.Directory, place.Name, NodeKind.Symlink);
    }

    private void Link()
    {
        var old = Some(Draw.Chance(85) ? NodeKind.File : null);
        var place = Place();
        Writer.Add("link", Draw.Chance(8) ? [new("follow", null)] : null, old.Path, PathTo(place));
        if (old.Node is { Kind: not NodeKind.Directory } node)
            _ = Tree.Add(place.Directory, place.Name, node.Kind);
    }

    private void Mknod()
    {
        var place = Place();
        string type = Draw.Of("reg", "reg", "sock", "chr", "chr", HasFifos ? "fifo" : "reg", Invalid() ? "dir" : "sock", Invalid() ? "lnk" : "blk");
        // 1:3 is /dev/null everywhere; which disks there are depends on the machine.
        if (type is "chr" or "blk")
            Writer.Add("mknod", PathTo(place), Writer.Word(type), Writer.Word(Mode()), Writer.Word(type == "chr" && Draw.Chance(50) ? "1" : Draw.Of("0", "240")), Writer.Word(Draw.Of("0", "3", "3")));
        else
            Writer.Add("mknod", PathTo(place), Writer.Word(type), Writer.Word(Mode()));
        _ = Tree.Add(place.Directory, place.Name, type == "reg" ? NodeKind.File : NodeKind.Other);
    }

    private void Unlink()
    {
        var (path, node) = Some(Draw.Chance(80) ? NodeKind.File : null);
        if (At(node) is { } at)
            Writer.Add("unlink", at.Options, at.Path);
        else
            Writer.Add("unlink", path);
        if (node is { Kind: not NodeKind.Directory })
            Tree.Remove(node);
    }

    private void Rmdir()
    {
        var (path, node) = Some(NodeKind.Directory);
        Writer.Add("rmdir", path);
        if (node is { Kind: NodeKind.Directory, Children.Count: 0 })
            Tree.Remove(node);
    }

    private void Rename()
    {
        var old = Some();
        string flags = Draw.Next(12) switch { 0 => "RENAME_NOREPLACE", 1 or 2 => "RENAME_EXCHANGE", 3 when Draw.Chance(40) => "RENAME_WHITEOUT", 4 when Invalid() => Draw.Of("RENAME_NOREPLACE|RENAME_EXCHANGE", "RENAME_EXCHANGE|RENAME_WHITEOUT", "8"), _ => "" };
        var target = Draw.Chance(flags == "RENAME_EXCHANGE" ? 85 : 30) ? Existing() : null;
        var place = target?.Parent is { } parent ? (parent, target.Name) : Place();
        if (flags.Length > 0)
            Writer.Add("rename", old.Path, PathTo(place), Writer.Word(flags));
        else
            Writer.Add("rename", old.Path, PathTo(place));
        if (old.Node is { Parent: not null } node && !node.IsFixed && flags is "" or "RENAME_NOREPLACE" && old.Node is not null)
            Tree.Move(old.Node, place.Item1, place.Item2);
    }

    private void ReadLink()
    {
        var path = Some(NodeKind.Symlink).Path;
        if (Invalid())
            Writer.Add("readlink", path, Writer.Word(Draw.Of("0", "1", "3")));
        else
            Writer.Add("readlink", path);
    }

    private void ReadDir()
    {
        Option[]? options = Draw.Chance(40) ? Draw.Chance(40) ? [new("dots", null), new("ino", null)] : [new("ino", null)] : null;
        Writer.Add("readdir", options, Draw.Chance(80) ? PathTo(Directory()) : Some().Path);
    }

    /// <summary>A tree, by its plain path: by another way to the root it would be /proc as well.</summary>
    private void Look() => Writer.Add("manifest", TreeOptions, Writer.Word((Draw.Chance(30) ? Base : Existing() ?? Base).Path));
}
