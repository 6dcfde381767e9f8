using DriverLab.Linux.Abi;
using DriverLab.Linux.Tracing;
using DriverLab.Native;

namespace DriverLab.Linux.Tests;

/// <summary>The lines of a trace; that calls pass through unchanged is shown by the contracts.</summary>
public sealed class TracingKernelTests
{
    private TraceLog _log = null!;
    private TracingKernel _kernel = null!;

    [SetUp]
    public void Trace()
    {
        _log = new TraceLog();
        _kernel = new TracingKernel(NativeKernel.NewTask(), _log);
    }

    [TearDown]
    public void EndTask() => _kernel.Dispose();

    [Test]
    public void Opening_shows_flags_mode_and_error()
    {
        _ = _kernel.OpenAt(Fd.Cwd, "/no/\"x\"\x01"u8, OpenFlags.O_CREAT | OpenFlags.O_RDWR | OpenFlags.O_EXCL, (Mode)0x1a4);
        Assert.That(_log.Lines, Is.EqualTo(new[] { "1\topenat(AT_FDCWD, \"/no/\\\"x\\\"\\x01\", O_RDWR|O_CREAT|O_EXCL, 0644) = -1 ENOENT" }));
    }

    [Test]
    public void Reading_shows_the_bytes_and_cuts_them()
    {
        var fd = _kernel.OpenAt(Fd.Cwd, "/dev/zero"u8, OpenFlags.O_RDONLY, 0).Value;
        _ = _kernel.Read(fd, new byte[2]);
        _ = _kernel.PRead(fd, new byte[40], 0);
        Assert.That(_log.Lines.Skip(1), Is.EqualTo(new[]
        {
            $"1\tread({fd}, 2) = 2 \"\\x00\\x00\"",
            $"1\tpread64({fd}, 40, 0) = 40 \"{string.Concat(Enumerable.Repeat("\\x00", 32))}\"...",
        }));
    }

    [Test]
    public void Forks_have_numbers()
    {
        using (var child = _kernel.Fork())
            _ = child.Chdir("/"u8);
        Assert.That(_log.Lines, Is.EqualTo(new[] { "1\tfork() = 2", "2\tchdir(\"/\") = 0", "2\texit() = 0" }));
    }

    [Test]
    public void Flags_without_names_are_numbers()
    {
        _ = _kernel.RenameAt2(Fd.Cwd, "a"u8, Fd.None, "b"u8, (RenameFlags)0x100);
        _ = _kernel.UnlinkAt(Fd.Cwd, "a"u8, AtFlags.AT_REMOVEDIR | (AtFlags)1);
        Assert.That(_log.Lines, Is.EqualTo(new[]
        {
            "1\trenameat2(AT_FDCWD, \"a\", -1, \"b\", 256) = -1 EINVAL",
            "1\tunlinkat(AT_FDCWD, \"a\", AT_REMOVEDIR|1) = -1 EINVAL",
        }));
    }

    [Test]
    public void A_call_is_told_before_it_is_made()
    {
        var sink = new Sink();
        using var kernel = new TracingKernel(NativeKernel.NewTask(), sink);
        _ = kernel.Fsync(new Fd(-1));
        Assert.That(sink.Events, Is.EqualTo(new[] { "before fsync(-1)", "after fsync(-1) = -1 EBADF" }));
    }

    private sealed class Sink : ITraceSink
    {
        public List<string> Events { get; } = [];

        public void Before(int task, ReadOnlySpan<byte> call) => Events.Add($"before {System.Text.Encoding.UTF8.GetString(call)}");

        public void After(int task, ReadOnlySpan<byte> callAndResult) => Events.Add($"after {System.Text.Encoding.UTF8.GetString(callAndResult)}");
    }
}
