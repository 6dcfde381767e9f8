using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Fuzzing;

/// <summary>A program of calls on files: what the suites vfs and overlay share. The operations are in the other parts of this class.</summary>
internal abstract partial class FileProgram
{
    private static readonly Actor s_alice = new("alice", new(1000, 1000, new uint[] { 5, 6 }));
    private static readonly Actor s_bob = new("bob", new(1001, 1000, default));
    private static readonly string[] s_names = ["a", "b", "c", "d", "e"];
    private static readonly string[] s_oddNames = ["{n*255}", "{n*256}", "\"x y\"", "\"\\xff\\xfe\"", ".hidden", "a.b", "é"];

    private readonly List<OpenFile> _open = [];
    private readonly Dictionary<Actor, Node> _cwd = [];
    private Actor[] _actors = [Actor.Main];
    private int _invalidPercent, _oddPathPercent, _actorPercent;

    protected FileProgram(Draw draw, ProgramWriter writer) => (Draw, Writer) = (draw, writer);

    protected Draw Draw { get; }
    protected ProgramWriter Writer { get; }
    protected TreeModel Tree { get; } = new();

    /// <summary>Where names are made: the root, or the mount of an overlay.</summary>
    protected Node Base { get; set; } = null!;

    /// <summary>True in programs with FIFOs: nothing in them may wait for another end.</summary>
    protected bool HasFifos { get; private set; }

    /// <summary>An open file as the generator believes it to be.</summary>
    private sealed record OpenFile(string Name, Node? Node, bool IsDirectory, bool Reads, bool Writes, bool IsPath);

    /// <summary>Writes a whole program.</summary>
    public void Write(int steps)
    {
        Base = Tree.Root;
        _invalidPercent = Draw.Of(0, 4, 4, 10, 25);
        _oddPathPercent = Draw.Of(0, 3, 10, 30);
        HasFifos = Draw.Chance(12);
        _actors = Draw.Next(4) switch { 0 => [Actor.Main, s_alice], 1 => [Actor.Main, s_alice, s_bob], _ => [Actor.Main] };
        _actorPercent = Draw.Of(20, 50, 80);
        MakeWatcher();
        SetUp();
        var swarm = new Swarm<FileProgram>(Draw, Operations);
        while (Writer.Count < steps)
        {
            Writer.Actor = _actors.Length > 1 && Draw.Chance(_actorPercent) ? _actors[1 + Draw.Next(_actors.Length - 1)] : Actor.Main;
            swarm.Next(Draw).Write(this);
        }
        Writer.Actor = Actor.Main;
        Writer.Add("checkpoint", TreeOptions);
    }

    /// <summary>True when trees are shown without devices and inode numbers.</summary>
    protected bool HidesDevices { get; set; }

    protected IReadOnlyList<Option>? TreeOptions => HidesDevices ? [new("noino", null)] : null;

    /// <summary>True in programs of several actors.</summary>
    protected bool HasActors => _actors.Length > 1;

    /// <summary>Leaves every file and directory, so that a mount can be taken away.</summary>
    protected void CloseAll()
    {
        foreach (var file in _open)
            Writer.Add("close", Writer.Word(file.Name));
        _open.Clear();
        UnmapAll();
        Writer.Add("chdir", Writer.Word("/"));
        _cwd.Clear();
    }

    /// <summary>Makes what the operations work on.</summary>
    protected abstract void SetUp();

    /// <summary>The operations.</summary>
    protected abstract IReadOnlyList<Operation<FileProgram>> Operations { get; }

    // ---- paths ----------------------------------------------------------------------------------------------------------------------

    private bool Invalid() => _invalidPercent > 0 && Draw.Chance(_invalidPercent);

    /// <summary>A name that exists, of this kind when there is one and the choice is not to be wrong; null in an empty tree.</summary>
    private Node? Existing(NodeKind? kind = null)
    {
        if (Tree.All.Count == 0)
            return null;
        bool any = kind is null || Invalid();
        for (int i = 0; i < 8; i++)
        {
            var node = Draw.Of(Tree.All);
            if ((any || node.Kind == kind) && !(node.IsFixed && !any))
                return node;
        }
        return kind is null ? Draw.Of(Tree.All) : null;
    }

    /// <summary>A directory that exists.</summary>
    protected Node Directory() => Draw.Chance(30) ? Base : Existing(NodeKind.Directory) is { Kind: NodeKind.Directory } found ? found : Base;

