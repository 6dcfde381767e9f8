using DriverLab.Conformance.Running;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Conformance.Verbs;

/// <summary>Calls on open files.</summary>
internal static class FileVerbs
{
    private const int OpenForAll = 0x1b6; // 0666

    /// <summary>The directory that relative paths start from. Above the list on purpose: static initialisers run in textual order.</summary>
    internal static Parameter At { get; } = new("at", ParameterKind.Fd);

    public static IReadOnlyList<Verb> All { get; } =
    [
        new("open", [P.Path(), P.Flags<OpenFlags>(), P.Mode().Optional()], "openat(2); MODE is 0666 when left out.", Open) { Returns = "fd", Options = [At] },
        new("close", [P.Fd().Many()], "close(2).", static c => Render.Of(c.Task.Close(c.Fd(0)))) { RepeatsLast = true },
        new("dup", [P.Fd()], "dup(2).", static c => c.SetResult(c.Task.Dup(c.Fd(0)))) { Returns = "fd" },
        new("read", [P.Fd(), P.Length("count")], "read(2); the outcome holds the data, short text as such, else a digest.", Read),
        new("pread", [P.Fd(), P.Length("count"), P.Number("offset")], "pread64(2).", PRead),
        new("write", [P.Target(), P.Data()], "On a descriptor write(2), once. On a path: open with O_WRONLY|O_CREAT|O_TRUNC, write all, close.", Write)
        {
            Options = [P.Switch("append"), P.Switch("sync"), P.Mode("mode")],
        },
        new("pwrite", [P.Fd(), P.Data(), P.Number("offset")], "pwrite64(2).", static c => Render.Of(c.Task.PWrite(c.Fd(0), c.Data(1), c.Number(2)))),
        new("lseek", [P.Fd(), P.Number("offset"), P.Flags<SeekWhence>("whence").Optional()], "lseek(2); SEEK_SET when WHENCE is left out.", static c => Render.Of(c.Task.LSeek(c.Fd(0), c.Number(1), c.Flags<SeekWhence>(2)))),
        new("truncate", [P.Path(), P.Number("length")], "truncate(2).", static c => Render.Of(c.Task.Truncate(c.Bytes(0), c.Number(1)))),
        new("ftruncate", [P.Fd(), P.Number("length")], "ftruncate(2).", static c => Render.Of(c.Task.FTruncate(c.Fd(0), c.Number(1)))),
        new("fallocate", [P.Target(), P.Flags<FallocFlags>("mode"), P.Number("offset"), P.Number("length")], "fallocate(2); mode 0 is plain.", Fallocate),
        new("fsync", [P.Target()], "fsync(2).", static c => WithFile(c, OpenFlags.O_RDONLY, static (c, fd) => Render.Of(c.Task.Fsync(fd)))),
        new("fdatasync", [P.Target()], "fdatasync(2).", static c => WithFile(c, OpenFlags.O_RDONLY, static (c, fd) => Render.Of(c.Task.Fdatasync(fd)))),
        new("syncfs", [P.Target()], "syncfs(2).", static c => WithFile(c, OpenFlags.O_RDONLY, static (c, fd) => Render.Of(c.Task.Syncfs(fd)))),
        new("sync", [], "sync(2).", Sync),
        new("copy_range", [P.Fd("source"), P.Fd("target"), P.Number("length")], "copy_file_range(2); without an offset the file position is used and moved.", CopyRange)
        {
            Options = [P.Number("from"), P.Number("to")],
        },
        new("getdents", [P.Fd(), P.Length("bytes").Optional()], "getdents64(2), one call with a buffer of BYTES (32768); one line a name; 'ino' adds the label of its inode number.", GetDents) { Options = [P.Switch("offsets"), P.Switch("ino")] },
        new("getfl", [P.Fd()], "fcntl(2) F_GETFL.", GetFl),
        new("setfl", [P.Fd(), P.Flags<OpenFlags>()], "fcntl(2) F_SETFL.", static c => Render.Of(c.Task.SetStatusFlags(c.Fd(0), c.Flags<OpenFlags>(1)))),
        new("ioctl", [P.Target(), P.Number("request"), P.Data("argument").Optional()], "ioctl(2) with a number or, quoted, a structure, which zeros follow; its bytes afterwards are a detail.", Ioctl),
    ];

    /// <summary>Runs an action on the descriptor in argument 0, or on the file of that path, opened and closed around it.</summary>
    internal static string WithFile(StepContext c, OpenFlags flags, Func<StepContext, Fd, string> action)
    {
        if (c.IsFd(0))
            return action(c, c.Fd(0));
        var opened = c.Task.OpenAt(Fd.Cwd, c.Bytes(0), flags, (Mode)OpenForAll);
        if (!opened.IsOk)
            return $"{opened.Error} at open";
        string outcome = action(c, opened.Value);
        var closed = c.Task.Close(opened.Value);
        return closed == Errno.OK || outcome.StartsWith('E') ? outcome : $"{closed} at close";
    }

