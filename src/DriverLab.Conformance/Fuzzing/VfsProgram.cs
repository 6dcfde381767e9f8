using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Fuzzing;

/// <summary>A program on tmpfs: names, files, attributes, mounts.</summary>
internal sealed class VfsProgram(Draw draw, ProgramWriter writer) : FileProgram(draw, writer)
{
    private static readonly IReadOnlyList<Operation<FileProgram>> s_all =
    [
        .. NameOperations, .. FileOperations, .. AttributeOperations, .. TaskOperations, .. SharingOperations,
        new("mount", 3, static p => ((VfsProgram)p).Mount()),
        new("bind", 2, static p => ((VfsProgram)p).Bind()),
        new("remount", 1, static p => ((VfsProgram)p).Remount()),
        new("propagate", 1, static p => ((VfsProgram)p).Propagate()),
        new("umount", 3, static p => ((VfsProgram)p).Umount()),
        new("mounts", 1, static p => ((VfsProgram)p).Writer.Add(((VfsProgram)p).Draw.Of("mounts", "mountinfo"))),
        new("context", 1, static p => ((VfsProgram)p).MountByDescriptor()),
        new("pick", 1, static p => ((VfsProgram)p).Reconfigure()),
        new("tree", 1, static p => ((VfsProgram)p).CloneTree()),
        new("setattr", 1, static p => ((VfsProgram)p).SetAttributes()),
        new("pivot", 1, static p => ((VfsProgram)p).Pivot()),
        new("openat2", 2, static p => ((VfsProgram)p).OpenScoped()),
    ];

    private static readonly string[] s_flags = ["ro", "nosuid", "nodev", "noexec", "noatime", "nosymfollow", "nodiratime", "strictatime", "relatime", "sync", "dirsync", "lazytime"];
    private static readonly string[] s_attributes = ["MOUNT_ATTR_RDONLY", "MOUNT_ATTR_NOSUID", "MOUNT_ATTR_NODEV", "MOUNT_ATTR_NOEXEC", "MOUNT_ATTR_NODIRATIME", "MOUNT_ATTR_NOSYMFOLLOW", "MOUNT_ATTR_NOATIME", "MOUNT_ATTR_STRICTATIME"];
    private static readonly string[] s_propagations = ["MS_PRIVATE", "MS_SHARED", "MS_SLAVE", "MS_UNBINDABLE"];

    /// <summary>Words of tmpfs. What depends on how much memory or how many nodes a machine has is left out.</summary>
    private static readonly string[] s_words =
    [
        "size=4k", "size=16k", "size=64k", "size=1m", "size=5000", "size=0", "nr_blocks=1", "nr_blocks=4", "nr_blocks=0", "nr_inodes=2", "nr_inodes=3", "nr_inodes=6", "nr_inodes=20", "nr_inodes=0", "mode=755", "mode=777", "mode=1777",
        "mode=0", "mode=2777", "mode=17777", "uid=1000", "gid=1000", "gid=5", "inode64", "inode32", "huge=never", "mpol=default", "noswap", "size=16k,nr_blocks=2", "nr_inodes=1k", "size=1g",
    ];

    private static readonly string[] s_wrongWords =
    [
        "size=", "size=x", "size=4x", "size=-1", "nr_blocks=", "nr_blocks=x", "nr_inodes=", "nr_inodes=x", "mode=", "mode=8", "mode=x", "uid=", "uid=-1", "uid=x", "gid=-1", "gid=4294967296", "inode32=1", "huge=", "huge=some", "mpol=",
        "mpol=nothing", "noswap=1", "nosuchoption", "nosuchoption=1", "size", "mode", "uid", "source=x", "usrquota=1", "nr_blocks=99999999999999999999",
    ];

    private static readonly string[] s_resolve =
    [
        "RESOLVE_BENEATH", "RESOLVE_IN_ROOT", "RESOLVE_NO_SYMLINKS", "RESOLVE_NO_XDEV", "RESOLVE_NO_MAGICLINKS", "RESOLVE_NO_XDEV|RESOLVE_IN_ROOT", "RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS", "0", "RESOLVE_BENEATH|RESOLVE_IN_ROOT", "0x40",
    ];

