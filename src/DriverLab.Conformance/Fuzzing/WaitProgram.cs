using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Fuzzing;

/// <summary>A program of tasks that wait for each other, on tmpfs or on a union: locks of files, FIFOs, watches. A call sleeps in the background until another task's call ends it, or a signal.</summary>
/// <remarks>The generator does not know who sleeps: a task that does answers everything but 'wait' and 'interrupt' with the same words on all kernels.</remarks>
internal sealed class WaitProgram(Draw draw, ProgramWriter writer)
{
    private static readonly IReadOnlyList<Operation<WaitProgram>> s_all =
    [
        new("open", 6, static p => p.Open()),
        new("fifo", 5, static p => p.OpenFifo()),
        new("close", 3, static p => p.Close()),
        new("dup", 1, static p => p.OnFile("dup")),
        new("flock", 8, static p => p.Flock()),
        new("lock", 10, static p => p.Lock()),
        new("ask", 2, static p => p.Ask()),
        new("read", 6, static p => p.ReadFifo()),
        new("write", 6, static p => p.WriteFifo()),
        new("watch", 3, static p => p.Watch()),
        new("events", 3, static p => p.ReadEvents()),
        new("change", 4, static p => p.Change()),
        new("wait", 10, static p => p.OnTask("wait")),
        new("interrupt", 4, static p => p.OnTask("interrupt")),
        new("exit", 1, static p => p.Exit()),
    ];

    private static readonly string[] s_names = ["alice", "bob", "carol"];
    private static readonly string[] s_files = ["f", "f", "g"];
    private static readonly string[] s_regions = ["0 10", "0 5", "5 5", "3 4", "0 0", "8 0", "20 10", "9 1"];

    private readonly Actor[] _actors = [.. s_names.Select(static name => new Actor(name, null))];

    /// <summary>What each task has opened: files, reading and writing ends, watches.</summary>
    private readonly Dictionary<Actor, Dictionary<string, string>> _open = [];
    private int _made;

    /// <summary>Where the files are.</summary>
    private readonly string _top = draw.Chance(40) ? "/m/" : "/";

    private Word At(string name) => writer.Word(_top + name);

    public void Write(int steps)
    {
        bool isUnion = _top.Length > 1;
        string below = isUnion ? "/l/" : "/";
        if (isUnion)
        {
            foreach (string directory in (string[])["/l", "/u", "/w", "/m"])
                writer.Add("mkdir", writer.Word(directory));
        }
        writer.Add("mkdir", writer.Word(below + "d"));
        writer.Add("write", writer.Word(below + "f"), writer.Word("{zero:30}"));
        writer.Add("write", writer.Word(below + "g"), writer.Word("x"));
        writer.Add("mknod", writer.Word(below + "p"), writer.Word("fifo"));
        if (isUnion)
            writer.Add("mount", [writer.Option("lowerdir", "/l"), writer.Option("upperdir", "/u"), writer.Option("workdir", "/w")], writer.Word("overlay"), writer.Word("/m"));
        foreach (var actor in _actors)
        {
            _open.Add(actor, []);
            As(actor);
            Open();
        }
        var swarm = new Swarm<WaitProgram>(draw, s_all);
        // What sleeps costs a real kernel's runner a tenth of a second: programs are short.
        for (int most = Math.Min(steps, 40); writer.Count < most;)
        {
            As(draw.Of(_actors));
            int before = writer.Count;
            swarm.Next(draw).Write(this);
            if (writer.Count == before)
                Open(); // it has nothing to do that with
        }
        foreach (var actor in _actors)
        {
            As(actor);
            writer.Add("wait");
            Ask();
        }
    }

    private void As(Actor actor) => writer.Actor = actor;

    private Dictionary<string, string> Mine => _open[writer.Actor];

    /// <summary>One of the task's own descriptors of a kind, or null.</summary>
    private Word? Some(string kind)
    {
        var names = Mine.Where(o => o.Value == kind).Select(static o => o.Key).ToList();
        return names.Count == 0 ? null : writer.Word(draw.Of(names));
    }

    private string NewName(string kind)
    {
        string name = $"{writer.Actor.Name[0]}{++_made}";
        Mine.Add(name, kind);
        return name;
    }

