using System.IO.Pipes;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Remote;
using DriverLab.Native;

namespace DriverLab.Linux.Tests;

/// <summary>The protocol of single calls; that every call arrives whole is shown by the contracts, which run through it.</summary>
public sealed class RemoteKernelTests
{
    [Test]
    public void Calls_go_over_a_stream()
    {
        using var toServer = new AnonymousPipeServerStream(PipeDirection.Out);
        using var toClient = new AnonymousPipeServerStream(PipeDirection.Out);
        using var serverIn = new AnonymousPipeClientStream(PipeDirection.In, toServer.ClientSafePipeHandle);
        using var clientIn = new AnonymousPipeClientStream(PipeDirection.In, toClient.ClientSafePipeHandle);
        var serving = new Thread(() =>
        {
            using var server = new KernelCallServer(NativeKernel.NewTask);
            server.Serve(new TwoWay(serverIn, toClient));
        });
        serving.Start();
        using (var kernel = RemoteKernel.NewTask(new StreamCallChannel(new TwoWay(clientIn, toServer))))
        {
            using var child = kernel.Fork();
            var fd = child.OpenAt(Fd.Cwd, "/dev/zero"u8, OpenFlags.O_RDONLY, 0).Value;
            Assert.That((child.Read(fd, new byte[100_000]).Value, kernel.GetStatusFlags(fd).Error, kernel.Profile.Name.Length > 0), Is.EqualTo((100_000, Errno.EBADF, true)));
        }
        toServer.Dispose();
        Assert.That(serving.Join(TimeSpan.FromSeconds(10)), Is.True);
    }

    [Test]
    public void Gap_and_hang_arrive_as_what_they_are()
    {
        using var server = new KernelCallServer(() => throw new NotModelledException("forks on Tuesdays"));
        Assert.That(() => RemoteKernel.NewTask(new Direct(server)), Throws.TypeOf<NotModelledException>().With.Message.EqualTo("forks on Tuesdays"));
        using var hanging = new KernelCallServer(() => throw new WouldHangException("a pool that is full"));
        Assert.That(() => RemoteKernel.NewTask(new Direct(hanging)), Throws.TypeOf<WouldHangException>());
    }

    [Test]
    public void A_message_that_does_not_add_up_is_refused_with_a_sentence()
    {
        using var server = new KernelCallServer(NativeKernel.NewTask);
        Assert.That(() => RemoteKernel.NewTask(new Cut(server)), Throws.TypeOf<RemoteKernelException>().With.Message.Contains("at least"));
    }

    [TestCase(1)]
    [TestCase(2)]
    public void Random_messages_never_break_the_server(int seed)
    {
        // Only operations on descriptors that are closed: whatever the bytes say, this machine stays as it is.
        TestContext.Out.WriteLine($"seed {seed}");
        var random = new Random(seed);
        using var server = new KernelCallServer(NativeKernel.NewTask);
        using var kernel = RemoteKernel.NewTask(new Direct(server));
        for (int i = 0; i < 20_000; i++)
        {
            byte[] message = new byte[random.Next(0, 120)];
            random.NextBytes(message);
            if (message.Length >= 28)
            {
                message[0] = (byte)random.Next(200, 256);
                message.AsSpan(4, 4).Clear();
                message[4] = (byte)random.Next(0, 3);
                if (random.Next(2) == 0)
                    message.AsSpan(8, 20).Clear();
            }
            Assert.That(server.Handle(message), Has.Length.GreaterThanOrEqualTo(16));
        }
        Assert.That(kernel.Chdir("/"u8), Is.EqualTo(Errno.OK));
    }

    private class Direct(KernelCallServer server) : ICallChannel
    {
        public virtual ReadOnlyMemory<byte> Exchange(ReadOnlySpan<byte> request) => server.Handle(request);
    }

    private sealed class Cut(KernelCallServer server) : Direct(server)
    {
        public override ReadOnlyMemory<byte> Exchange(ReadOnlySpan<byte> request) => base.Exchange(request[..20]);
    }

    private sealed class TwoWay(Stream input, Stream output) : Stream
    {
        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => true;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }
        public override void Flush() => output.Flush();
        public override int Read(byte[] buffer, int offset, int count) => input.Read(buffer, offset, count);
        public override int Read(Span<byte> buffer) => input.Read(buffer);
        public override void Write(byte[] buffer, int offset, int count) => output.Write(buffer, offset, count);
        public override void Write(ReadOnlySpan<byte> buffer) => output.Write(buffer);
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
