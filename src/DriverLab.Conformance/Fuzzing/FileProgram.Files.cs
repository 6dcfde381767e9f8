using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Fuzzing;

/// <content>Operations on open files.</content>
internal abstract partial class FileProgram
{
    private static readonly string[] s_sizes = ["0", "1", "5", "100", "511", "512", "4095", "4096", "4097", "8192", "10000", "65536", "65537", "200K"];
    private static readonly string[] s_wrongSizes = ["-1", "-4096", "0x7fffffffffffffff", "0x8000000000000000"];
    private static readonly string[] s_data = ["x", "hello", "\"\"", "{rand:1:100}", "{zero:4096}", "{rand:2:4096}", "{rand:3:5000}", "{A*511}", "{rand:4:8193}", "{B*20}"];

    protected static IReadOnlyList<Operation<FileProgram>> FileOperations { get; } =
    [
        new("open", 16, static p => p.Open()),
        new("close", 6, static p => p.CloseOne()),
        new("dup", 1, static p => p.Dup()),
        new("read", 5, static p => p.Read()),
        new("pread", 4, static p => p.PRead()),
        new("write", 8, static p => p.WriteSome()),
        new("pwrite", 6, static p => p.PWrite()),
        new("lseek", 4, static p => p.Seek()),
        new("truncate", 5, static p => p.Truncate()),
        new("ftruncate", 4, static p => p.FTruncate()),
        new("fallocate", 4, static p => p.Fallocate()),
        new("sync", 2, static p => p.Sync()),
        new("copy_range", 3, static p => p.CopyRange()),
        new("getdents", 3, static p => p.GetDents()),
        new("setfl", 1, static p => p.StatusFlags()),
        new("request", 2, static p => p.Request()),
        new("cat", 5, static p => p.Cat()),
    ];

    protected static IReadOnlyList<Operation<FileProgram>> HandleOperations { get; } =
    [
        new("handle", 5, static p => p.TakeHandle()),
        new("open_handle", 6, static p => p.OpenHandle()),
    ];

    private static readonly string[] s_handles = ["h1", "h2", "h3", "h4", "h5"];
    private readonly List<(string Name, Node? Node)> _handles = [];

    private void TakeHandle()
    {
        var (path, node) = Some(Draw.Of(NodeKind.File, NodeKind.Directory, NodeKind.Directory));
        string name = Draw.Of(s_handles);
        Writer.Add(name, "handle", null, path);
        _ = _handles.RemoveAll(h => h.Name == name);
        _handles.Add((name, node));
    }

    private void OpenHandle()
    {
        if (_handles.Count == 0)
        {
            TakeHandle();
            return;
        }
        var (name, node) = Draw.Of(_handles);
        string mount = NewVariable();
        Writer.Add(mount, "open", null, Writer.Word(Base.Path), Writer.Word("O_RDONLY"));
        _open.Add(new(mount, Base, true, true, false, false));
        string flags = node?.Kind == NodeKind.Directory ? "O_RDONLY" : Draw.Of("O_RDONLY", "O_RDWR", "O_RDWR|O_APPEND", "O_WRONLY|O_TRUNC", "O_RDONLY|O_NOATIME");
        string variable = NewVariable();
        if (variable == mount)
            return; // it was closed to make room
        Writer.Add(variable, "open_handle", null, Writer.Word(mount), Writer.Word("$" + name), Writer.Word(HasFifos ? flags + "|O_NONBLOCK" : flags));
        _open.Add(new(variable, node, node?.Kind == NodeKind.Directory, !flags.Contains("WRONLY", StringComparison.Ordinal), flags != "O_RDONLY", false));
        if (Draw.Chance(50))
            Writer.Add("readlink", Writer.Word("/proc/thread-self/fd/$" + variable));
    }

    protected Word Data() => Writer.Word(Draw.Of(s_data));

    private Word Size() => Writer.Word(Invalid() ? Draw.Of(s_wrongSizes) : Draw.Of(s_sizes));

