using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Fuzzing;

/// <summary>A program on a union over tmpfs: branches with content and whiteouts, a mount with drawn options, operations on the merged tree, branches that come, go and change.</summary>
/// <remarks>Branches become read-only only without pseudo-links: with them the next look at a name crashes the kernel, and a crash hides what comes after it.</remarks>
internal sealed class AufsProgram(Draw draw, ProgramWriter writer) : UnionProgram(draw, writer)
{
    private static readonly IReadOnlyList<Operation<FileProgram>> s_all =
    [
        .. NameOperations, .. FileOperations, .. AttributeOperations, .. TaskOperations, .. SharingOperations,
        new("remount", 1, static p => ((AufsProgram)p).MountAgain()),
        new("branches", 4, static p => ((AufsProgram)p).ChangeBranches()),
        new("behind", 2, static p => ((AufsProgram)p).ChangeBranchDirectly()),
        new("look", 3, static p => ((AufsProgram)p).LookAtBranches()),
        new("plinks", 1, static p => ((AufsProgram)p).Maintain()),
        new("told", 2, static p => ((AufsProgram)p).LookAtWhatIsTold()),
    ];

    private static readonly string[] s_writable = ["rw", "rw", "rw", "rw+nolwh", "rw+icex", "rw+icexusr", "rw+moo", "rw+coo_reg", "rw+fhsm", "rw+icexsec+icextr"];
    private static readonly string[] s_readOnly = ["ro", "ro", "ro+wh", "ro+wh", "rr", "rr+wh", "ro+coo_reg", "ro+coo_all", "ro+icexsys+icexoth", "ro+wh+coo_reg+coo_all"];
    private static readonly string[] s_oddPermissions = ["rx", "", "rw+wh", "ro+nolwh", "ro+moo", "rw+unpin", "ro+wh+xyz+coo_reg", "rr+coo_all+coo_reg", "rw+moo+coo_all"];

    /// <summary>Words that change what is seen, each with its opposite.</summary>
    private static readonly string[] s_words =
    [
        "diropq=a", "diropq=w", "diropq=always", "diropq=whiteouted", "dirperm1", "nodirperm1", "sum", "nosum", "acl", "noacl", "dio", "nodio", "warn_perm", "nowarn_perm", "noxino", "trunc_xino",
        "notrunc_xino", "trunc_xib", "notrunc_xib", "noshwh", "dirren", "nodirren", "verbose", "v", "noverbose", "quiet", "q", "silent", "udba=none", "udba=reval",
        "dirwh=0", "dirwh=1", "dirwh=7", "rdcache=0", "rdcache=10", "rdcache=3600", "rdblk=255", "rdblk=256", "rdblk=def", "rdblk=0", "rdhash=1", "rdhash=def", "rdhash=0",
        "wsum", "nowsum", "nodlgt", "relatime", "imap", "debug", "delete", "clean_plink", "debug=1", "imap=1", "delete=1", "si=1", "xino=/xino", "xino=x",
        "itrunc_xino=0", "itrunc_xino=1", "trunc_xino=/b0",
    ];

    private static readonly string[] s_wrongWords =
    [
        "shwh", "foo", "udba=notify", "udba=", "create=other", "create=mfs:3601", "create=tdp:1", "create=mfsrr", "create=pmfsrr:x", "create=tdmfs:-1", "cpup=other", "cpup=", "diropq=x", "dirwh=-1",
        "dirwh=x", "rdcache=3601", "rdcache=x", "rdblk=254", "rdblk=-1", "rdhash=-1", "rdhash=x", "itrunc_xino=9", "itrunc_xino=-1", "itrunc_xino=x", "trunc_xino=/extra", "trunc_xino=/nothing",
        "xino=/m/xino", "xino=/nothing/x", "xino=/b0", "br:", "br", "br=", "add:/b0", "add:x:/b0", "add:1:/nothing", "del:/nothing", "mod:/b0", "mod:/extra=rw", "mod:/nothing=ro", "mod:=rw", "append:/b0", "foo:bar", "foo=bar", "noxino=1",
    ];

