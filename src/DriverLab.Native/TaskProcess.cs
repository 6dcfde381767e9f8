using System.Runtime.InteropServices;
using System.Text;
using DriverLab.Linux;

namespace DriverLab.Native;

/// <summary>
/// A process that is one Linux task and shares this process's memory: pointers mean the same on both sides. For what the kernel refuses to a thread among others, a user name space above all.
/// </summary>
/// <remarks>It is a child without a signal at its end, so that nobody else collects it, and is killed when the thread that started it ends.</remarks>
internal sealed unsafe class TaskProcess : NativeTask
{
    internal const nint NewNs = 0x20000, NewUser = 0x10000000;
    private const nint CloneVm = 0x100, CloneParent = 0x8000, WaitAny = 0x40000000, Kill = 9, ParentDeathSignal = 1, SetMask = 2;

    private readonly Mailbox* _mail;
    private readonly Owner _owner;
    private bool _ended;

    /// <summary>The thread that started the first process, for as long as one of them lives.</summary>
    private sealed class Owner(TaskThread thread)
    {
        internal int Users;
        internal TaskThread Thread { get; } = thread;
    }

    private TaskProcess(Owner owner)
    {
        _owner = owner;
        _mail = Mailbox.Allocate(owner.Thread.Spins);
        owner.Users++;
    }

    /// <summary>Starts the process from a thread, whose descriptors, root, directory and ids it inherits and which must live as long.</summary>
    /// <returns>The process, or what clone(2) says.</returns>
    internal static SysResult<TaskProcess> Start(TaskThread thread, nint flags)
    {
        ProcessCode.Prepare();
        var made = new TaskProcess(new Owner(thread));
        nint pid = 0;
        thread.Run(() => pid = StartHere(made._mail, flags | CloneVm));
        if (pid < 0)
            return (Errno)(-pid);
        made.Begin((int)pid);
        return made;
    }

    private static nint StartHere(Mailbox* mail, nint flags)
    {
        ulong all = ulong.MaxValue, before = 0;
        _ = Libc.Syscall(Nr.RtSigprocmask, SetMask, (nint)(&all), (nint)(&before), 8, 0, 0);
        nint pid = ProcessCode.Start(mail, flags);
        _ = Libc.Syscall(Nr.RtSigprocmask, SetMask, (nint)(&before), 0, 8, 0, 0);
        return pid;
    }

    private void Begin(int pid)
    {
        _tid = pid;
        Mailbox.Wait(&_mail->Done, 1, &_mail->CallerSleeps, _mail->Spins);
        IdsChanged();
    }

    private int _tid;

    internal override int Tid => _tid;

    internal override nint Call(nint number, nint a = 0, nint b = 0, nint c = 0, nint d = 0, nint e = 0, nint f = 0)
    {
        ObjectDisposedException.ThrowIf(_ended, typeof(NativeKernel));
        var mail = _mail;
        (mail->A, mail->B, mail->C, mail->D, mail->E, mail->F) = (a, b, c, d, e, f);
        Mailbox.Wait(&mail->Done, Post(number), &mail->CallerSleeps, mail->Spins);
        return mail->Result;
    }

    private int Post(nint number)
    {
        _mail->Number = number;
        int sequence = _mail->Posted + 1;
        Volatile.Write(ref _mail->Posted, sequence);
        Mailbox.Wake(&_mail->Posted);
        return sequence;
    }

    internal override void Run(Action program) => program();

    internal override void Outside(Action code) => code();

    internal override NativeTask Fork()
    {
        var child = new TaskProcess(_owner);
        child.Begin((int)Call(Nr.Clone, CloneVm | CloneParent, f: (nint)child._mail));
        return child;
    }

    /// <summary>The kernel forgets whose end is to be followed when ids change.</summary>
    internal override void IdsChanged() => _ = Call(Nr.Prctl, ParentDeathSignal, Kill);

