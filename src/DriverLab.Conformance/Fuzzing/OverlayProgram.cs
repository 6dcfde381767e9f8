using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Fuzzing;

/// <summary>A program on an overlay: layers with content in one or several file systems, a mount with drawn options, operations on the merged tree, now and then a new mount.</summary>
internal sealed class OverlayProgram(Draw draw, ProgramWriter writer) : UnionProgram(draw, writer)
{
    private static readonly IReadOnlyList<Operation<FileProgram>> s_all =
    [
        .. NameOperations, .. FileOperations, .. AttributeOperations, .. TaskOperations, .. SharingOperations, .. HandleOperations,
        new("remount", 1, static p => ((OverlayProgram)p).MountAgain()),
        new("upper", 2, static p => ((OverlayProgram)p).LookAtLayers()),
        new("flip", 1, static p => ((OverlayProgram)p).Flip()),
        new("mounts", 1, static p => ((OverlayProgram)p).Tell("mounts")),
    ];

    /// <summary>Words that a mount refuses on some kernel or another, alone or with others.</summary>
    private static readonly string[] s_wrong =
    [
        "redirect_dir=", "redirect_dir=yes", "index=", "index=1", "metacopy=", "metacopy=yes", "xino=", "xino=yes", "nfs_export=1", "uuid=", "uuid=yes", "verity=", "verity=yes", "userxattr=1", "volatile=1",
        "nosuchoption", "nosuchoption=1", "default_permissions=1", "lowerdir=", "upperdir=", "workdir=", "lowerdir=/nothing", "upperdir=/nothing", "workdir=/nothing", "upperdir=/u", "workdir=/u", "workdir=/u/inner",
        "lowerdir=/l1::", "lowerdir=::/l1", "lowerdir=:/l1", "lowerdir=/l1:::/l2", "lowerdir=/l1::/l2", "upperdir=/l1", "lowerdir=/u", "lowerdir=/w", "fsync=", "fsync=yes", "datadir+=/l1", "lowerdir+=/nothing",
    ];

    /// <summary>Words that conflict, or that one needs of the other.</summary>
    private static readonly string[] s_together =
    [
        "metacopy=on,redirect_dir=off", "metacopy=on,redirect_dir=nofollow", "metacopy=on,redirect_dir=follow", "metacopy=on,nfs_export=on", "nfs_export=on,index=off", "nfs_export=on", "userxattr,metacopy=on",
        "userxattr,redirect_dir=on", "userxattr,redirect_dir=off", "userxattr,redirect_dir=nofollow", "verity=on,metacopy=off", "verity=require,metacopy=off", "verity=require", "verity=on,metacopy=on", "verity=off,metacopy=on",
        "uuid=null,index=on", "uuid=off,index=on,nfs_export=on", "uuid=off", "xino=off,index=on", "volatile,index=on", "volatile,fsync=strict", "fsync=volatile", "fsync=auto", "fsync=strict,index=on", "userxattr,verity=on",
        "metacopy=on,redirect_dir=on,index=on", "nfs_export=on,index=on,redirect_dir=on", "metacopy=off,nfs_export=on", "redirect_dir=off", "default_permissions",
    ];

    private readonly List<string> _lower = [];
    private bool _isReadOnly;
    private bool _hasHandles;
    private string _upper = "/u", _work = "/w", _data = "";

    protected override IReadOnlyList<Operation<FileProgram>> Operations => s_all;

    protected override void SetUp()
    {
        int lowers = 1 + Draw.Next(3);
        _isReadOnly = lowers > 1 && Draw.Chance(8);
        _hasHandles = Draw.Chance(15);
        for (int i = 1; i <= lowers; i++)
            _lower.Add("/l" + (char)('0' + i));
        foreach (string name in (string[])[.. _lower, "/u", "/w", "/m"])
            Writer.Add("mkdir", Writer.Word(name));
        if (Draw.Chance(25))
            SpreadLayers();
        if (Draw.Chance(50))
            Writer.Add("umask", Writer.Word("0"));
        if (Draw.Chance(30))
            Writer.Add("chmod", Writer.Word(Draw.Of(_upper, "/l1")), Writer.Word(Draw.Of("0777", "1777", "2775", "0700")));
        Base = Tree.Add(Tree.Root, "m", NodeKind.Directory)!;
        Base.IsFixed = true;
        foreach (string layer in _lower)
            Fill(layer);
        if (Draw.Chance(40))
            Fill(_upper);
        if (Draw.Chance(8))
            AddDataLayer();
        if (Draw.Chance(10))
            Nest();
        if (Draw.Chance(15))
            MountWrongly();
        Mount();
        if (Draw.Chance(30))
            Tell("mounts");
    }

