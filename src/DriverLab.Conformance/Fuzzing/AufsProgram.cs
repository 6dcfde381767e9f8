using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Fuzzing;

/// <summary>A program on a union over tmpfs: branches with content and whiteouts, a mount with drawn options, operations on the merged tree, branches that come, go and change.</summary>
/// <remarks>Branches become read-only only without pseudo-links: with them the next look at a name crashes the kernel, and a crash hides what comes after it.</remarks>
internal sealed class AufsProgram(Draw draw, ProgramWriter writer) : UnionProgram(draw, writer)
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

    protected override void MarkOpaque(string directory) => Writer.Add("write", Writer.Word(directory + "/.wh..wh..opq"), Writer.Literal(""));

    protected override void Whiteout(string directory, string name) => Writer.Add("write", Writer.Word(directory + "/.wh." + name), Writer.Literal(""));

    protected override void Mount()
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
        AsMain(() => Writer.Add("remount", [Writer.Option("data", option)], Writer.Word("/m")));
    }

    private void ChangeBranchDirectly() => AsMain(() =>
    {
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
    });

    private void LookAtBranches() => AsMain(() => Writer.Add("manifest", TreeOptions, Writer.Word(Draw.Chance(30) ? "/m" : Draw.Of(_branches))));
}
