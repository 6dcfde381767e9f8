using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Fuzzing;

/// <content>Operations on attributes, on the task and on mounts.</content>
internal abstract partial class FileProgram
{
    private static readonly string[] s_modes = ["0644", "0755", "0600", "0777", "0000", "0444", "2755", "4755", "1777", "6711", "0222", "0111", "0640", "0070", "2070"];
    private static readonly string[] s_attributes = ["user.a", "user.b", "user.{x*200}", "trusted.a", "trusted.b", "security.a"];
    private static readonly string[] s_wrongAttributes = ["a", "user.", "user.{x*300}", "\"\"", "system.a", "system.posix_acl_access", "system.posix_acl_default", "trusted."];

    private static readonly string[] s_lists =
    [
        "u::rwx,g::r-x,o::r-x", "u::rw-,g::r--,o::---", "u::rwx,u:1000:rwx,g::r-x,m::rwx,o::---", "u::rw-,u:1001:r--,g::r--,m::r--,o::r--", "u::rwx,u:1000:---,g::rwx,g:5:r-x,m::rwx,o::rwx",
        "u::rw-,g::rw-,g:6:-w-,m::r--,o::---", "u::rw-,u:1000:-w-,u:1001:--x,g::---,g:1000:rwx,m::-w-,o::r--", "u::r--,g::rwx,m::---,o::rwx",
    ];

    private static readonly string[] s_wrongLists = ["u::rwx,g::r-x", "g::r-x,u::rwx,o::---", "u::rwx,u:1000:r--,g::r--,o::---", "u::rw-,g::r--,m::rw-,m::r--,o::---", "u::rwx,u:5:r--,u:5:r--,g::---,m::r--,o::---"];

    protected static IReadOnlyList<Operation<FileProgram>> AttributeOperations { get; } =
    [
        new("stat", 6, static p => p.Stat()),
        new("fstat", 4, static p => p.FStat()),
        new("access", 3, static p => p.Access()),
        new("chmod", 6, static p => p.Chmod()),
        new("chown", 6, static p => p.Chown()),
        new("utimes", 2, static p => p.Utimes()),
        new("statfs", 1, static p => p.StatFs()),
        new("getxattr", 3, static p => p.GetXattr()),
        new("setxattr", 6, static p => p.SetXattr()),
        new("listxattr", 2, static p => p.ListXattr()),
        new("removexattr", 3, static p => p.RemoveXattr()),
        new("setacl", 4, static p => p.SetList()),
        new("getacl", 2, static p => p.Writer.Add("getacl", p.Some().Path, p.Writer.Word(p.Draw.Of("access", "access", "default")))),
        new("setflags", 1, static p => p.Writer.Add("setflags", p.Some().Path, p.Writer.Word(p.Draw.Of("-", "-", "-", "a", "i", "d", "A", "S", "ad", p.Invalid() ? "c" : "-")))),
        new("getflags", 1, static p => p.Writer.Add("getflags", p.Some().Path)),
    ];

    protected static IReadOnlyList<Operation<FileProgram>> TaskOperations { get; } =
    [
        new("chdir", 3, static p => p.Chdir()),
        new("getcwd", 2, static p => p.GetCwd()),
        new("umask", 1, static p => p.Umask()),
    ];

    private string Mode() => Draw.Of(s_modes);

    private Word Attribute() => Writer.Word(Invalid() ? Draw.Of(s_wrongAttributes) : Draw.Of(s_attributes));

    private void Stat()
    {
        var (path, node) = Some();
        string verb = Draw.Of("stat", "lstat");
        if (At(node) is { } at)
            Writer.Add(verb, at.Options, at.Path);
        else
            Writer.Add(verb, path);
    }

    private void FStat()
    {
        if (Descriptor() is { } fd)
            Writer.Add("fstat", fd);
    }

    private void Access() => Writer.Add("access", Draw.Chance(20) ? [new(Draw.Of("effective", "nofollow"), null)] : null, Some().Path,
        Writer.Word(Draw.Of("R_OK", "W_OK", "X_OK", "F_OK", "R_OK|W_OK", "R_OK|X_OK", Invalid() ? "8" : "R_OK|W_OK|X_OK")));