    protected override void MarkOpaque(string directory) => Writer.Add("setxattr", Writer.Word(directory), Writer.Word("trusted.overlay.opaque"), Writer.Word("y"));

    protected override void Whiteout(string directory, string name) =>
        Writer.Add("mknod", Writer.Word(directory + "/" + name), Writer.Word("chr"), Writer.Word("0600"), Writer.Word("0"), Writer.Word("0"));

    // ---- layers -----------------------------------------------------------------------------------------------------------------------------

    /// <summary>File systems of their own for some layers: their numbers, and what they cannot do, show through.</summary>
    private void SpreadLayers()
    {
        foreach (string layer in _lower)
        {
            if (Draw.Chance(50))
                Writer.Add("mount", Writer.Word(Draw.Of("tmpfs", "tmpfs", "ramfs")), Writer.Word(layer));
        }
        if (Draw.Chance(50))
            return;
        Writer.Add("mkdir", Writer.Word("/t"));
        Writer.Add("mount", Draw.Chance(30) ? [Writer.Option("size", Draw.Of("64k", "256k"))] : null, Writer.Word(Draw.Of("tmpfs", "tmpfs", "tmpfs", "ramfs")), Writer.Word("/t"));
        (_upper, _work) = ("/t/u", "/t/w");
        Writer.Add("mkdir", Writer.Word(_upper));
        Writer.Add("mkdir", Writer.Word(_work));
    }

    /// <summary>A layer that only redirects lead to, and files whose content it has.</summary>
    private void AddDataLayer()
    {
        _data = "/data";
        Writer.Add("mkdir", Writer.Word(_data));
        Writer.Add("write", Writer.Word("/data/x"), Writer.Word("in data"));
        foreach (string name in (string[])["d", "e"])
        {
            string path = _lower[0] + "/" + name;
            Writer.Add("write", Writer.Word(path), Writer.Literal(""));
            Writer.Add("truncate", Writer.Word(path), Writer.Number(Draw.Of(7, 7, 5)));
            Writer.Add("setxattr", Writer.Word(path), Writer.Word("trusted.overlay.metacopy"), Writer.Literal(""));
            Writer.Add("setxattr", Writer.Word(path), Writer.Word("trusted.overlay.redirect"), Writer.Word(Draw.Of("/x", "/x", "/x", "/missing", "x")));
            _ = Tree.Add(Base, name, NodeKind.File);
        }
    }

    /// <summary>The lower layers become an overlay of their own, which is then the lowest layer.</summary>
    private void Nest()
    {
        Writer.Add("mkdir", Writer.Word("/n"));
        var options = new List<Option> { Writer.Option("lowerdir", string.Join(':', _lower)) };
        if (_lower.Count == 1 || Draw.Chance(50))
        {
            Writer.Add("mkdir", Writer.Word("/nu"));
            Writer.Add("mkdir", Writer.Word("/nw"));
            options.Add(Writer.Option("upperdir", "/nu"));
            options.Add(Writer.Option("workdir", "/nw"));
        }
        if (Draw.Chance(30))
            options.Add(Writer.Option("xino", Draw.Of("on", "off", "auto")));
        Writer.Add("mount", options, Writer.Word("overlay"), Writer.Word("/n"));
        _lower.Clear();
        _lower.Add("/n");
        _isReadOnly = false;
    }

    // ---- mounts -----------------------------------------------------------------------------------------------------------------------------

    protected override void Mount()
    {
        var options = Layers();
        if (Draw.Chance(12))
        {
            foreach (string word in Draw.Of(s_together).Split(','))
                options.Add(Parse(word));
        }
        else
        {
            AddSwitches(options);
        }
        if (Draw.Chance(10) && _data.Length == 0)
            MountByDescriptor(options);
        else
            Writer.Add("mount", options, Writer.Word("overlay"), Writer.Word("/m"));
    }

