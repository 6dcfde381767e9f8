using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using DriverLab.Linux.Abi;

namespace DriverLab.Linux.Remote;

/// <summary>A task on a kernel elsewhere, behind a channel: every call is one round trip. For single calls (contract tests, users' fixtures); whole programs are sent instead.</summary>
/// <remarks>Tasks of one connection may be used by several threads; their calls take turns.</remarks>
public sealed partial class RemoteKernel : IKernel
{
    private readonly Connection _connection;
    private readonly uint _task;
    private KernelProfile? _profile;
    private bool _disposed;

    private RemoteKernel(Connection connection, uint task) => (_connection, _task) = (connection, task);

    /// <summary>Starts a new task over this channel.</summary>
    public static RemoteKernel NewTask(ICallChannel channel)
    {
        var connection = new Connection(channel);
        var root = new RemoteKernel(connection, 0);
        return new RemoteKernel(connection, (uint)root.Call(KernelOp.NewTask, default).Value);
    }

    /// <inheritdoc/>
    public KernelProfile Profile => _profile ??= ReadProfile();

    /// <inheritdoc/>
    public IKernel Fork() => new RemoteKernel(_connection, (uint)Call(KernelOp.Fork, default).Value) { _profile = _profile };

    /// <inheritdoc/>
    public SysResult<Fd> UserNamespace(in UserMaps maps)
        => NewFd(KernelOp.UserNamespace, default, MemoryMarshal.AsBytes(maps.Uids.Span), MemoryMarshal.AsBytes(maps.Gids.Span));

    /// <inheritdoc/>
    public Errno ForkInUserNamespace(in UserMaps maps, out IKernel? task)
    {
        var reply = Call(KernelOp.ForkInUserNamespace, default, MemoryMarshal.AsBytes(maps.Uids.Span), MemoryMarshal.AsBytes(maps.Gids.Span));
        task = reply.Error == Errno.OK ? new RemoteKernel(_connection, (uint)reply.Value) { _profile = _profile } : null;
        return reply.Error;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        try
        {
            _ = Call(KernelOp.Dispose, default);
        }
        catch (RemoteKernelException)
        {
            // The machine has gone, and the task with it.
        }
    }

    private KernelProfile ReadProfile()
    {
        lock (_connection)
        {
            _ = Call(KernelOp.GetProfile, default);
            return ProfileText.Read(Encoding.UTF8.GetString(_connection.Output.Span));
        }
    }

    /// <summary>One round trip. Output beyond the caller's room is a fault of the server.</summary>
    private ReplyHeader Call(KernelOp op, Numbers numbers, ReadOnlySpan<byte> a = default, ReadOnlySpan<byte> b = default, ReadOnlySpan<byte> c = default,
        ReadOnlySpan<byte> d = default, Span<byte> output = default)
    {
        lock (_connection)
        {
            var header = new CallHeader { Op = op, Task = _task, Room = output.Length, Numbers = numbers.Values };
            (header.Lengths[0], header.Lengths[1], header.Lengths[2], header.Lengths[3]) = (a.Length, b.Length, c.Length, d.Length);
            var reply = _connection.Exchange(in header, a, b, c, d);
            if (op != KernelOp.GetProfile)
            {
                if (reply.Length > output.Length)
                    throw new RemoteKernelException($"{op}: the server sent {reply.Length} bytes where {output.Length} fit");
                _connection.Output.Span.CopyTo(output);
            }
            return reply;
        }
    }

    private Errno Error(KernelOp op, Numbers numbers, ReadOnlySpan<byte> a = default, ReadOnlySpan<byte> b = default, ReadOnlySpan<byte> c = default,
        ReadOnlySpan<byte> d = default) => Call(op, numbers, a, b, c, d).Error;

    private SysResult<int> Count(KernelOp op, Numbers numbers, ReadOnlySpan<byte> a = default, ReadOnlySpan<byte> b = default, Span<byte> output = default)
    {
        var reply = Call(op, numbers, a, b, output: output);
        return reply.Error != Errno.OK ? reply.Error : (int)reply.Value;
    }

    private SysResult<Fd> NewFd(KernelOp op, Numbers numbers, ReadOnlySpan<byte> path = default, ReadOnlySpan<byte> more = default)
    {
        var reply = Call(op, numbers, path, more);
        return reply.Error != Errno.OK ? reply.Error : new Fd((int)reply.Value);
    }

    private Errno Structure<T>(KernelOp op, Numbers numbers, ReadOnlySpan<byte> path, out T value) where T : unmanaged
    {
        value = default;
        return Call(op, numbers, path, output: MemoryMarshal.AsBytes(new Span<T>(ref value))).Error;
    }

    /// <summary>The numbers of a call, as a tuple would be written.</summary>
    private readonly struct Numbers(CallHeader.Numbers6 values)
    {
        internal CallHeader.Numbers6 Values { get; } = values;

        public static implicit operator Numbers(long only) => (only, 0L);
        public static implicit operator Numbers(Fd only) => (only.Value, 0L);
        public static implicit operator Numbers((long A, long B) n) => (n.A, n.B, 0L);
        public static implicit operator Numbers((long A, long B, long C) n) => (n.A, n.B, n.C, 0L);
        public static implicit operator Numbers((long A, long B, long C, long D) n) => (n.A, n.B, n.C, n.D, 0L, 0L);

        public static implicit operator Numbers((long A, long B, long C, long D, long E, long F) n)
        {
            var values = default(CallHeader.Numbers6);
            (values[0], values[1], values[2], values[3], values[4], values[5]) = n;
            return new Numbers(values);
        }
    }

    /// <summary>The channel and its buffers, shared by the tasks of one connection.</summary>
    private sealed class Connection(ICallChannel channel)
    {
        private byte[] _request = new byte[4096];

        internal ReadOnlyMemory<byte> Output { get; private set; }

        internal ReplyHeader Exchange(in CallHeader header, ReadOnlySpan<byte> a, ReadOnlySpan<byte> b, ReadOnlySpan<byte> c, ReadOnlySpan<byte> d)
        {
            int size = CallHeader.Size + a.Length + b.Length + c.Length + d.Length;
            if (_request.Length < size)
                _request = new byte[size];
            MemoryMarshal.Write(_request, in header);
            var rest = _request.AsSpan(CallHeader.Size);
            Append(ref rest, a);
            Append(ref rest, b);
            Append(ref rest, c);
            Append(ref rest, d);
            var message = channel.Exchange(_request.AsSpan(0, size));
            if (message.Length < ReplyHeader.Size)
                throw new RemoteKernelException($"a reply has at least {ReplyHeader.Size} bytes; this one has {message.Length}");
            var reply = MemoryMarshal.Read<ReplyHeader>(message.Span);
            Output = message[ReplyHeader.Size..];
            if (reply.Length != Output.Length)
                throw new RemoteKernelException($"a reply announces {reply.Length} bytes of output and carries {Output.Length}");
            return reply.Outcome switch
            {
                CallOutcome.Answered => reply,
                CallOutcome.NotModelled => throw new NotModelledException(Encoding.UTF8.GetString(Output.Span)),
                CallOutcome.WouldHang => throw new WouldHangException(Encoding.UTF8.GetString(Output.Span)),
                CallOutcome.Oops => throw new KernelOopsException(Encoding.UTF8.GetString(Output.Span)),
                _ => throw new RemoteKernelException($"{header.Op} was refused: {Encoding.UTF8.GetString(Output.Span)}"),
            };
        }

        private static void Append(ref Span<byte> rest, ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(rest);
            rest = rest[bytes.Length..];
        }
    }
}
