using System.Runtime.InteropServices;
using System.Text;
using DriverLab.Linux.Abi;

namespace DriverLab.Linux.Remote;

/// <summary>Carries out the calls of <see cref="RemoteKernel"/>s on kernels of this process: messages in, messages out.</summary>
/// <remarks>A malformed message is refused with a sentence and changes nothing. One thread at a time.</remarks>
/// <param name="newTask">Makes a task that a client starts from.</param>
public sealed partial class KernelCallServer(Func<IKernel> newTask) : IDisposable
{
    private readonly Dictionary<uint, IKernel> _tasks = [];
    private uint _lastTask;

    /// <summary>Carries out one request and returns the reply.</summary>
    public byte[] Handle(ReadOnlySpan<byte> request)
    {
        if (CallView.TryRead(request, out var call) is { } complaint)
            return Text(CallOutcome.Refused, complaint);
        try
        {
            return Handle(in call);
        }
        catch (NotModelledException e)
        {
            return Text(CallOutcome.NotModelled, e.Message);
        }
        catch (WouldHangException e)
        {
            return Text(CallOutcome.WouldHang, e.Message);
        }
        catch (KernelOopsException e)
        {
            return Text(CallOutcome.Oops, e.Message);
        }
    }

    /// <summary>Serves frames (length in 4 little-endian bytes, message) until the stream ends.</summary>
    public void Serve(Stream stream)
    {
        byte[] request = new byte[4096];
        while (StreamCallChannel.TryReadFrame(stream, ref request, out int length))
            StreamCallChannel.WriteFrame(stream, Handle(request.AsSpan(0, length)));
    }

    /// <summary>Ends every task that clients left.</summary>
    public void Dispose()
    {
        foreach (var task in _tasks.Values)
            task.Dispose();
        _tasks.Clear();
    }

    private byte[] Handle(in CallView call)
    {
        if (call.Op == KernelOp.NewTask)
            return Value(Add(newTask()));
        if (!_tasks.TryGetValue(call.Task, out var kernel))
            return Text(CallOutcome.Refused, $"task {call.Task} does not exist");
        switch (call.Op)
        {
            case KernelOp.Fork:
                return Value(Add(kernel.Fork()));
            case KernelOp.ForkInUserNamespace:
                var error = kernel.ForkInUserNamespace(Maps(in call), out var made);
                return made is null ? Value(0, error) : Value(Add(made));
            case KernelOp.Dispose:
                _ = _tasks.Remove(call.Task);
                kernel.Dispose();
                return Value(0);
            case KernelOp.GetProfile:
                return Text(CallOutcome.Answered, ProfileText.Write(kernel.Profile));
            default:
                byte[] reply = new byte[ReplyHeader.Size + call.Room];
                var done = Dispatch(kernel, in call, reply.AsSpan(ReplyHeader.Size));
                if (!done.Known)
                    return Text(CallOutcome.Refused, $"operation {(int)call.Op} is unknown to this server");
                Seal(reply, done);
                return done.Length == call.Room ? reply : reply[..(ReplyHeader.Size + done.Length)];
        }
    }

    private uint Add(IKernel task)
    {
        _tasks.Add(++_lastTask, task);
        return _lastTask;
    }

    private static byte[] Value(long value, Errno error = Errno.OK)
    {
        byte[] reply = new byte[ReplyHeader.Size];
        Seal(reply, new Done(value, error, 0));
        return reply;
    }

    private static byte[] Text(CallOutcome outcome, string text)
    {
        byte[] reply = new byte[ReplyHeader.Size + Encoding.UTF8.GetByteCount(text)];
        int length = Encoding.UTF8.GetBytes(text, reply.AsSpan(ReplyHeader.Size));
        MemoryMarshal.Write(reply, new ReplyHeader { Outcome = outcome, Length = length, Value = length });
        return reply;
    }

    private static void Seal(byte[] reply, Done done)
        => MemoryMarshal.Write(reply, new ReplyHeader { Value = done.Value, Error = done.Error, Length = done.Length });

    /// <summary>The end of a call: its value, errno, and how many bytes of the output go back.</summary>
    private readonly record struct Done(long Value, Errno Error, int Length, bool Known = true)
    {
        public static implicit operator Done(Errno error) => new(0, error, 0);
        public static implicit operator Done(SysResult<int> result) => new(result.Value, result.Error, 0);
        public static implicit operator Done(SysResult<long> result) => new(result.Value, result.Error, 0);
        public static implicit operator Done(SysResult<Fd> result) => new(result.Value.Value, result.Error, 0);
        public static implicit operator Done(SysResult<OpenFlags> result) => new((long)result.Value, result.Error, 0);

        /// <summary>A call that filled as much of its room as its value says.</summary>
        internal static Done Filled(SysResult<int> result, int room)
            => new(result.Value, result.Error, result.IsOk ? Math.Min(result.Value, room) : 0);
    }
}
