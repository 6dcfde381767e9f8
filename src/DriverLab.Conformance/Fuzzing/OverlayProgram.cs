using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Fuzzing;

/// <summary>A program on an overlay over tmpfs: layers with content, a mount with drawn options, operations on the merged tree, now and then a new mount.</summary>
internal sealed class OverlayProgram(Draw draw, ProgramWriter writer) : UnionProgram(draw, writer)
{
    private static readonly IReadOnlyList<Operation<FileProgram>> s_all =
    [
        .. NameOperations, .. FileOperations, .. AttributeOperations, .. TaskOperations, .. MoreOperations, .. HandleOperations,
        new("remount", 1, static p => ((OverlayProgram)p).MountAgain()),
        new("upper", 2, static p => ((OverlayProgram)p).LookAtLayers()),
    ];

    private readonly List<string> _lower = [];
    private bool _isReadOnly;
    private bool _hasHandles;

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
        if (Draw.Chance(50))
            Writer.Add("umask", Writer.Word("0"));
        if (Draw.Chance(30))
            Writer.Add("chmod", Writer.Word(Draw.Of("/u", "/l1")), Writer.Word(Draw.Of("0777", "1777", "2775", "0700")));
        Base = Tree.Add(Tree.Root, "m", NodeKind.Directory)!;
        Base.IsFixed = true;
        foreach (string layer in _lower)
            Fill(layer);
        if (Draw.Chance(40))
            Fill("/u");
        Mount();
    }

    protected override void MarkOpaque(string directory) => Writer.Add("setxattr", Writer.Word(directory), Writer.Word("trusted.overlay.opaque"), Writer.Word("y"));

    protected override void Whiteout(string directory, string name) =>
        Writer.Add("mknod", Writer.Word(directory + "/" + name), Writer.Word("chr"), Writer.Word("0600"), Writer.Word("0"), Writer.Word("0"));

    protected override void Mount()
    {
        var options = new List<Option> { Writer.Option("lowerdir", string.Join(':', _lower)) };
        if (!_isReadOnly)
        {
            options.Add(Writer.Option("upperdir", "/u"));
            options.Add(Writer.Option("workdir", "/w"));
        }
        if (Draw.Chance(35))
            options.Add(Writer.Option("redirect_dir", Draw.Of("on", "on", "follow", "nofollow", "off")));
        if (Draw.Chance(30))
            options.Add(Writer.Option("index", Draw.Of("on", "on", "off")));
        if (Draw.Chance(4))
            options.Add(Writer.Option("metacopy", Draw.Of("on", "on", "off")));
        if (Draw.Chance(15))
            options.Add(Writer.Option("xino", Draw.Of("on", "off", "auto")));
        if (_hasHandles && Draw.Chance(90))
            options.Add(Writer.Option("nfs_export", "on"));
        if (Draw.Chance(5))
            options.Add(new("userxattr", null));
        if (Draw.Chance(5))
            options.Add(new("volatile", null));
        if (Draw.Chance(5))
            options.Add(new("ro", null));
        Writer.Add("mount", options, Writer.Word("overlay"), Writer.Word("/m"));
    }

    private void LookAtLayers() => AsMain(() => Writer.Add("manifest", TreeOptions, Writer.Word(Draw.Of("/u", "/u", "/w", "/m"))));
}
