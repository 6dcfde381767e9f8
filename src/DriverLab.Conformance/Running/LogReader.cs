using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Conformance.Running;

/// <summary>Reads /dev/kmsg from where a scenario began.</summary>
/// <remarks>A record is <c>priority,sequence,time,flags;text</c>, then lines beginning with a blank that describe it; one read(2) gives one record.</remarks>
internal sealed class LogReader
{
    private readonly IKernel _task;
    private readonly Fd _fd;

    private LogReader(IKernel task, Fd fd) => (_task, _fd) = (task, fd);

    /// <summary>Opens the log at its end; null where there is none.</summary>
    public static LogReader? Open(IKernel task)
    {
        var opened = task.OpenAt(Fd.Cwd, "/dev/kmsg"u8, OpenFlags.O_RDONLY | OpenFlags.O_NONBLOCK, Mode.None);
        if (!opened.IsOk)
            return null;
        if (task.LSeek(opened.Value, 0, SeekWhence.SEEK_END).IsOk)
            return new(task, opened.Value);
        _ = task.Close(opened.Value); // only read from
        return null;
    }

    /// <summary>Forgets what was logged until now.</summary>
    public void SkipToEnd() => _ = _task.LSeek(_fd, 0, SeekWhence.SEEK_END); // went well when it was opened

    /// <summary>The texts that were logged since the last call.</summary>
    public List<string> ReadNew()
    {
        var lines = new List<string>();
        Span<byte> buffer = stackalloc byte[8192];
        while (true)
        {
            var read = _task.Read(_fd, buffer);
            if (read.Error == Errno.EPIPE)
                continue; // records were overwritten; the next read goes on with the oldest one there is
            if (!read.IsOk || read.Value == 0)
                return lines;
            string record = Encoding.UTF8.GetString(buffer[..read.Value]);
            int text = record.IndexOf(';') + 1;
            int end = record.IndexOf('\n', text);
            lines.Add(end < 0 ? record[text..] : record[text..end]);
        }
    }
}
