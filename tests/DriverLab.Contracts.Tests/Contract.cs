using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Contracts.Tests;

/// <summary>
/// What every kernel owes its callers, one fixture an operation or family. A test gets a task of its own on an empty tmpfs that is its root and working directory,
/// in a mount name space that nobody else sees. Tests never ask which kernel they run on.
/// </summary>
[TestFixtureSource(typeof(KernelKinds), nameof(KernelKinds.All))]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
[ReportsKernel]
public abstract class Contract(KernelKind kind)
{
    protected const uint Alice = 1000, Bob = 1001;

    private readonly List<IKernel> _tasks = [];

    /// <summary>The kind of kernel under test, for reports only.</summary>
    internal KernelKind Kind => kind;

    /// <summary>The kernel, as the superuser's task sees it.</summary>
    protected IKernel K { get; private set; } = null!;

    [SetUp]
    public void EnterSandbox()
    {
        if (kind.Differs(TestContext.CurrentContext.Test.Name) is { } reason)
            Assert.Ignore(reason);
        K = kind.NewTask();
        _tasks.Add(K);
        KernelsAttribute.Check(K.Profile);
        Require(K.Unshare(CloneFlags.CLONE_NEWNS), "unshare");
        Require(K.Mount("", "/", "", MountFlags.MS_REC | MountFlags.MS_PRIVATE), "make / private");
        Require(kind.MountRoot(K), "mount the sandbox");
        Require(K.Chroot("/tmp"), "chroot");
        Require(K.Chdir("/"), "chdir");
        _ = K.Umask(Calls.Oct(22));
    }

    [TearDown]
    public void LeaveSandbox()
    {
        for (int i = _tasks.Count - 1; i >= 0; i--)
            _tasks[i].Dispose();
        _tasks.Clear();
    }

    /// <summary>Another task of the same sandbox.</summary>
    protected IKernel Fork()
    {
        var task = K.Fork();
        _tasks.Add(task);
        return task;
    }

    /// <summary>A task that the test has made otherwise ends with it.</summary>
    protected void Adopt(IKernel task) => _tasks.Add(task);

    /// <summary>Another task of the same sandbox that acts as a user; group and user have the same number.</summary>
    protected IKernel As(uint user, params uint[] groups)
    {
        var task = Fork();
        Require(task.SetIds(new UserIds(user, user, groups)), "setids");
        return task;
    }

    /// <summary>Makes a regular file with this text.</summary>
    protected void MakeFile(string path, string text = "", int mode = 644)
    {
        var fd = Opened(path, OpenFlags.O_WRONLY | OpenFlags.O_CREAT | OpenFlags.O_TRUNC);
        if (text.Length > 0)
            Assert.That(K.Write(fd, Calls.Bytes(text)).Value, Is.EqualTo(text.Length));
        Require(K.Fchmod(fd, Calls.Oct(mode)), "fchmod");
        Require(K.Close(fd), "close");
    }

    /// <summary>Makes a directory with exactly this mode.</summary>
    protected void MakeDir(string path, int mode = 755)
    {
        Require(K.Mkdir(path), $"mkdir {path}");
        Require(K.Chmod(path, mode), $"chmod {path}");
    }

    /// <summary>Opens what must open.</summary>
    protected Fd Opened(string path, OpenFlags flags)
    {
        var result = K.Open(path, flags);
        Require(result.Error, $"open {path}");
        return result.Value;
    }

    /// <summary>A file's attributes, links not followed.</summary>
    protected Statx Attributes(string path)
    {
        Require(K.Lstat(path, out var result), $"stat {path}");
        return result;
    }

    /// <summary>A file's whole content, up to a page.</summary>
    protected string Text(string path)
    {
        var fd = Opened(path, OpenFlags.O_RDONLY);
        string text = Text(fd);
        Require(K.Close(fd), "close");
        return text;
    }

    /// <summary>An open file's content from the start, up to a page.</summary>
    protected string Text(Fd fd)
    {
        Span<byte> buffer = stackalloc byte[4096];
        var read = K.PRead(fd, buffer, 0);
        Require(read.Error, "pread");
        return Encoding.Latin1.GetString(buffer[..read.Value]);
    }

    /// <summary>The names in a directory without <c>.</c> and <c>..</c>, sorted.</summary>
    protected string[] Names(string path)
    {
        var fd = Opened(path, OpenFlags.O_RDONLY | OpenFlags.O_DIRECTORY);
        var names = new List<string>();
        Span<byte> buffer = stackalloc byte[4096];
        while (K.GetDents(fd, buffer) is { IsOk: true, Value: > 0 and var bytes })
        {
            var entries = new DirentReader(buffer[..bytes]);
            while (entries.MoveNext())
                names.Add(Encoding.Latin1.GetString(entries.Name));
        }
        Require(K.Close(fd), "close");
        names.RemoveAll(name => name is "." or "..");
        names.Sort(StringComparer.Ordinal);
        return [.. names];
    }

    /// <summary>A name of this many bytes.</summary>
    protected static string Long(int length) => new('n', length);

    protected static void Require(Errno error, string what)
    {
        if (error != Errno.OK)
            Assert.Fail($"{what}: {error}");
    }
}
