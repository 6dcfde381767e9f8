using System.Diagnostics;
using System.Text;
using DriverLab.Testing;

namespace DriverLab.Doors.Tests;

/// <summary>A private directory, the processes started in it, and the count of what they must not leave behind.</summary>
public sealed partial class Machine : IDisposable
{
    private readonly List<Process> _processes = [];
    private readonly (int Mounts, int Loops, string Groups) _before;

    public Machine()
    {
        if (!Environment.IsPrivilegedProcess)
            throw new IgnoreException("containerd and dockerd need root");
        Root = Path.Combine(Path.GetTempPath(), $"driverlab-doors-{Environment.ProcessId}-{Guid.NewGuid().ToString("n")[..8]}");
        _ = Directory.CreateDirectory(Root);
        _before = Count();
    }

    /// <summary>The private directory.</summary>
    public string Root { get; }

    /// <summary>A path below it.</summary>
    public string At(string name) => Path.Combine(Root, name);

    /// <summary>Ends the test as ignored when a program is missing.</summary>
    public static void Needs(params string[] programs)
    {
        foreach (string program in programs)
            if (!(Environment.GetEnvironmentVariable("PATH") + ":/usr/sbin:/sbin").Split(':').Any(d => File.Exists(Path.Combine(d, program))))
                throw new IgnoreException($"{program} is not installed; see build/packages.txt");
    }

    /// <summary>Starts a program that goes on; its output goes to a file.</summary>
    public Process Start(string log, string program, params string[] arguments)
    {
        var process = Prepare(program, arguments);
        var file = new StreamWriter(At(log)) { AutoFlush = true };
        void Take(object _, DataReceivedEventArgs e)
        {
            lock (file)
                if (e.Data is not null)
                    file.WriteLine(e.Data);
        }
        process.OutputDataReceived += Take;
        process.ErrorDataReceived += Take;
        _ = process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        _processes.Add(process);
        return process;
    }

    /// <summary>Runs a program to its end and gives its standard output; another exit code than 0 fails the test.</summary>
    public string Run(string program, params string[] arguments)
    {
        var (code, output, error) = TryRun(program, arguments);
        Assert.That(code, Is.Zero, $"{program} {string.Join(' ', arguments)}\n{output}\n{error}\n{Logs()}");
        return output;
    }

    /// <summary>Runs a program to its end.</summary>
    public (int Code, string Output, string Error) TryRun(string program, params string[] arguments)
    {
        using var process = Prepare(program, arguments);
        _ = process.Start();
        var error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        if (!process.WaitForExit(TimeSpan.FromMinutes(8)))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{program} did not end in 8 minutes\n{Logs()}");
        }
        return (process.ExitCode, output, error.Result);
    }

    private Process Prepare(string program, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Root };
        foreach (var (key, value) in Environment_)
            start.Environment[key] = value;
        start.Environment["PATH"] = Environment.GetEnvironmentVariable("PATH") + ":/usr/sbin:/sbin";
        return new Process { StartInfo = start };
    }

    /// <summary>What started programs have in their environment beside this process's.</summary>
    public Dictionary<string, string> Environment_ { get; } = [];

    /// <summary>Waits until something is so; a started process that ended meanwhile fails the test at once.</summary>
    public void Until(string what, Func<bool> isSo)
    {
        var watch = Stopwatch.StartNew();
        while (!isSo())
        {
            Assert.That(_processes.Where(static p => p.HasExited), Is.Empty, $"waiting until {what}: a process ended\n{Logs()}");
            Assert.That(watch.Elapsed, Is.LessThan(TimeSpan.FromMinutes(2)), $"waiting until {what}\n{Logs()}");
            Thread.Sleep(50);
        }
    }

    private string Logs()
    {
        var text = new StringBuilder();
        foreach (string file in Directory.GetFiles(Root, "*.log"))
            _ = text.AppendLine($"--- {Path.GetFileName(file)}").AppendJoin('\n', File.ReadAllLines(file).TakeLast(30)).AppendLine();
        return text.ToString();
    }

    /// <summary>Ends a started process as its user would: a signal, and time to tidy up.</summary>
    public void Stop(Process process)
    {
        if (!process.HasExited)
        {
            Signals.Send(process.Id, Signals.Term);
            if (!process.WaitForExit(TimeSpan.FromSeconds(30)))
                process.Kill(entireProcessTree: true);
            process.WaitForExit();
        }
        _ = _processes.Remove(process);
        process.Dispose();
    }

    private static (int Mounts, int Loops, string Groups) Count()
    {
        int loops = Directory.Exists("/sys/block") ? Directory.GetDirectories("/sys/block", "loop*").Count(static d => File.Exists(Path.Combine(d, "loop/backing_file"))) : 0;
        return (File.ReadAllLines("/proc/self/mounts").Length, loops, string.Join(' ', ControlGroups().Order(StringComparer.Ordinal)));
    }

    /// <summary>The groups that containerd and dockerd make for containers.</summary>
    private static IEnumerable<string> ControlGroups()
    {
        const string top = "/sys/fs/cgroup";
        foreach (string root in Directory.Exists(top) ? Directory.GetDirectories(top).Append(top) : [])
            foreach (string name in (string[])["default", "docker", "driverlab"])
                if (Directory.Exists(Path.Combine(root, name)))
                    yield return Path.Combine(root, name);
    }

    /// <summary>Ends what still runs, in reverse order, and fails when mounts, loop devices or control groups are left.</summary>
    public void Dispose()
    {
        foreach (var process in Enumerable.Reverse(_processes).ToArray())
            Stop(process);
        foreach (string directory in _mounts)
            _ = TryRun("umount", directory); // what holds it is told by the count below
        // runc leaves the empty parents of its groups; whoever started it has to take them away.
        foreach (string group in ControlGroups().Except(_before.Groups.Split(' ')))
            foreach (string directory in Directory.EnumerateDirectories(group, "*", SearchOption.AllDirectories).OrderByDescending(static d => d.Length).Append(group).ToArray())
                Directory.Delete(directory);
        var watch = Stopwatch.StartNew();
        while (Count() != _before && watch.Elapsed < TimeSpan.FromSeconds(10))
            Thread.Sleep(50); // loop devices and name spaces go a moment after their last user
        var after = Count();
        string mounts = string.Join('\n', File.ReadAllLines("/proc/self/mounts").Where(l => l.Contains(Root, StringComparison.Ordinal)));
        Directory.Delete(Root, recursive: true);
        Assert.That(mounts, Is.Empty, "mounts left behind");
        Assert.That(after.Loops, Is.LessThanOrEqualTo(_before.Loops), "loop devices left behind");
        Assert.That(after.Groups, Is.EqualTo(_before.Groups), "control groups left behind");
    }
}
