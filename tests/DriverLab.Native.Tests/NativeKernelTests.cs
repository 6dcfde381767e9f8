using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Native.Tests;

/// <summary>What is peculiar to tasks that are threads; what they share with every kernel is in the contracts.</summary>
public sealed class NativeKernelTests
{
    [Test]
    public void A_task_does_not_share_its_working_directory_with_the_process()
    {
        string before = Environment.CurrentDirectory;
        using var kernel = NativeKernel.NewTask();
        Assert.That(kernel.Chdir("/proc"u8), Is.EqualTo(Errno.OK));
        Assert.That(Environment.CurrentDirectory, Is.EqualTo(before));
    }

    [Test]
    public void A_task_begins_without_the_processs_descriptors()
    {
        using var kernel = NativeKernel.NewTask();
        Assert.That(kernel.OpenAt(Fd.Cwd, "/dev/null"u8, OpenFlags.O_RDONLY, 0).Value.Value, Is.InRange(3, 4));
    }

    [Test]
    public void A_kept_descriptor_stays_at_its_number()
    {
        using var file = File.OpenHandle("/dev/null");
        int number = (int)file.DangerousGetHandle();
        using var kernel = NativeKernel.NewTask(new NativeTaskOptions { KeepDescriptor = number });
        using var child = kernel.Fork();
        Assert.That((kernel.GetStatusFlags(new Fd(number)).Error, child.GetStatusFlags(new Fd(number)).Error), Is.EqualTo((Errno.OK, Errno.OK)));
    }

    [Test]
    public void Closing_in_a_task_leaves_the_process_alone()
    {
        using var file = File.OpenHandle("/dev/null");
        int number = (int)file.DangerousGetHandle();
        using (var kernel = NativeKernel.NewTask(new NativeTaskOptions { KeepDescriptor = number }))
            _ = kernel.Close(new Fd(number));
        Assert.That(RandomAccess.Read(file, new byte[1], 0), Is.Zero);
    }

    [Test]
    public void Ids_of_a_task_are_its_own()
    {
        if (!Environment.IsPrivilegedProcess)
            Assert.Ignore("changing ids needs the superuser");
        using var kernel = NativeKernel.NewTask();
        using var alice = kernel.Fork();
        Assert.That(alice.SetIds(UserIds.User(1000)), Is.EqualTo(Errno.OK));
        Assert.That((alice.OpenAt(Fd.Cwd, "/proc/1/environ"u8, OpenFlags.O_RDONLY, 0).IsOk, Environment.IsPrivilegedProcess), Is.EqualTo((false, true)));
    }

    [Test]
    public void A_program_runs_on_the_tasks_thread()
    {
        using var kernel = NativeKernel.NewTask();
        int caller = Environment.CurrentManagedThreadId;
        int worker = kernel.Run(_ => Environment.CurrentManagedThreadId);
        Assert.That((worker != caller, kernel.Run(_ => Environment.CurrentManagedThreadId)), Is.EqualTo((true, worker)));
    }

    [Test]
    public void A_programs_exception_reaches_the_caller_and_the_task_lives_on()
    {
        using var kernel = NativeKernel.NewTask();
        Assert.That(() => kernel.Run(_ => throw new InvalidTimeZoneException("mine")), Throws.TypeOf<InvalidTimeZoneException>());
        Assert.That(kernel.Chdir("/"u8), Is.EqualTo(Errno.OK));
    }

