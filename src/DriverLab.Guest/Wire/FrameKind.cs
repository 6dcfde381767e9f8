namespace DriverLab.Guest.Wire;

/// <summary>What a frame on the virtio-serial port means. Values are the protocol: append, never renumber.</summary>
/// <remarks>Requests go to the guest, everything else comes back with the request's id.</remarks>
internal enum FrameKind : byte
{
    /// <summary>To the guest: a nonce. From the guest: <c>key=value</c> lines with the same nonce, its release and its modules.</summary>
    Hello = 1,
    /// <summary>From the guest: one line of text about what it is doing.</summary>
    Progress = 2,
    /// <summary>To the guest: answer with <see cref="Done"/>; proves that user space still runs.</summary>
    Ping = 3,
    /// <summary>From the guest: the request is finished; payload empty, or an exit status as a 32-bit number.</summary>
    Done = 4,
    /// <summary>From the guest: the request failed; payload is one sentence.</summary>
    Failed = 5,
    /// <summary>To the guest: a batch of programs, in the runner's own encoding.</summary>
    RunProgram = 6,
    /// <summary>From the guest: one line of a trace, sent before the next call is made.</summary>
    TraceLine = 7,
    /// <summary>To the guest: one <c>IKernel</c> call. Answered by <see cref="KernelReply"/>.</summary>
    KernelCall = 8,
    /// <summary>From the guest: the result of a kernel call.</summary>
    KernelReply = 9,
    /// <summary>To the guest: a command (<c>NUL</c>-separated arguments).</summary>
    Exec = 10,
    /// <summary>From the guest: bytes that the command wrote to standard output or standard error.</summary>
    Output = 11,
    /// <summary>To the guest: a file; see <see cref="Payload.File"/>.</summary>
    PutFile = 12,
    /// <summary>To the guest: real-time clock in nanoseconds since 1970 as a 64-bit number.</summary>
    SetClock = 13,
    /// <summary>To the guest: <c>NUL</c>-separated names of modules to load with what they depend on.</summary>
    LoadModules = 14,
    /// <summary>To the guest: write the stacks of blocked tasks to the console.</summary>
    DumpBlocked = 15,
    /// <summary>To the guest: stop the machine. There is no answer but the end of the connection.</summary>
    PowerOff = 16,
    /// <summary>To the guest: bytes stirred into the random pool; sent after a saved machine was restored.</summary>
    Entropy = 17,
    /// <summary>To the guest: a command as <see cref="Exec"/>, whose standard input comes in <see cref="Input"/> frames of the same id; output and errors come back apart.</summary>
    ExecWithInput = 18,
    /// <summary>To the guest: bytes for the command's standard input; no bytes: its end.</summary>
    Input = 19,
    /// <summary>From the guest: so many bytes of input were taken, a 32-bit number; the host sends no more than <see cref="Payload.InputWindow"/> ahead of it.</summary>
    InputTaken = 20,
    /// <summary>From the guest: bytes that a command with input wrote to standard error.</summary>
    ErrorOutput = 21,
    /// <summary>To the guest: a signal, a 32-bit number, for the command with that id and for what it started.</summary>
    Signal = 22,
    /// <summary>To the guest: send a file, named by its path, as <see cref="Output"/> frames.</summary>
    GetFile = 23,
}
