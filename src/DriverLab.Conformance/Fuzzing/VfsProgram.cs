using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Fuzzing;

/// <summary>A program on tmpfs: names, files, attributes, mounts.</summary>
internal sealed class VfsProgram(Draw draw, ProgramWriter writer) : FileProgram(draw, writer)
{
    private static readonly IReadOnlyList<Operation<FileProgram>> s_all =
    [
        .. NameOperations, .. FileOperations, .. AttributeOperations, .. TaskOperations, .. MoreOperations,
        new("mount", 3, static p => ((VfsProgram)p).Mount()),
        new("bind", 2, static p => ((VfsProgram)p).Bind()),
        new("remount", 1, static p => ((VfsProgram)p).Remount()),
        new("propagate", 1, static p => ((VfsProgram)p).Propagate()),
        new("umount", 3, static p => ((VfsProgram)p).Umount()),
        new("mounts", 1, static p => ((VfsProgram)p).Writer.Add("mounts")),
    ];

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

    private void Mount()
    {
        var target = Directory();
        if (target.Parent is null || _mounts.Count > 4)
            return;
        string type = Draw.Of("tmpfs", "tmpfs", "tmpfs", "tmpfs", "ramfs", Draw.Chance(10) ? "nosuchfs" : "tmpfs");
        var options = new List<Option>();
        if (type == "tmpfs" && Draw.Chance(30))
            options.Add(Writer.Option("size", Draw.Of("4k", "16k", "64k", "1m")));
        if (type == "tmpfs" && Draw.Chance(25))
            options.Add(Writer.Option("nr_inodes", Draw.Of("2", "3", "6", "20")));
        if (type == "tmpfs" && Draw.Chance(25))
            options.Add(Writer.Option("mode", Draw.Of("755", "777", "1777", "0", "2777")));
        if (type == "tmpfs" && Draw.Chance(10))
            options.Add(Writer.Option("uid", "1000"));
        if (Draw.Chance(20))
            options.Add(new(Draw.Of("ro", "nosuid", "nodev", "noexec", "noatime", "nosymfollow", "nodiratime"), null));
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
        var options = new List<Option> { new(Draw.Of("ro", "rw", "nosuid", "noexec", "noatime", "strictatime"), null) };
        if (Draw.Chance(40))
            options.Add(new("bind", null));
        else if (Draw.Chance(30))
            options.Add(Writer.Option(Draw.Of("size", "nr_inodes"), Draw.Of("4", "8k", "50k")));
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
}