    private void Open() => writer.Add(NewName("file"), "open", null, At(draw.Of(s_files)), writer.Word(draw.Of("O_RDWR", "O_RDWR", "O_RDWR", "O_RDONLY", "O_WRONLY")));

    private void OpenFifo()
    {
        string kind = draw.Of("r", "w", "r", "w", "both");
        string flags = kind switch { "r" => "O_RDONLY", "w" => "O_WRONLY", _ => "O_RDWR" } + (draw.Chance(20) ? "|O_NONBLOCK" : "");
        writer.AddBackground(NewName(kind == "both" ? draw.Of("r", "w") : kind), "open", At("p"), writer.Word(flags));
    }

    private void Close()
    {
        if (Mine.Count == 0)
            return;
        string name = draw.Of(Mine.Keys.ToList());
        writer.Add("close", writer.Word(name));
        _ = Mine.Remove(name);
    }

    private void OnFile(string verb)
    {
        if (Some("file") is { } fd)
            writer.Add(NewName("file"), verb, null, fd);
    }

    private void Flock()
    {
        if (Some("file") is { } fd)
            writer.AddBackground(null, "flock", fd, writer.Word(draw.Of("LOCK_EX", "LOCK_EX", "LOCK_SH", "LOCK_SH", "LOCK_UN", "LOCK_UN", "LOCK_EX|LOCK_NB")));
    }

    private void Lock()
    {
        if (Some("file") is not { } fd)
            return;
        string[] region = draw.Of(s_regions).Split(' ');
        writer.AddBackground(null, "lock", fd, writer.Word(draw.Of("F_SETLKW", "F_SETLKW", "F_SETLKW", "F_OFD_SETLKW", "F_SETLK")), writer.Word(draw.Of("F_WRLCK", "F_WRLCK", "F_RDLCK", "F_UNLCK")), writer.Word(region[0]), writer.Word(region[1]));
    }

    private void Ask()
    {
        if (Some("file") is { } fd)
            writer.Add("lock", fd, writer.Word(draw.Of("F_GETLK", "F_OFD_GETLK")), writer.Word("F_WRLCK"), writer.Word("0"), writer.Word("0"));
    }

    private void ReadFifo()
    {
        if (Some("r") is { } fd)
            writer.AddBackground(null, "read", fd, writer.Word(draw.Of("1", "10", "4096", "5000", "100K")));
    }

    private void WriteFifo()
    {
        if (Some("w") is { } fd)
            writer.AddBackground(null, "write", fd, writer.Word(draw.Of("hello", "{a*4096}", "{b*5000}", "{rand:1:70000}", "{rand:2:100K}")));
    }

    private void Watch()
    {
        if (Some("watch") is null)
            writer.Add(NewName("watch"), "inotify", null, writer.Word(draw.Of("0", "0", "IN_NONBLOCK")));
        writer.Add("w", "watch", null, Some("watch")!, At(draw.Of("d", "d", "f")), writer.Word(draw.Of("IN_CREATE|IN_DELETE", "IN_MODIFY|IN_ATTRIB", "IN_DELETE", "IN_CREATE|IN_ONESHOT")));
    }

    private void ReadEvents()
    {
        if (Some("watch") is { } fd)
            writer.AddBackground(null, "read", fd, writer.Word(draw.Of("500", "500", "32", "16", "8")));
    }

    private void Change()
    {
        As(Actor.Main);
        string name = _top + "d/" + draw.Of("x", "y");
        switch (draw.Next(4))
        {
            case 0: writer.Add("write", writer.Word(name), writer.Word("x")); break;
            case 1: writer.Add("unlink", writer.Word(name)); break;
            case 2: writer.Add("write", [new("append", null)], At("f"), writer.Word("more")); break;
            default: writer.Add("chmod", At("f"), writer.Word(draw.Of("0600", "0644"))); break;
        }
    }

    private void OnTask(string verb) => writer.Add(verb);

    private void Exit()
    {
        writer.Add("wait");
        if (!draw.Chance(25))
            return;
        writer.Add("exit");
        Mine.Clear();
    }
}