    private static readonly string[] s_create =
    [
        "tdp", "rr", "mfs", "pmfs", "top-down-parent", "round-robin", "most-free-space", "mfs:0", "mfs:3600", "pmfs:1", "tdmfs:1000", "tdmfs:20000:0", "mfsrr:8000", "mfsrr:0:5", "most-free-space-rr:5000",
        "tdmfsrr:12000", "pmfsrr:20000", "pmfsrr:40000:0", "tdmfs:0",
    ];

    private static readonly string[] s_copyUp = ["tdp", "bup", "bu", "top-down-parent", "bottom-up-parent", "bottom-up"];

    private readonly List<string> _branches = [];
    private bool _hasPseudoLinks;
    private int _wrongPercent;

    protected override IReadOnlyList<Operation<FileProgram>> Operations => s_all;

    protected override void SetUp()
    {
        int count = 1 + Draw.Next(4);
        for (int i = 0; i < count; i++)
            _branches.Add("/b" + (char)('0' + i));
        _hasPseudoLinks = Draw.Chance(70);
        _wrongPercent = Draw.Of(0, 0, 0, 10, 40);
        foreach (string name in (string[])[.. _branches, "/extra", "/m", "/sys"])
            Writer.Add("mkdir", Writer.Word(name));
        Writer.Add("mount", Writer.Word("sysfs"), Writer.Word("/sys"));
        bool hasSmall = Draw.Chance(20);
        foreach (string branch in (string[])[.. _branches, "/extra"])
        {
            if (Draw.Chance(80))
                Writer.Add("mount", hasSmall && Draw.Chance(60) ? [Draw.Chance(70) ? Writer.Option("size", Draw.Of("16k", "32k", "64k")) : Writer.Option("nr_inodes", Draw.Of("6", "8", "12"))] : null, Writer.Word("tmpfs"), Writer.Word(branch));
        }
        if (Draw.Chance(50))
            Writer.Add("umask", Writer.Word("0"));
        if (Draw.Chance(30))
            Writer.Add("chmod", Writer.Word(Draw.Of(_branches)), Writer.Word(Draw.Of("0777", "1777", "2775", "0700")));
        Base = Tree.Add(Tree.Root, "m", NodeKind.Directory)!;
        Base.IsFixed = true;
        foreach (string branch in _branches)
            Fill(branch);
        if (Draw.Chance(30))
            Fill("/extra");
        Writer.Add("kmsg");
        Mount();
    }

    protected override void MarkOpaque(string directory) => Writer.Add("write", Writer.Word(directory + "/.wh..wh..opq"), Writer.Literal(""));

    protected override void Whiteout(string directory, string name) => Writer.Add("write", Writer.Word(directory + "/.wh." + name), Writer.Literal(""));

    private bool IsWrong() => _wrongPercent > 0 && Draw.Chance(_wrongPercent);

    private string Permission(bool isTop) => Draw.Chance(5) ? Draw.Of(s_oddPermissions) : isTop || Draw.Chance(25) ? Draw.Of(s_writable) : Draw.Of(s_readOnly);

    protected override void Mount()
    {
        // An option string of its own: colons and equals signs stand in it as they are.
        bool isReadOnly = Draw.Chance(6);
        string list = string.Join(':', _branches.Select((b, i) => Draw.Chance(10) ? b : $"{b}={(isReadOnly ? Draw.Of(s_readOnly) : Permission(i == 0))}"));
        var words = new List<string> { Draw.Of("br:", "br:", "br=", "dirs=") + list };
        if (!_hasPseudoLinks)
            words.Add("noplink");
        if (Draw.Chance(25))
            words.Add(Draw.Of("create=", "create_policy=") + Draw.Of(s_create));
        if (Draw.Chance(20))
            words.Add(Draw.Of("cpup=", "copyup=", "copyup_policy=") + Draw.Of(s_copyUp));
        for (int more = Draw.Next(4); more > 0; more--)
            words.Add(Draw.Of(s_words));
        if (isReadOnly && Draw.Chance(50))
            words.Add("shwh");
        if (IsWrong() && Draw.Chance(30))
            words.Add(Draw.Of(s_wrongWords));
        Writer.Add("mount", isReadOnly && Draw.Chance(70) ? [Writer.Option("data", string.Join(',', words)), new("ro", null)] : [Writer.Option("data", string.Join(',', words))], Writer.Word("aufs"), Writer.Word("/m"));
        if (Draw.Chance(30))
            LookAtWhatIsTold();
    }