    internal override void End()
    {
        if (_ended)
            return;
        _ = Post(Nr.Exit);
        _ended = true;
        while (Libc.Syscall(Nr.Wait4, _tid, 0, WaitAny, 0, 0, 0) != _tid && *Libc.ErrnoLocation() == (int)Errno.EINTR)
        {
        }
        NativeMemory.AlignedFree(_mail);
        if (--_owner.Users == 0)
            _owner.Thread.End();
    }
}

/// <summary>Makes processes in user name spaces of their own.</summary>
internal static unsafe class UserProcess
{
    private const int PathOnly = 0x200000, CloseOnExec = 0x80000, WriteOnly = 1, Cwd = -100;

    /// <summary>A process like the task, but in a new user name space with these ids; with <see cref="TaskProcess.NewNs"/> also in a copy of the mount name space.</summary>
    /// <remarks>The kernel makes no user name space for a task with a root of its own, so the thread that starts the process leaves it, and the process goes back.</remarks>
    internal static SysResult<TaskProcess> Start(NativeTask parent, in UserMaps maps, nint flags)
    {
        if (parent.Fork() is not TaskThread thread)
            throw new PlatformNotSupportedException("A task in a user name space makes no other one.");
        Span<byte> directory = new byte[4096];
        var started = Start(thread, directory, flags, out int root, out int space);
        if (!started.IsOk)
        {
            thread.End();
            return started;
        }
        var process = started.Value;
        var error = WriteMap(thread, process.Tid, "uid_map", maps.Uids.Span);
        if (error == Errno.OK)
            error = WriteMap(thread, process.Tid, "gid_map", maps.Gids.Span);
        if (error == Errno.OK)
            error = GoBack(process, directory);
        _ = process.Call(Nr.Close, root);
        _ = process.Call(Nr.Close, space);
        thread.LetGo();
        if (error == Errno.OK)
            return process;
        process.End();
        return error;
    }

    private static SysResult<TaskProcess> Start(TaskThread thread, Span<byte> directory, nint flags, out int root, out int space)
    {
        root = space = -1;
        fixed (byte* slash = "/\0"u8, own = "/proc/thread-self/ns/mnt\0"u8, name = directory)
        {
            _ = thread.Call(Nr.Getcwd, (nint)name, directory.Length);
            nint result = root = (int)thread.Call(Nr.Openat, Cwd, (nint)slash, PathOnly | CloseOnExec);
            if (result >= 0)
                result = space = (int)thread.Call(Nr.Openat, Cwd, (nint)own, CloseOnExec);
            if (result >= 0)
                result = thread.Call(Nr.Setns, space, TaskProcess.NewNs);
            if (result >= 0)
                result = thread.Call(Nr.Fchdir, root);
            return result < 0 ? (Errno)(-result) : TaskProcess.Start(thread, TaskProcess.NewUser | flags);
        }
    }

    private static Errno WriteMap(TaskThread thread, int pid, string file, ReadOnlySpan<IdMapExtent> extents)
    {
        if (extents.IsEmpty)
            return Errno.OK;
        var lines = new StringBuilder();
        foreach (var extent in extents)
            _ = lines.Append(extent).Append('\n');
        byte[] text = Encoding.ASCII.GetBytes(lines.ToString());
        fixed (byte* path = Encoding.ASCII.GetBytes($"/proc/{pid}/{file}\0"), data = text)
        {
            nint fd = thread.Call(Nr.Openat, Cwd, (nint)path, WriteOnly | CloseOnExec);
            if (fd < 0)
                return (Errno)(-fd);
            nint written = thread.Call(Nr.Write, fd, (nint)data, text.Length);
            _ = thread.Call(Nr.Close, fd); // the write has done it
            return written < 0 ? (Errno)(-written) : Errno.OK;
        }
    }

    /// <summary>The working directory is the root to go back to, in the process's own copy of the mounts.</summary>
    private static Errno GoBack(TaskProcess process, ReadOnlySpan<byte> directory)
    {
        fixed (byte* here = ".\0"u8, name = directory)
        {
            nint result = process.Call(Nr.Chroot, (nint)here);
            _ = process.Call(Nr.Chdir, (nint)name); // a directory that is gone leaves the task at its root
            return result < 0 ? (Errno)(-result) : Errno.OK;
        }
    }
}