    private static readonly string[] s_openFlags = ["O_RDONLY", "O_RDONLY", "O_RDWR", "O_PATH", "O_DIRECTORY", "O_NOFOLLOW", "O_PATH|O_NOFOLLOW", "O_WRONLY|O_TRUNC", "O_CREAT|O_WRONLY", "O_CREAT|O_EXCL|O_RDWR", "O_PATH|O_RDWR", "O_TMPFILE|O_RDWR"];

    private readonly List<Node> _mounts = [];

    protected override IReadOnlyList<Operation<FileProgram>> Operations => s_all;

    protected override void SetUp()
    {
        if (Draw.Chance(50))
            Writer.Add("chmod", Writer.Word("/"), Writer.Word(Draw.Of("0777", "1777")));
        if (Draw.Chance(30))
            Writer.Add("umask", Writer.Word("0"));
    }

    private Node Target() => _mounts.Count > 0 && Draw.Chance(70) ? Draw.Of(_mounts) : Directory();

    private Node Any() => Tree.All.Count > 0 ? Draw.Of(Tree.All) : Base;

    /// <summary>Options of tmpfs; other file systems get none but flags.</summary>
    private List<Option> Words(string type)
    {
        var options = new List<Option>();
        if (type != "tmpfs")
            return options;
        while (options.Count < 4 && Draw.Chance(45))
        {
            foreach (string word in (Draw.Chance(8) ? Draw.Of(s_wrongWords) : Draw.Of(s_words)).Split(','))
                options.Add(word.IndexOf('=', StringComparison.Ordinal) is >= 0 and var at ? new(word[..at], Writer.Literal(word[(at + 1)..])) : new(word, null));
        }
        return options;
    }

    private void Mount()
    {
        var target = Directory();
        if (target.Parent is null || _mounts.Count > 4)
            return;
        string type = Draw.Of("tmpfs", "tmpfs", "tmpfs", "tmpfs", "ramfs", Draw.Chance(10) ? "nosuchfs" : "tmpfs");
        var options = Words(type);
        if (Draw.Chance(20))
            options.Add(new(Draw.Of(s_flags), null));
        Writer.Add("mount", options, Writer.Word(type), Writer.Word(target.Path));
        _mounts.Add(target);
    }

    private void Bind()
    {
        if (_mounts.Count > 4)
            return;
        var (from, to) = (Directory(), Directory());
        if (to.Parent is null)
            return;
        // The root with all that is mounted below would bring /proc and /dev with it.
        string verb = Draw.Of("bind", "bind", from.Parent is null ? "bind" : "rbind", "move");
        Writer.Add(verb, Writer.Word(verb == "move" ? Target().Path : from.Path), Writer.Word(to.Path));
        _mounts.Add(to);
    }

    private void Remount()
    {
        var options = new List<Option> { new(Draw.Of("ro", "rw", "rw", Draw.Of(s_flags)), null) };
        if (Draw.Chance(40))
            options.Add(new("bind", null));
        else if (Draw.Chance(50))
            options.AddRange(Words("tmpfs"));
        Writer.Add("remount", options, Writer.Word(Target().Path));
    }

    private void Propagate() => Writer.Add("propagate", Draw.Chance(20) ? [new("rec", null)] : null, Writer.Word(Target().Path), Writer.Word(Draw.Of("private", "shared", "slave", "unbindable")));

    private void Umount()
    {
        var target = Target();
        if (target.Parent is null)
            return; // the sandbox itself
        Writer.Add("umount", Draw.Chance(30) ? [new(Draw.Of("lazy", "lazy", "expire", "nofollow", "force"), null)] : null, Writer.Word(target.Path));
        _ = _mounts.Remove(target);
    }

    // ---- mounts by descriptors ------------------------------------------------------------------------------------------------------------------

    private void Configure(List<Option> options)
    {
        foreach (var option in options)
        {
            if (option.Value is { } value)
                Writer.Add("fsconfig", Writer.Word("ctx"), Writer.Word("string"), Writer.Word(option.Key), value);
            else
                Writer.Add("fsconfig", Writer.Word("ctx"), Writer.Word("flag"), Writer.Word(option.Key));
        }
    }

