using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Fuzzing;

/// <summary>A program on a storage driver: layers made on each other, changed through their directories, told apart, packed, unpacked and removed.</summary>
internal sealed class DriverProgram(Draw draw, ProgramWriter writer)
{
    private static readonly IReadOnlyList<Operation<DriverProgram>> s_all =
    [
        new("create", 8, static p => p.Create()),
        new("get", 6, static p => p.Get()),
        new("change", 16, static p => p.Change()),
        new("put", 4, static p => p.On("put")),
        new("remove", 2, static p => p.Remove()),
        new("exists", 1, static p => p.On("exists")),
        new("metadata", 1, static p => p.On("metadata")),
        new("changes", 5, static p => p.Compare("changes")),
        new("diffsize", 2, static p => p.Compare("diffsize")),
        new("apply", 3, static p => p.Apply()),
        new("look", 4, static p => p.Look()),
        new("init", 1, static p => p.Writer.Add("driver init", p.Writer.Word(p._driver), p.Writer.Word("/d"))),
    ];

    private static readonly string[] s_layers = ["one", "two", "three", "four"];
    private static readonly string[] s_paths = ["a", "b", "c", "a/b", "a/c", "b/a", "a/b/c"];
    private readonly List<string> _got = [];
    private string _driver = "overlay2";
    private int _archives;

    private Draw Draw { get; } = draw;
    private ProgramWriter Writer { get; } = writer;

    /// <summary>Writes a whole program.</summary>
    public void Write(int steps)
    {
        _driver = Draw.Of("overlay2", "overlay2", "vfs");
        Writer.Add("driver init", Writer.Word(_driver), Writer.Word("/d"));
        Writer.Add("driver create", Writer.Word(_driver), Writer.Word("one"));
        var swarm = new Swarm<DriverProgram>(Draw, s_all);
        Get();
        while (Writer.Count < steps)
            swarm.Next(Draw).Write(this);
        Writer.Add("manifest", [new("noino", null), new("nodirsize", null)], Writer.Word("/d"));
    }

    private string Layer() => Draw.Chance(4) ? Draw.Of("nobody", "\"\"", "..") : Draw.Of(s_layers);

    private void On(string operation) => Writer.Add("driver " + operation, Writer.Word(_driver), Writer.Word(Layer()));

    private void Create()
    {
        var options = Draw.Chance(15) ? new List<Option> { new("rw", null) } : null;
        if (Draw.Chance(70))
            Writer.Add("driver create", options, Writer.Word(_driver), Writer.Word(Layer()), Writer.Word(Layer()));
        else
            Writer.Add("driver create", options, Writer.Word(_driver), Writer.Word(Layer()));
    }

    private void Get()
    {
        string layer = _got.Count == 0 ? "one" : Draw.Of(s_layers);
        Writer.Add("p" + layer, "driver get", null, Writer.Word(_driver), Writer.Word(layer));
        if (!_got.Contains(layer))
            _got.Add(layer);
    }

    /// <summary>A call on the tree of a layer that was asked for.</summary>
    private void Change()
    {
        string root = "$p" + Draw.Of(_got);
        Word At() => Writer.Word($"{root}/{Draw.Of(s_paths)}");
        switch (Draw.Next(10))
        {
            case 0 or 1: Writer.Add("mkdir", At()); break;
            case 2 or 3: Writer.Add("write", At(), Writer.Word(Draw.Of("x", "hello", "{rand:1:5000}"))); break;
            case 4: Writer.Add("unlink", At()); break;
            case 5: Writer.Add("rmdir", At()); break;
            case 6: Writer.Add("rename", At(), At()); break;
            case 7: Writer.Add("symlink", Writer.Word(Draw.Of("a", "/etc/passwd", "..")), At()); break;
            case 8: Writer.Add("link", At(), At()); break;
            default:
                if (Draw.Chance(50))
                    Writer.Add("chmod", At(), Writer.Word(Draw.Of("0600", "4755", "1777", "0000")));
                else
                    Writer.Add("setxattr", At(), Writer.Word(Draw.Of("user.a", "security.a", "trusted.a")), Writer.Word("v"));
                break;
        }
    }

    private void Remove()
    {
        string layer = Layer();
        Writer.Add("driver remove", Writer.Word(_driver), Writer.Word(layer));
    }

    private void Compare(string operation)
    {
        if (Draw.Chance(60))
            Writer.Add("driver " + operation, Writer.Word(_driver), Writer.Word(Layer()), Writer.Word(Layer()));
        else
            On(operation);
    }

    /// <summary>An archive with entries and marks, unpacked over a layer.</summary>
    private void Apply()
    {
        string archive = "t" + ++_archives;
        for (int i = 1 + Draw.Next(5); i > 0; i--)
        {
            var (name, path) = (Writer.Word(archive), Writer.Word(Draw.Chance(6) ? Draw.Of("../x", "/abs", "a/../../y", "\"\"") : Draw.Of(s_paths)));
            switch (Draw.Next(7))
            {
                case 0: Writer.Add("layer dir", name, path); break;
                case 1 or 2: Writer.Add("layer file", Draw.Chance(30) ? [Writer.Option("uid", "1000")] : null, name, path, Writer.Word("content")); break;
                case 3: Writer.Add("layer symlink", name, Writer.Word("a"), path); break;
                case 4: Writer.Add("layer link", name, Writer.Word(Draw.Of(s_paths)), path); break;
                case 5: Writer.Add("layer whiteout", name, path); break;
                default: Writer.Add("layer opaque", name, path); break;
            }
        }
        Writer.Add("driver apply", Writer.Word(_driver), Writer.Word(Layer()), Writer.Word(archive));
    }

    private void Look() => Writer.Add("manifest", [new("noino", null), new("nodirsize", null)], Writer.Word("$p" + Draw.Of(_got)));
}