    [Test]
    public void A_disposed_task_has_no_thread_and_refuses_calls()
    {
        var kernel = NativeKernel.NewTask();
        string thread = $"/proc/self/task/{kernel.ThreadId}";
        Assert.That(Directory.Exists(thread), Is.True);
        kernel.Dispose();
        kernel.Dispose();
        Assert.That(Directory.Exists(thread), Is.False);
        Assert.That(() => kernel.Chdir("/"u8), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void A_task_may_end_inside_its_own_program()
    {
        var kernel = NativeKernel.NewTask();
        kernel.Run(k => k.Dispose());
        Assert.That(() => kernel.Chdir("/"u8), Throws.TypeOf<ObjectDisposedException>());
    }

    /// <summary>The runtime starts threads (of its collector, of its compiler) on whatever thread needs them first: they share a task's directory and table and live on.</summary>
    [Test]
    public void A_thread_that_was_started_inside_a_program_holds_nothing_of_the_task_afterwards()
    {
        using var checks = new ManualResetEventSlim();
        using var started = new ManualResetEventSlim();
        string directory = "", descriptors = "";
        var thread = new Thread(() =>
        {
            started.Set();
            checks.Wait();
            directory = File.ResolveLinkTarget("/proc/thread-self/cwd", returnFinalTarget: false)!.FullName;
            descriptors = string.Join(' ', new DirectoryInfo("/proc/thread-self/fd").EnumerateFileSystemInfos().Select(static f => f.LinkTarget));
            GC.KeepAlive(File.ReadAllBytes("/proc/thread-self/comm"));
        });
        using (var kernel = NativeKernel.NewTask())
        {
            using var child = kernel.Fork();
            child.Run(() =>
            {
                Assert.That(child.Chdir("/proc/sys"u8), Is.EqualTo(Errno.OK));
                Assert.That(child.OpenAt(Fd.Cwd, "/proc/sys/kernel"u8, OpenFlags.O_PATH, 0).IsOk);
                thread.Start();
            });
            started.Wait();
        }
        checks.Set();
        thread.Join();
        Assert.That((directory, descriptors.Contains("/proc/sys", StringComparison.Ordinal)), Is.EqualTo(("/", false)), descriptors);
    }

    [Test]
    public void Calls_allocate_nothing()
    {
        using var kernel = NativeKernel.NewTask();
        Work(kernel);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Work(kernel);
        long handedOver = GC.GetAllocatedBytesForCurrentThread() - before;
        long direct = kernel.Run(k =>
        {
            long start = GC.GetAllocatedBytesForCurrentThread();
            Work(k);
            return GC.GetAllocatedBytesForCurrentThread() - start;
        });
        Assert.That((handedOver, direct), Is.EqualTo((0L, 0L)));
    }

    [Test]
    public void A_path_ends_at_its_first_NUL()
    {
        using var kernel = NativeKernel.NewTask();
        Assert.That(kernel.Chdir("/\0nothing"u8), Is.EqualTo(Errno.OK));
    }

    [Test]
    public void A_hundred_tasks_work_side_by_side()
    {
        using var first = NativeKernel.NewTask();
        var tasks = Enumerable.Range(0, 100).Select(_ => first.Fork()).ToArray();
        _ = Parallel.ForEach(tasks, new ParallelOptions { MaxDegreeOfParallelism = 4 }, Work);
        foreach (var task in tasks)
            task.Dispose();
        Assert.That(first.Chdir("/"u8), Is.EqualTo(Errno.OK));
    }

    [Test]
    public void The_profile_is_that_of_the_running_kernel()
    {
        using var kernel = NativeKernel.NewTask();
        Assert.That(File.ReadAllText("/proc/sys/kernel/osrelease").Trim(), Is.EqualTo(kernel.Profile.Name));
    }

    [TestCase("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=m\nCONFIG_D=\"text\"\nnonsense\n")]
    public void A_configuration_file_is_read(string text)
        => Assert.That(HostProfile.Parse(new StringReader(text)), Is.EquivalentTo(new Dictionary<string, string> { ["CONFIG_A"] = "y", ["CONFIG_C"] = "m", ["CONFIG_D"] = "text" }));

    private static void Work(IKernel kernel)
    {
        Span<byte> buffer = stackalloc byte[64];
        for (int i = 0; i < 50; i++)
        {
            var fd = kernel.OpenAt(Fd.Cwd, "/dev/zero"u8, OpenFlags.O_RDONLY, 0).Value;
            _ = kernel.Read(fd, buffer);
            _ = kernel.Statx(fd, default, AtFlags.AT_EMPTY_PATH, StatxMask.STATX_BASIC_STATS, out _);
            _ = kernel.Close(fd);
        }
    }

    [Test]
    public void A_call_in_the_background_sleeps_until_another_tasks_call_ends_it_or_a_signal()
    {
        string path = Path.GetTempFileName();
        try
        {
            using var main = NativeKernel.NewTask();
            using var other = main.Fork();
            byte[] name = System.Text.Encoding.UTF8.GetBytes(path);
            Fd a = main.OpenAt(Fd.Cwd, name, OpenFlags.O_RDONLY, 0).Value, b = other.OpenAt(Fd.Cwd, name, OpenFlags.O_RDONLY, 0).Value;
            Assert.That(main.Flock(a, FlockOperation.LOCK_EX), Is.EqualTo(Errno.OK));
            Errno? answer = null;
            using (var call = other.Begin(() => answer = other.Flock(b, FlockOperation.LOCK_EX)))
            {
                Assert.That((call.HasEnded, answer), Is.EqualTo((false, (Errno?)null)));
                call.Interrupt();
                Assert.That((call.Settle(true), answer), Is.EqualTo((true, (Errno?)Errno.EINTR)));
            }
            using (var call = other.Begin(() => answer = other.Flock(b, FlockOperation.LOCK_EX)))
            {
                Assert.That(call.Settle(true), Is.False);
                Assert.That(main.Flock(a, FlockOperation.LOCK_UN), Is.EqualTo(Errno.OK));
                Assert.That((call.Settle(true), answer), Is.EqualTo((true, (Errno?)Errno.OK)));
            }
        }
        finally
        {
            File.Delete(path);
        }
    }
}
