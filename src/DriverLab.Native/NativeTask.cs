namespace DriverLab.Native;

/// <summary>A Linux task that makes calls for others: a thread of this process (<see cref="TaskThread"/>), or a process that shares its memory (<see cref="TaskProcess"/>).</summary>
internal abstract class NativeTask
{
    /// <summary>The kernel's id of the task.</summary>
    internal abstract int Tid { get; }

    /// <summary>One system call on this task: a value, or a negated errno.</summary>
    internal abstract nint Call(nint number, nint a = 0, nint b = 0, nint c = 0, nint d = 0, nint e = 0, nint f = 0);

    /// <summary>Runs code as this task, or as near to it as can be, and waits; its exception reaches the caller.</summary>
    internal abstract void Run(Action program);

    /// <summary>Inside a program: runs code on the thread that waits for the program. On any other thread a plain call.</summary>
    internal abstract void Outside(Action code);

    /// <summary>A task that begins with a copy of this one's descriptors, root, directory and ids.</summary>
    internal abstract NativeTask Fork();

    /// <summary>Ends the task; returns when the kernel has let go of what it held.</summary>
    internal abstract void End();

    /// <summary>The task has taken on other ids.</summary>
    internal virtual void IdsChanged() { }
}
