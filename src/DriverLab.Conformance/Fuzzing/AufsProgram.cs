using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Fuzzing;

/// <summary>A program on a union over tmpfs: branches with content and whiteouts, a mount with drawn options, operations on the merged tree, branches that come, go and change.</summary>
/// <remarks>Branches become read-only only without pseudo-links: with them the next look at a name crashes the kernel, and a crash hides what comes after it.</remarks>
internal sealed class AufsProgram(Draw draw, ProgramWriter writer) : FileProgram(draw, writer)
{
    private static readonly IReadOnlyList<Operation<FileProgram>> s_all =
    [
        .. NameOperations, .. FileOperations, .. AttributeOperations, .. TaskOperations,
        new("remount", 1, static p => ((AufsProgram)p).MountAgain()),
        new("branches", 3, static p => ((AufsProgram)p).ChangeBranches()),
        new("behind", 1, static p => ((AufsProgram)p).ChangeBranchDirectly()),
        new("look", 2, static p => ((AufsProgram)p).LookAtBranches()),
    ];

    private readonly List<string> _branches = [];
    private bool _hasPseudoLinks;

    protected override IReadOnlyList<Operation<FileProgram>> Operations => s_all;

    protected override void SetUp()
    {
        int count = 1 + Draw.Next(4);
        for (int i = 0; i < count; i++)
            _branches.Add("/b" + (char)('0' + i));
        _hasPseudoLinks = Draw.Chance(70);
        foreach (string name in (string[])[.. _branches, "/extra", "/m"])
            Writer.Add("mkdir", Writer.Word(name));
        foreach (string branch in (string[])[.. _branches, "/extra"])
        {
            if (Draw.Chance(80))
                Writer.Add("mount", Writer.Word("tmpfs"), Writer.Word(branch));
        }
        if (Draw.Chance(50))
            Writer.Add("umask", Writer.Word("0"));
        if (Draw.Chance(30))
            Writer.Add("chmod", Writer.Word(Draw.Of(_branches)), Writer.Word(Draw.Of("0777", "1777", "2775", "0700")));
        Base = Tree.Add(Tree.Root, "m", NodeKind.Directory)!;
        Base.IsFixed = true;
        foreach (string branch in _branches)
            Fill(branch);
        Mount();
    }

    /// <summary>Puts names into a branch before it is mounted; the model sees them merged.</summary>
    private void Fill(string branch)
    {
        int count = 1 + Draw.Next(6);
        var made = new List<(string Path, Node Node)> { (branch, Base) };
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
                    if (Draw.Chance(15))
                        Writer.Add("write", Writer.Word(child + "/.wh..wh..opq"), Writer.Literal(""));
                    break;
                case < 7:
                    Writer.Add("write", Draw.Chance(20) ? [Writer.Option("mode", Draw.Of("0600", "0755", "4755", "0444"))] : null, Writer.Word(child), Data());
                    _ = Tree.Add(node, name, NodeKind.File);
                    if (Draw.Chance(30))
                    {
                        string other = Name();
                        Writer.Add("link", Writer.Word(child), Writer.Word(branch + "/" + other));
                        _ = Tree.Add(Base, other, NodeKind.File);
                    }
                    break;
                case 7:
                    Writer.Add("symlink", Writer.Word(Draw.Of("a", "/m/a", "nothing", "b/c", ".")), Writer.Word(child));
                    _ = Tree.Add(node, name, NodeKind.Symlink);
                    break;
                default:
                    Writer.Add("write", Writer.Word(path + "/.wh." + name), Writer.Literal(""));
                    break;
            }
        }
    }

    private void Mount()
    {
        // An option string of its own: colons and equals signs stand in it as they are.
        var words = new List<string> { "br:" + string.Join(':', _branches.Select((b, i) => b + "=" + (i == 0 ? Draw.Of("rw", "rw", "rw", "rw+nolwh") : Draw.Of("ro", "ro+wh", "ro+wh", "rw", "rr+wh")))) };
        if (!_hasPseudoLinks)
            words.Add("noplink");
        if (Draw.Chance(25))
            words.Add("create=" + Draw.Of("tdp", "rr", "mfs", "pmfs", "tdmfs:1000"));
        if (Draw.Chance(20))
            words.Add("cpup=" + Draw.Of("tdp", "bup", "bu"));
        foreach (string word in (string[])["diropq=a", "dirperm1", "sum", "acl", "dio", "nowarn_perm", "dirwh=1", "rdblk=256"])
        {
            if (Draw.Chance(8))
                words.Add(word);
        }
        Writer.Add("mount", [Writer.Option("data", string.Join(',', words))], Writer.Word("aufs"), Writer.Word("/m"));
    }

    /// <summary>Another mount of the same branches, after the first has gone.</summary>
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

    private void ChangeBranches()
    {
        string branch = Draw.Chance(60) ? "/extra" : Draw.Of(_branches);
        string option = Draw.Next(_hasPseudoLinks ? 4 : 5) switch
        {
            0 => $"append:{branch}={Draw.Of("ro", "ro+wh")}",
            1 => $"prepend:{branch}={Draw.Of("rw", "ro")}",
            2 => $"del:{branch}",
            3 => Draw.Of("create=rr", "create=tdp", "cpup=bu", "cpup=tdp", "diropq=a", "diropq=w", "udba=reval"),
            _ => $"mod:{branch}={Draw.Of("ro", "ro+wh", "rw")}",
        };
        var actor = Writer.Actor;
        Writer.Actor = Actor.Main;
        Writer.Add("remount", [Writer.Option("data", option)], Writer.Word("/m"));
        Writer.Actor = actor;
    }

    private void ChangeBranchDirectly()
    {
        var actor = Writer.Actor;
        Writer.Actor = Actor.Main;
        string path = Draw.Of(_branches) + "/" + Name();
        switch (Draw.Next(3))
        {
            case 0:
                Writer.Add("write", Writer.Word(path), Data());
                break;
            case 1:
                Writer.Add("unlink", Writer.Word(path));
                break;
            default:
                Writer.Add("rename", Writer.Word(path), Writer.Word(Draw.Of(_branches) + "/" + Name()));
                break;
        }
        Writer.Actor = actor;
    }

    private void LookAtBranches()
    {
        var actor = Writer.Actor;
        Writer.Actor = Actor.Main;
        Writer.Add("manifest", TreeOptions, Writer.Word(Draw.Chance(30) ? "/m" : Draw.Of(_branches)));
        Writer.Actor = actor;
    }
}