    private void MountByDescriptor()
    {
        var target = Directory();
        if (target.Parent is null || _mounts.Count > 4)
            return;
        string type = Draw.Of("tmpfs", "tmpfs", "tmpfs", "ramfs");
        var options = Words(type);
        if (Draw.Chance(20))
            options.Add(new(Draw.Of("ro", "rw", "sync", "dirsync", "lazytime", "nosuid"), null));
        Writer.Add("ctx", "fsopen", null, Writer.Word(type));
        Configure(options);
        Writer.Add("fsconfig", Writer.Word("ctx"), Writer.Word("create"));
        Writer.Add("fslog", Writer.Word("ctx"));
        Writer.Add("tree", "fsmount", null, Writer.Word("ctx"), Writer.Word(Draw.Chance(70) ? "0" : Draw.Of(s_attributes)));
        PutTree(target);
        Writer.Add("close", Writer.Word("ctx"));
        _mounts.Add(target);
    }

    private void PutTree(Node target)
    {
        Writer.Add("move_mount", Writer.Word("tree"), Writer.Word(target.Path));
        if (Draw.Chance(20))
            Writer.Add("move_mount", Writer.Word("tree"), Writer.Word(Directory().Path));
        Writer.Add("close", Writer.Word("tree"));
    }

    private void Reconfigure()
    {
        Writer.Add("ctx", "fspick", null, Writer.Word(Target().Path));
        var options = Words("tmpfs");
        if (Draw.Chance(40))
            options.Add(new(Draw.Of("ro", "rw", "sync", "lazytime"), null));
        Configure(options);
        Writer.Add("fsconfig", Writer.Word("ctx"), Writer.Word("reconfigure"));
        Writer.Add("fslog", Writer.Word("ctx"));
        Writer.Add("close", Writer.Word("ctx"));
    }

    private void CloneTree()
    {
        var (from, to) = (Target(), Directory());
        if (from.Parent is null || to.Parent is null || _mounts.Count > 4)
            return;
        Writer.Add("tree", "open_tree", null, Writer.Word(from.Path), Writer.Word(Draw.Of("OPEN_TREE_CLONE", "OPEN_TREE_CLONE", "OPEN_TREE_CLONE|AT_RECURSIVE", "0")));
        if (Draw.Chance(30))
            Writer.Add("mount_setattr", [Writer.Option("set", Draw.Of(s_attributes))], Writer.Word("tree"));
        PutTree(to);
        _mounts.Add(to);
    }

    private void SetAttributes()
    {
        var options = new List<Option>();
        if (Draw.Chance(70))
            options.Add(Writer.Option("set", Draw.Of(s_attributes)));
        if (Draw.Chance(40))
            options.Add(Writer.Option("clear", Draw.Chance(40) ? "MOUNT_ATTR__ATIME" : Draw.Of(s_attributes)));
        if (Draw.Chance(20))
            options.Add(Writer.Option("propagation", Draw.Of(s_propagations)));
        if (Draw.Chance(25))
            options.Add(new("rec", null));
        if (Target() is { Parent: not null } target)
            Writer.Add("mount_setattr", options, Writer.Word(target.Path));
    }

    // ---- the root, and opening within bounds ----------------------------------------------------------------------------------------------------

    /// <summary>It never succeeds: the old root would go where it already is, or out of the new one.</summary>
    private void Pivot() => Writer.Add("pivot_root", Writer.Word(Target().Path), Writer.Word(Draw.Of("/", "/", "/nothing")));

    private void OpenScoped()
    {
        if (HasFifos)
            return;
        var directory = Directory();
        var node = Any();
        string path = node.Path;
        if (node != directory && node.IsBelow(directory) && directory.Parent is not null)
            path = path[(directory.Path.Length + 1)..];
        string flags = Draw.Of(s_openFlags);
        path = Draw.Next(8) switch { 0 => "../" + path.TrimStart('/'), 1 => path + "/..", 2 => "./" + path.TrimStart('/'), _ => path };
        Word[] words = [Writer.Word(path), Writer.Word(flags), Writer.Word(Draw.Of(s_resolve)), Writer.Word(flags.Contains("O_CREAT", StringComparison.Ordinal) || flags.Contains("O_TMPFILE", StringComparison.Ordinal) ? "0640" : "0")];
        Writer.Add("dir", "open", null, Writer.Word(directory.Path), Writer.Word("O_DIRECTORY"));
        Writer.Add("opened", "openat2", [Writer.Option("at", "dir")], words);
        Writer.Add("fstat", Writer.Word("opened"));
        Writer.Add("close", Writer.Word("opened"));
        Writer.Add("close", Writer.Word("dir"));
    }
}