    private static string Open(StepContext c) => c.SetResult(c.Task.OpenAt(c.Fd("at"), c.Bytes(0), c.Flags<OpenFlags>(1), c.Mode(2, (Mode)OpenForAll)));

    private static string Read(StepContext c)
    {
        var buffer = AlignedBuffer.Of(c.Number(1));
        return Shown(c.Task.Read(c.Fd(0), buffer), buffer);
    }

    private static string PRead(StepContext c)
    {
        var buffer = AlignedBuffer.Of(c.Number(1));
        return Shown(c.Task.PRead(c.Fd(0), buffer, c.Number(2)), buffer);
    }

    private static string Shown(SysResult<int> result, ReadOnlySpan<byte> buffer) => result.IsOk ? $"ok {result.Value} {Render.Data(buffer[..result.Value])}" : Render.Of(result.Error);

    private static string Write(StepContext c)
    {
        if (c.IsFd(0))
            return Render.Of(c.Task.Write(c.Fd(0), c.Data(1)));
        var flags = OpenFlags.O_WRONLY | OpenFlags.O_CREAT | (c.Has("append") ? OpenFlags.O_APPEND : OpenFlags.O_TRUNC) | (c.Has("sync") ? OpenFlags.O_SYNC : 0);
        var opened = c.Task.OpenAt(Fd.Cwd, c.Bytes(0), flags, c.Mode("mode", (Mode)OpenForAll));
        if (!opened.IsOk)
            return $"{opened.Error} at open";
        string outcome = WriteAll(c.Task, opened.Value, c.Data(1));
        var closed = c.Task.Close(opened.Value);
        return closed == Errno.OK ? outcome : $"{closed} at close";
    }

    private static string WriteAll(IKernel task, Fd fd, ReadOnlySpan<byte> data)
    {
        int written = 0;
        while (written < data.Length)
        {
            var result = task.Write(fd, data[written..]);
            if (!result.IsOk || result.Value == 0)
                return $"{result.Error} after {written}";
            written += result.Value;
        }
        return $"ok {written}";
    }

    private static string Fallocate(StepContext c) =>
        WithFile(c, OpenFlags.O_WRONLY | OpenFlags.O_CREAT, static (c, fd) => Render.Of(c.Task.Fallocate(fd, c.Flags<FallocFlags>(1), c.Number(2), c.Number(3))));

    private static string Sync(StepContext c)
    {
        c.Task.Sync();
        return "ok";
    }

    private static string CopyRange(StepContext c)
    {
        long? from = c.Has("from") ? c.Number("from", 0) : null, to = c.Has("to") ? c.Number("to", 0) : null;
        return Render.Of(c.Task.CopyFileRange(c.Fd(0), from, c.Fd(1), to, c.Number(2)));
    }

    private static string GetDents(StepContext c)
    {
        var buffer = AlignedBuffer.Room(c.Number(1, 32768));
        var result = c.Task.GetDents(c.Fd(0), buffer);
        if (!result.IsOk)
            return Render.Of(result.Error);
        var reader = new DirentReader(buffer[..result.Value]);
        var device = Inode.DeviceOf(c, c.Fd(0), default);
        int count = 0;
        for (; reader.MoveNext(); count++)
            c.Detail(Render.Name(reader.Name), Inode.Entry(c, device, new(reader.Name.ToArray(), reader.Type, reader.Offset, reader.Ino)));
        return $"ok {count} names";
    }

    private static string GetFl(StepContext c)
    {
        var result = c.Task.GetStatusFlags(c.Fd(0));
        // O_LARGEFILE says how the caller was compiled, not what the kernel does.
        return result.IsOk ? $"ok 0x{(int)(result.Value & ~OpenFlags.O_LARGEFILE):x}" : Render.Of(result.Error);
    }

    private static string Ioctl(StepContext c) => WithFile(c, OpenFlags.O_RDONLY, static (c, fd) =>
    {
        uint request = (uint)c.Number(1);
        if (c.Count < 3 || !c.Step.Arguments[2].IsQuoted)
            return Render.Of(c.Task.Ioctl(fd, request, c.Number(2, 0)));
        // The kernel takes as many bytes as the request's structure has, whatever was written down.
        byte[] given = c.Bytes(2), argument = new byte[Math.Max(4096, given.Length)];
        given.CopyTo(argument, 0);
        var result = c.Task.Ioctl(fd, request, argument);
        if (result.IsOk)
            c.Detail("argument", Render.Data(argument.AsSpan(0, given.Length)));
        return Render.Of(result);
    });
}