    private void Chmod()
    {
        if (Draw.Chance(20) && Descriptor() is { } fd)
            Writer.Add("fchmod", fd, Writer.Word(Mode()));
        else
            Writer.Add("chmod", Some().Path, Writer.Word(Mode()));
    }

    private void Chown()
    {
        var uid = Writer.Word(Draw.Of("0", "1000", "1000", "1001", "-1"));
        var gid = Writer.Word(Draw.Of("0", "1000", "5", "-1", "-1"));
        if (Draw.Chance(15) && Descriptor() is { } fd)
            Writer.Add("fchown", fd, uid, gid);
        else
            Writer.Add(Draw.Of("chown", "lchown"), Some().Path, uid, gid);
    }

    private void Utimes()
    {
        var atime = Writer.Word(Draw.Of("now", "omit", "1000", "1000.5", "0", "-5", Invalid() ? "1.1000000000" : "2000000000"));
        var mtime = Writer.Word(Draw.Of("now", "omit", "1000", "1000.5", "0"));
        Writer.Add("utimes", Draw.Chance(20) ? [new("nofollow", null)] : null, Some().Path, atime, mtime);
    }

    private void StatFs() => Writer.Add("statfs", Some().Path);

    private IReadOnlyList<Option>? NoFollow() => Draw.Chance(15) ? [new("nofollow", null)] : null;

    private Word XattrTarget() => Draw.Chance(15) && Descriptor() is { } fd ? fd : Some().Path;

    private void GetXattr()
    {
        var (target, name) = (XattrTarget(), Attribute());
        if (Draw.Chance(20))
            Writer.Add("getxattr", NoFollow(), target, name, Writer.Word(Draw.Of("0", "1", "5", "100")));
        else
            Writer.Add("getxattr", NoFollow(), target, name);
    }

    private void SetXattr()
    {
        var (target, name) = (XattrTarget(), Attribute());
        var value = Writer.Word(Draw.Of("v", "\"\"", "value2", "{rand:5:100}", "{q*1000}", Invalid() ? "{q*70000}" : "w"));
        if (Draw.Chance(25))
            Writer.Add("setxattr", NoFollow(), target, name, value, Writer.Word(Draw.Of("XATTR_CREATE", "XATTR_REPLACE", Invalid() ? "XATTR_CREATE|XATTR_REPLACE" : "XATTR_CREATE", Invalid() ? "4" : "0")));
        else
            Writer.Add("setxattr", NoFollow(), target, name, value);
    }

    private void ListXattr()
    {
        var target = XattrTarget();
        if (Draw.Chance(20))
            Writer.Add("listxattr", NoFollow(), target, Writer.Word(Draw.Of("0", "1", "8")));
        else
            Writer.Add("listxattr", NoFollow(), target);
    }

    private void RemoveXattr() => Writer.Add("removexattr", NoFollow(), XattrTarget(), Attribute());

    private void Chdir()
    {
        if (Draw.Chance(20) && AnyOpen(static o => o.IsDirectory) is { } open)
        {
            Writer.Add("fchdir", Writer.Word(open.Name));
            if (open.Node is { } where)
                _cwd[Writer.Actor] = where;
            return;
        }
        var directory = Directory();
        Writer.Add("chdir", Invalid() ? Some().Path : PathTo(directory));
        _cwd[Writer.Actor] = directory;
    }

    private void GetCwd()
    {
        if (Invalid())
            Writer.Add("getcwd", Writer.Word(Draw.Of("0", "1", "2", "3")));
        else
            Writer.Add("getcwd");
    }

    private void Umask() => Writer.Add("umask", Writer.Word(Draw.Of("022", "0", "077", "002", "0777")));

    private void SetList()
    {
        var list = Writer.Word(Invalid() ? Draw.Of(s_wrongLists) : Draw.Of(s_lists));
        if (Draw.Chance(35))
            Writer.Add("setacl", Some(Invalid() ? NodeKind.File : NodeKind.Directory).Path, Writer.Word("default"), list);
        else
            Writer.Add("setacl", Some().Path, Writer.Word("access"), list);
    }
}