    private void Open()
    {
        bool creates = Draw.Chance(40);
        string access = Draw.Of("O_RDONLY", "O_RDWR", "O_RDWR", "O_WRONLY");
        string flags = access;
        if (creates)
            flags += Draw.Chance(25) ? "|O_CREAT|O_EXCL" : "|O_CREAT";
        if (Draw.Chance(12))
            flags += "|O_TRUNC";
        if (Draw.Chance(12))
            flags += "|O_APPEND";
        bool wantsDirectory = !creates && Draw.Chance(25), isPath = Draw.Chance(5);
        if (wantsDirectory)
            flags = Draw.Chance(90) ? "O_RDONLY|O_DIRECTORY" : flags + "|O_DIRECTORY";
        if (isPath)
            flags += "|O_PATH";
        if (Draw.Chance(8))
            flags += Draw.Of("|O_NOFOLLOW", "|O_NOFOLLOW", "|O_NOATIME", "|O_SYNC", "|O_DIRECT", "|O_CLOEXEC");
        if (HasFifos || Draw.Chance(3))
            flags += "|O_NONBLOCK";
        if (Draw.Chance(4))
        {
            OpenUnnamed(access);
            return;
        }
        string variable = NewVariable();
        var (path, node) = creates && Draw.Chance(60) ? Fresh() : Some(wantsDirectory ? NodeKind.Directory : Draw.Chance(85) ? NodeKind.File : null);
        var at = At(node);
        if (creates)
            Writer.Add(variable, "open", at?.Options, at?.Path ?? path, Writer.Word(flags), Writer.Word(Mode()));
        else
            Writer.Add(variable, "open", at?.Options, at?.Path ?? path, Writer.Word(flags));
        _open.Add(new(variable, node, wantsDirectory, access != "O_WRONLY", access != "O_RDONLY", isPath));
    }

    private (Word, Node?) Fresh()
    {
        var place = Place();
        var path = PathTo(place);
        return (path, Tree.Add(place.Directory, place.Name, NodeKind.File));
    }

    private void OpenUnnamed(string access)
    {
        string variable = NewVariable();
        if (access == "O_RDONLY" && !Invalid())
            access = "O_RDWR";
        Writer.Add(variable, "open", null, PathTo(Directory()), Writer.Word($"{access}|O_TMPFILE{(Draw.Chance(20) ? "|O_EXCL" : "")}"), Writer.Word(Mode()));
        _open.Add(new(variable, null, false, true, true, false));
        if (Draw.Chance(40))
        {
            var place = Place();
            Writer.Add("link", [Writer.Option("at", variable), new("empty", null)], Writer.Word("\"\""), PathTo(place));
            _ = Tree.Add(place.Directory, place.Name, NodeKind.File);
        }
    }

    private void CloseOne()
    {
        if (AnyOpen() is not { } file)
            return;
        Writer.Add("close", Writer.Word(file.Name));
        if (!Invalid())
            _ = _open.Remove(file);
    }

    private void Dup()
    {
        if (AnyOpen() is not { } file)
            return;
        string variable = NewVariable();
        if (!_open.Contains(file))
            return;
        Writer.Add(variable, "dup", null, Writer.Word(file.Name));
        _open.Add(file with { Name = variable });
    }

    private void Read()
    {
        if (Descriptor(static o => o.Reads && !o.IsDirectory) is { } fd)
            Writer.Add("read", fd, Writer.Word(Draw.Of("0", "1", "5", "100", "512", "4096", "8192", "64K")));
    }

    private void PRead()
    {
        if (Descriptor(static o => o.Reads && !o.IsDirectory) is { } fd)
            Writer.Add("pread", fd, Writer.Word(Draw.Of("1", "100", "4096", "8192")), Size());
    }

    private void WriteSome()
    {
        if (Descriptor(static o => o.Writes) is { } fd)
            Writer.Add("write", fd, Data());
    }

    private void PWrite()
    {
        if (Descriptor(static o => o.Writes) is { } fd)
            Writer.Add("pwrite", fd, Data(), Size());
    }

    private void Seek()
    {
        if (Descriptor() is not { } fd)
            return;
        string whence = Draw.Of("SEEK_SET", "SEEK_SET", "SEEK_CUR", "SEEK_END", "SEEK_DATA", "SEEK_HOLE", Invalid() ? "7" : "SEEK_SET");
        // Far positions would make files that take for ever to read.
        Writer.Add("lseek", fd, Writer.Word(Invalid() ? Draw.Of("-1", "-5000") : Draw.Of(s_sizes)), Writer.Word(whence));
    }

