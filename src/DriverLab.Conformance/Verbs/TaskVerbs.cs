using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Conformance.Verbs;

/// <summary>Calls about the task itself.</summary>
internal static class TaskVerbs
{
    public static IReadOnlyList<Verb> All { get; } =
    [
        new("chdir", [P.Path()], "chdir(2).", static c => Render.Of(c.Task.Chdir(c.Bytes(0)))),
        new("fchdir", [P.Fd()], "fchdir(2).", static c => Render.Of(c.Task.Fchdir(c.Fd(0)))),
        new("chroot", [P.Path()], "chroot(2); the working directory stays.", static c => Render.Of(c.Task.Chroot(c.Bytes(0)))),
        new("getcwd", [P.Length("size").Optional()], "getcwd(2) with a buffer of SIZE bytes (4096).", GetCwd),
        new("umask", [P.Mode()], "umask(2); the outcome is the old mask.", static c => $"ok {Render.Permissions(c.Task.Umask(c.Mode(0, Mode.None)))}"),
        new("setids", [], "Takes on other ids: setgroups, setresgid, setresuid.", SetIds) { Options = [P.Number("uid"), P.Number("gid"), new("groups", ParameterKind.Data)] },
        new("unshare", [P.Flags<CloneFlags>()], "unshare(2): a mount namespace of one's own (CLONE_NEWNS).", static c => Render.Of(c.Task.Unshare(c.Flags<CloneFlags>(0)))),
        new("fork", [P.Name("actor")], "A copy of this actor's task becomes the task of ACTOR, which must not have acted yet.", Fork),
        new("userns", [P.Data("uids")], "A descriptor of a new user namespace; UIDS and gids= are lines of its maps, INSIDE:OUTSIDE:COUNT joined by commas. gids= is UIDS when left out.", UserNamespace)
        {
            Returns = "fd", Options = [new("gids", ParameterKind.Data)],
        },
        new("exit", [], "The actor's task ends, which closes its descriptors; the actor does nothing afterwards.", Exit) { IsOfRunner = true },
        new("wait", [], "The outcome of the call that the actor has in the background: of one that has ended what it said, with its details and its result, else 'sleeps'. An actor with such a call does nothing else until then.", Wait) { IsOfRunner = true },
        new("interrupt", [], "A signal with a handler that does nothing reaches the actor's task, whose call is in the background; then as 'wait'.", static c => c.Background is { } call ? Interrupt(c, call) : NoCall) { IsOfRunner = true },
        new("sleep", [P.Duration()], "nanosleep(2): 10ms, 2s, 500us, 20ns. The emulator moves its own clock.", Sleep),
        new("fault", [P.Path("device"), P.Choice("operation", "read", "write", "flush")], "Reserved for planned faults of a device; a gap everywhere for now.", static _ => "gap: planned faults")
        {
            Options = [P.Number("nth"), P.Number("sector"), new("errno", ParameterKind.Data)],
        },
    ];

    private static string GetCwd(StepContext c)
    {
        var buffer = AlignedBuffer.Room(c.Number(0, 4096));
        var result = c.Task.GetCwd(buffer);
        return result.IsOk ? $"ok {Render.Name(buffer[..result.Value])}" : Render.Of(result.Error);
    }

    private static string SetIds(StepContext c)
    {
        uint uid = (uint)c.Number("uid", 0), gid = (uint)c.Number("gid", uid);
        string groups = c.Text("groups", "");
        uint[] list = groups.Length == 0 ? [] : [.. groups.Split(',').Select(static g => uint.TryParse(g, out uint group) ? group : throw new ScenarioRunException($"'{g}' is no group; expected a number from 0 to {uint.MaxValue}"))];
        return Render.Of(c.Task.SetIds(new(uid, gid, list)));
    }

    private static string UserNamespace(StepContext c)
    {
        string uids = c.Text(0);
        if (!Numbers.TryExtents(uids, out var users) || !Numbers.TryExtents(c.Text("gids", uids), out var groups))
            throw new ScenarioRunException($"'{uids}' are no maps; expected for example 0:1000:1,1:5000:10");
        return c.SetResult(c.Task.UserNamespace(new(users, groups)));
    }

    private static string Fork(StepContext c)
    {
        string name = c.Text(0);
        if (c.Run.Tasks.ContainsKey(name))
            throw new ScenarioRunException($"actor '{name}' has acted already");
        c.Run.Tasks[name] = c.Task.Fork();
        return "ok";
    }

    private static string Exit(StepContext c)
    {
        c.Task.Dispose();
        c.Run.Tasks[c.Step.Actor.Name] = null;
        return "ok";
    }

    private const string NoCall = "none: no call in the background";

    private static string Wait(StepContext c) => c.Background?.Join(c) ?? NoCall;

    private static string Interrupt(StepContext c, RunningCall call)
    {
        call.Interrupt();
        return call.Join(c);
    }

    private static string Sleep(StepContext c)
    {
        c.Task.Sleep(c.Duration(0));
        return "ok";
    }
}