    private List<Option> Layers()
    {
        var options = new List<Option> { Writer.Option("lowerdir", string.Join(':', _lower) + (_data.Length > 0 ? "::" + _data : "")) };
        if (!_isReadOnly)
        {
            options.Add(Writer.Option("upperdir", _upper));
            options.Add(Writer.Option("workdir", _work));
        }
        return options;
    }

    private void AddSwitches(List<Option> options)
    {
        if (Draw.Chance(35))
            options.Add(Writer.Option("redirect_dir", Draw.Of("on", "on", "follow", "nofollow", "off")));
        if (Draw.Chance(30))
            options.Add(Writer.Option("index", Draw.Of("on", "on", "off")));
        if (Draw.Chance(_data.Length > 0 ? 80 : 4))
            options.Add(Writer.Option("metacopy", Draw.Of("on", "on", "off")));
        if (Draw.Chance(20))
            options.Add(Writer.Option("xino", Draw.Of("on", "off", "auto")));
        if (_hasHandles && Draw.Chance(90))
            options.Add(Writer.Option("nfs_export", "on"));
        if (Draw.Chance(5))
            options.Add(new("userxattr", null));
        if (Draw.Chance(5))
            options.Add(new("volatile", null));
        if (Draw.Chance(5))
            options.Add(Writer.Option("uuid", Draw.Of("null", "off", "auto")));
        if (Draw.Chance(5))
            options.Add(new("ro", null));
        if (Draw.Chance(5))
            options.Add(new(Draw.Of("nosuid", "nodev", "noatime", "noexec"), null));
    }

    /// <summary>A mount that fails mostly, looked at and taken away again when it did not.</summary>
    private void MountWrongly()
    {
        bool alone = Draw.Chance(20);
        var options = alone ? [] : Layers();
        if (!alone && Draw.Chance(20))
            options.RemoveAt(Draw.Next(options.Count));
        foreach (string word in (Draw.Chance(60) ? Draw.Of(s_wrong) : Draw.Of(s_together)).Split(','))
            options.Add(Parse(word));
        Writer.Add("mount", options, Writer.Word("overlay"), Writer.Word("/m"));
        Tell("mounts");
        Writer.Add("umount", Writer.Word("/m"));
    }

    /// <summary>The same options, one a call.</summary>
    private void MountByDescriptor(List<Option> options)
    {
        var context = Writer.Word("ctx");
        Writer.Add("ctx", "fsopen", null, Writer.Word("overlay"));
        bool isApart = Draw.Chance(60);
        foreach (var option in options)
        {
            if (option.Value is not { } value)
                Writer.Add("fsconfig", context, Writer.Word("flag"), Writer.Word(option.Key));
            else if (option.Key == "lowerdir" && isApart)
                _lower.ForEach(l => Writer.Add("fsconfig", context, Writer.Word("string"), Writer.Word("lowerdir+"), Writer.Word(l)));
            else
                Writer.Add("fsconfig", context, Writer.Word("string"), Writer.Word(option.Key), value);
        }
        Writer.Add("fsconfig", context, Writer.Word("create"));
        Writer.Add("fslog", context);
        Writer.Add("tree", "fsmount", null, context);
        Writer.Add("move_mount", Writer.Word("tree"), Writer.Word("/m"));
        Writer.Add("close", Writer.Word("tree"));
        Writer.Add("close", context);
    }

    private void Tell(string verb) => AsMain(() => Writer.Add(verb));

    private Option Parse(string word) => word.IndexOf('=', StringComparison.Ordinal) is >= 0 and var at ? new(word[..at], Writer.Literal(word[(at + 1)..])) : new(word, null);

    private void Flip() => AsMain(() => Writer.Add("remount", [new(Draw.Of("ro", "rw", "rw", "noatime"), null)], Writer.Word("/m")));

    private void LookAtLayers() => AsMain(() => Writer.Add("manifest", TreeOptions, Writer.Word(Draw.Of(_upper, _upper, _work, _lower[0], "/m"))));
}