    private void ChangeBranches()
    {
        string branch = Draw.Chance(35) ? "/extra" : Draw.Of(_branches);
        string option = IsWrong() ? Draw.Of(s_wrongWords) : Draw.Next(_hasPseudoLinks ? 8 : 10) switch
        {
            0 => $"append:{branch}={Draw.Of("ro", "ro+wh", "ro+coo_reg")}",
            1 => $"prepend:{branch}={Draw.Of("rw", "ro", "rw+nolwh")}",
            2 or 3 => $"del:{branch}",
            4 => $"{Draw.Of("add:", "ins:")}{Draw.Of("0", "1", "2", "3", "9", "-1")}:{branch}={Permission(false)}",
            5 => Draw.Of("create=", "create_policy=") + Draw.Of(s_create),
            6 => Draw.Of("cpup=", "copyup=") + Draw.Of(s_copyUp),
            7 => Draw.Of(s_words),
            8 => Draw.Of("plink", "noplink"),
            _ => $"mod:{branch}={Draw.Of("ro", "ro+wh", "rw", "rw+nolwh", "ro+coo_all", "")}",
        };
        if (option == "plink")
            _hasPseudoLinks = true;
        bool isTold = Draw.Chance(15);
        if (isTold)
            option = Draw.Of("verbose,", "v,", "verbose,noverbose,") + option;
        AsMain(() => Writer.Add("remount", [Writer.Option("data", option)], Writer.Word("/m")));
        if (isTold)
            AsMain(() => Writer.Add("kmsg", Writer.Word("aufs")));
    }

    private void ChangeBranchDirectly() => AsMain(() =>
    {
        string path = Draw.Of(_branches) + "/" + Draw.Of("", "", "", ".wh.", "a/") + Name();
        switch (Draw.Next(7))
        {
            case 0 or 1:
                Writer.Add("write", Writer.Word(path), Data());
                break;
            case 2:
                Writer.Add("unlink", Writer.Word(path));
                break;
            case 3:
                Writer.Add("mkdir", Writer.Word(path));
                break;
            case 4:
                Writer.Add("rmdir", Writer.Word(path));
                break;
            case 5:
                Writer.Add("chmod", Writer.Word(path), Writer.Word(Draw.Of("0600", "0777", "2755")));
                break;
            default:
                Writer.Add("rename", Writer.Word(path), Writer.Word(Draw.Of(_branches) + "/" + Name()));
                break;
        }
    });

    /// <summary>What auplink does, all of it or only the beginning.</summary>
    private void Maintain() => AsMain(() =>
    {
        var file = Writer.Word("p");
        Writer.Add("p", "plinks", null, Writer.Word("/m"));
        if (Draw.Chance(20))
            Writer.Add("q", "plinks", null, Writer.Word("/m"));
        if (Draw.Chance(30))
            Writer.Add("lstat", Writer.Word("/m/" + Name()));
        if (Draw.Chance(70))
            Writer.Add("write", file, Writer.Word(Draw.Of("clean", "clean", "clean", "si=0", "flush")));
        if (Draw.Chance(20))
            Writer.Add("umount", Writer.Word("/m"));
        Writer.Add("close", file);
    });

    private void LookAtBranches() => AsMain(() => Writer.Add("manifest", TreeOptions, Writer.Word(Draw.Chance(30) ? "/m" : Draw.Of(_branches))));

    /// <summary>What the kernel tells of the union: in its log, among the mounts, in sysfs.</summary>
    private void LookAtWhatIsTold() => AsMain(() =>
    {
        switch (Draw.Next(3))
        {
            case 0:
                Writer.Add("kmsg", Writer.Word("aufs"));
                break;
            case 1:
                Writer.Add("mounts");
                break;
            default:
                Writer.Add("branches", Writer.Word("/m"));
                break;
        }
    });
}