    /// <summary>A name, mostly from a few, so that programs meet the same names again.</summary>
    protected string Name() => _oddPathPercent > 0 && Draw.Chance(2) ? Draw.Of(s_oddNames) : Draw.Of(s_names);

    /// <summary>A place for a new name: a directory and a name that is mostly free.</summary>
    private (Node Directory, string Name) Place()
    {
        var directory = Directory();
        string name = Name();
        for (int i = 0; i < 3 && directory.Find(name) is not null && !Invalid(); i++)
            name = Draw.Of(s_names);
        return (directory, name);
    }

    private Word PathTo(Node? node) => node is null ? Odd() : Shaped(node.Path);

    private Word PathTo((Node Directory, string Name) place) => Shaped(place.Directory.Path + (place.Directory.Parent is null ? "" : "/") + place.Name);

    /// <summary>The path of something to look at or to change: mostly of a name that exists.</summary>
    private (Word Path, Node? Node) Some(NodeKind? kind = null)
    {
        if (Invalid())
            return Draw.Chance(50) ? (Odd(), null) : (PathTo(Place()), null);
        return Existing(kind) is { } node ? (PathTo(node), node) : (PathTo(Place()), null);
    }

    /// <summary>A path as it is, or the same place by another way: relative, with dots, slashes, through a link.</summary>
    private Word Shaped(string path)
    {
        if (_oddPathPercent == 0 || !Draw.Chance(_oddPathPercent))
            return Writer.Word(path);
        return Writer.Word(Draw.Next(8) switch
        {
            0 => path + "/",
            1 => path + "/.",
            2 => "/" + path,
            3 => path.LastIndexOf('/') is > 0 and var at ? path[..at] + "/." + path[at..] : "/./" + path[1..],
            4 => path + "/..",
            5 when Existing(NodeKind.Symlink) is { } link => link.Path + path[path.LastIndexOf('/')..],
            _ => Relative(path),
        });
    }

    private string Relative(string path)
    {
        string cwd = _cwd.TryGetValue(Writer.Actor, out var node) ? node.Path : "/";
        if (cwd == "/")
            return path.Length > 1 ? path[1..] : ".";
        if (path.StartsWith(cwd + "/", StringComparison.Ordinal))
            return path[(cwd.Length + 1)..];
        return "../" + path[1..];
    }

    private Word Odd() => Writer.Word(Draw.Next(9) switch
    {
        0 => "\"\"",
        1 => "/nothing/here",
        2 => "{a*4095}",
        3 => "/{abc/*1024}x",
        4 => "/",
        5 => ".",
        6 => "..",
        7 when Existing(NodeKind.File) is { } file => file.Path + "/x",
        _ => "/" + Name() + "/" + Name() + "/" + Name(),
    });

    // ---- open files -----------------------------------------------------------------------------------------------------------------

    private OpenFile? AnyOpen(Func<OpenFile, bool>? fits = null)
    {
        if (_open.Count == 0)
            return null;
        for (int i = 0; i < 6; i++)
        {
            var file = Draw.Of(_open);
            if (fits is null || fits(file) || Invalid())
                return file;
        }
        return null;
    }

    /// <summary>A descriptor that fits, or now and then a closed one.</summary>
    private Word? Descriptor(Func<OpenFile, bool>? fits = null)
    {
        if (Invalid() && Draw.Chance(30))
            return Writer.Word("closed");
        return AnyOpen(fits) is { } file ? Writer.Word(file.Name) : null;
    }

    private string NewVariable()
    {
        for (int i = 1; i <= 9; i++)
        {
            string name = "f" + (char)('0' + i);
            if (!_open.Exists(o => o.Name == name))
                return name;
        }
        // All are in use: one is closed first, so that no program runs out of descriptors.
        var old = Draw.Of(_open);
        Writer.Add("close", Writer.Word(old.Name));
        _ = _open.Remove(old);
        return old.Name;
    }

    /// <summary>The option that makes a relative path start at an open directory; null mostly.</summary>
    private (IReadOnlyList<Option>? Options, Word Path)? At(Node? node, string key = "at")
    {
        if (node?.Parent is null || !Draw.Chance(6))
            return null;
        var directory = AnyOpen(static o => o.IsDirectory);
        if (directory?.Node is not { } root || node == root || !node.IsBelow(root))
            return null;
        string path = node.Path[(root.Path.Length > 1 ? root.Path.Length + 1 : 1)..];
        return ([new(key, Writer.Word(directory.Name))], Writer.Word(path));
    }
}