    private void Truncate() => Writer.Add("truncate", Some(NodeKind.File).Path, Writer.Word(Invalid() ? "-1" : Draw.Of(s_sizes)));

    private void FTruncate()
    {
        if (Descriptor(static o => o.Writes) is { } fd)
            Writer.Add("ftruncate", fd, Writer.Word(Invalid() ? "-1" : Draw.Of(s_sizes)));
    }

    private void Fallocate()
    {
        string mode = Draw.Of("0", "0", "FALLOC_FL_KEEP_SIZE", "FALLOC_FL_PUNCH_HOLE|FALLOC_FL_KEEP_SIZE", "FALLOC_FL_PUNCH_HOLE|FALLOC_FL_KEEP_SIZE",
            Invalid() ? Draw.Of("FALLOC_FL_PUNCH_HOLE", "FALLOC_FL_COLLAPSE_RANGE", "FALLOC_FL_INSERT_RANGE", "FALLOC_FL_ZERO_RANGE", "FALLOC_FL_UNSHARE_RANGE", "0x100") : "0");
        var length = Writer.Word(Invalid() ? Draw.Of("0", "-1") : Draw.Of("1", "100", "4096", "8192", "100K"));
        var offset = Writer.Word(Invalid() ? "-1" : Draw.Of(s_sizes));
        if (Descriptor(static o => o.Writes && !o.IsDirectory) is { } fd)
            Writer.Add("fallocate", fd, Writer.Word(mode), offset, length);
    }

    private void Sync()
    {
        string verb = Draw.Of("fsync", "fdatasync", "syncfs");
        if (Descriptor() is { } fd)
            Writer.Add(verb, fd);
    }

    /// <summary>Requests that the VFS answers: FIGETBSZ, FIOQSIZE, FIBMAP, FIONREAD, FIOASYNC, FIONCLEX and reservations as XFS has them. None is a freeze, which would be the whole machine's on its own kernel.</summary>
    private void Request()
    {
        string request = Draw.Of("2", "2", "0x5460", "0x5460", "1", "0x541b", "0x5452", "0x5450", "0x40305828", "0x4030582b", "0x40305839");
        var argument = Writer.Word(Invalid() ? "0" : request.Length > 6 ? "\"{zero:8}\\0\\x10{zero:6}\\0\\x10{zero:30}\"" : "\"{zero:8}\"");
        if (Descriptor() is { } fd)
            Writer.Add("ioctl", fd, Writer.Word(request), argument);
    }

    private void CopyRange()
    {
        if (Descriptor(static o => o.Reads && !o.IsDirectory) is not { } from || Descriptor(static o => o.Writes && !o.IsDirectory) is not { } to)
            return;
        var options = new List<Option>();
        if (Draw.Chance(50))
            options.Add(new("from", Size()));
        if (Draw.Chance(50))
            options.Add(new("to", Size()));
        Writer.Add("copy_range", options, from, to, Writer.Word(Draw.Of("0", "1", "100", "4096", "10000", "64K")));
    }

    private void GetDents()
    {
        if (Descriptor(static o => o.IsDirectory) is not { } fd)
            return;
        if (Draw.Chance(25))
            Writer.Add("lseek", fd, Writer.Word("0"), Writer.Word("SEEK_SET"));
        if (Draw.Chance(50))
            Writer.Add("getdents", fd, Writer.Word(Draw.Of("24", "48", "100", "4096")));
        else
            Writer.Add("getdents", fd);
    }

    private void StatusFlags()
    {
        if (Descriptor() is not { } fd)
            return;
        if (HasFifos || Draw.Chance(50))
            Writer.Add("getfl", fd);
        else
            Writer.Add("setfl", fd, Writer.Word(Draw.Of("O_APPEND", "O_NONBLOCK", "0", "O_NOATIME", "O_APPEND|O_NONBLOCK", "O_DIRECT")));
    }

    private void Cat()
    {
        if (HasFifos)
            return;
        var (path, node) = Some(NodeKind.File);
        if (node is { Kind: NodeKind.Other })
            return; // a device may have no end
        Writer.Add("cat", path);
    }
}
