using DriverLab.Conformance.Running;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Conformance.Verbs;

/// <summary>Calls on names in directories.</summary>
internal static class NameVerbs
{
    private static readonly Parameter s_at = FileVerbs.At;
    private static readonly Parameter s_to = new("to", ParameterKind.Fd);

    public static IReadOnlyList<Verb> All { get; } =
    [
        new("mkdir", [P.Path().Many()], "mkdirat(2); mode 0777 when left out.", static c => Render.Of(c.Task.MkdirAt(c.Fd("at"), c.Bytes(0), c.Mode("mode", Mode.S_IRWXUGO))))
        {
            RepeatsLast = true, Options = [P.Mode("mode"), s_at],
        },
        new("mknod", [P.Path(), P.Choice("type", "reg", "fifo", "sock", "chr", "blk", "dir", "lnk"), P.Mode().Optional(), P.Number("major").Optional(), P.Number("minor").Optional()], "mknodat(2); mode 0666 when left out.", Mknod)
        {
            Options = [s_at],
        },
        new("symlink", [P.Data("target"), P.Path()], "symlinkat(2).", static c => Render.Of(c.Task.SymlinkAt(c.Bytes(0), c.Fd("at"), c.Bytes(1)))) { Options = [s_at] },
        new("link", [P.Path("old"), P.Path("new")], "linkat(2); 'follow' is AT_SYMLINK_FOLLOW, 'empty' AT_EMPTY_PATH.", Link) { Options = [s_at, s_to, P.Switch("follow"), P.Switch("empty")] },
        new("unlink", [P.Path().Many()], "unlinkat(2).", static c => Render.Of(c.Task.UnlinkAt(c.Fd("at"), c.Bytes(0), c.Flags<AtFlags>("flags")))) { RepeatsLast = true, Options = [s_at, P.Flags<AtFlags>()] },
        new("rmdir", [P.Path().Many()], "unlinkat(2) with AT_REMOVEDIR.", static c => Render.Of(c.Task.UnlinkAt(c.Fd("at"), c.Bytes(0), AtFlags.AT_REMOVEDIR))) { RepeatsLast = true, Options = [s_at] },
        new("rename", [P.Path("old"), P.Path("new"), P.Flags<RenameFlags>().Optional()], "renameat2(2).", static c => Render.Of(c.Task.RenameAt2(c.Fd("at"), c.Bytes(0), c.Fd("to"), c.Bytes(1), c.Flags<RenameFlags>(2)))) { Options = [s_at, s_to] },
        new("readlink", [P.Path(), P.Length("size").Optional()], "readlinkat(2) with a buffer of SIZE bytes (4096).", ReadLink) { Options = [s_at] },
    ];

    private static string Mknod(StepContext c)
    {
        var type = c.Text(1) switch
        {
            "reg" => Mode.S_IFREG,
            "fifo" => Mode.S_IFIFO,
            "sock" => Mode.S_IFSOCK,
            "chr" => Mode.S_IFCHR,
            "blk" => Mode.S_IFBLK,
            "dir" => Mode.S_IFDIR,
            _ => Mode.S_IFLNK,
        };
        return Render.Of(c.Task.MknodAt(c.Fd("at"), c.Bytes(0), type | c.Mode(2, (Mode)0x1b6), new((uint)c.Number(3, 0), (uint)c.Number(4, 0))));
    }

    private static string Link(StepContext c)
    {
        var flags = (c.Has("follow") ? AtFlags.AT_SYMLINK_FOLLOW : 0) | (c.Has("empty") ? AtFlags.AT_EMPTY_PATH : 0);
        return Render.Of(c.Task.LinkAt(c.Fd("at"), c.Bytes(0), c.Fd("to"), c.Bytes(1), flags));
    }

    private static string ReadLink(StepContext c)
    {
        var buffer = AlignedBuffer.Room(c.Number(1, 4096));
        var result = c.Task.ReadLinkAt(c.Fd("at"), c.Bytes(0), buffer);
        return result.IsOk ? $"ok {Render.Quote(buffer[..result.Value])}" : Render.Of(result.Error);
    }
}
