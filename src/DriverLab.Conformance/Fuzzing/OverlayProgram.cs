using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Fuzzing;

/// <summary>A program on an overlay over tmpfs: layers with content, a mount with drawn options, operations on the merged tree, now and then a new mount.</summary>
internal sealed class OverlayProgram(Draw draw, ProgramWriter writer) : FileProgram(draw, writer)
{
    private static readonly IReadOnlyList<Operation<FileProgram>> s_all =
    [
        .. NameOperations, .. FileOperations, .. AttributeOperations, .. TaskOperations,
        new("remount", 1, static p => ((OverlayProgram)p).MountAgain()),
        new("upper", 2, static p => ((OverlayProgram)p).LookAtLayers()),
    ];

    private readonly List<string> _lower = [];
    private bool _isReadOnly;

    protected override IReadOnlyList<Operation<FileProgram>> Operations => s_all;

    protected override void SetUp()
    {
        int lowers = 1 + Draw.Next(3);
        _isReadOnly = lowers > 1 && Draw.Chance(8);
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

    /// <summary>Puts names into a layer before it is mounted; the model sees them merged.</summary>
    private void Fill(string layer)
    {
        int count = 1 + Draw.Next(6);
        var made = new List<(string Path, Node Node)> { (layer, Base) };
        for (int i = 0; i < count; i++)
        {
            var (path, node) = Draw.Of(made);
            string name = Name();
            string child = path + "/" + name;
            switch (Draw.Next(10))
            {
                case < 4:
                    Writer.Add("mkdir", Draw.Chance(15) ? [Writer.Option("mode", Draw.Of("0777", "1777", "2755", "0700"))] : null, Writer.Word(child));
                    if ((node.Find(name) ?? Tree.Add(node, name, NodeKind.Directory)) is { Kind: NodeKind.Directory } merged)
                        made.Add((child, merged));
                    if (Draw.Chance(12))
                        Writer.Add("setxattr", Writer.Word(child), Writer.Word("trusted.overlay.opaque"), Writer.Word("y"));
                    break;
                case < 7:
                    Writer.Add("write", Draw.Chance(20) ? [Writer.Option("mode", Draw.Of("0600", "0755", "4755", "0444"))] : null, Writer.Word(child), Data());
                    _ = Tree.Add(node, name, NodeKind.File);
                    if (Draw.Chance(25))
                    {
                        Writer.Add("link", Writer.Word(child), Writer.Word(layer + "/" + Name()));
                        _ = Tree.Add(Base, name, NodeKind.File);
                    }
                    break;
                case 7:
                    Writer.Add("symlink", Writer.Word(Draw.Of("a", "/m/a", "nothing", "b/c", ".")), Writer.Word(child));
                    _ = Tree.Add(node, name, NodeKind.Symlink);
                    break;
                case 8:
                    Writer.Add("mknod", Writer.Word(child), Writer.Word("chr"), Writer.Word("0600"), Writer.Word("0"), Writer.Word("0"));
                    break;
                default:
                    Writer.Add("setxattr", Writer.Word(path), Writer.Word(Draw.Of("user.a", "trusted.b")), Writer.Word("v"));
                    break;
            }
        }
    }

    private void Mount()
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
        if (Draw.Chance(2))
            options.Add(Writer.Option("nfs_export", "on"));
        if (Draw.Chance(5))
            options.Add(new("userxattr", null));
        if (Draw.Chance(5))
            options.Add(new("volatile", null));
        if (Draw.Chance(5))
            options.Add(new("ro", null));
        Writer.Add("mount", options, Writer.Word("overlay"), Writer.Word("/m"));
    }

    /// <summary>Another mount of the same layers, after the first has gone: what two mounts with one upper layer do is undefined.</summary>
    private void MountAgain()
    {
        if (HasActors)
            return; // one of them may be there, or have an open file
        CloseAll();
        // The number of the file system may be given to another one meanwhile, by this program or by anybody on the machine.
        HidesDevices = true;
        Writer.Add("umount", Writer.Word("/m"));
        Mount();
    }

    private void LookAtLayers()
    {
        var actor = Writer.Actor;
        Writer.Actor = Actor.Main;
        Writer.Add("manifest", TreeOptions, Writer.Word(Draw.Of("/u", "/u", "/w", "/m")));
        Writer.Actor = actor;
    }
}
