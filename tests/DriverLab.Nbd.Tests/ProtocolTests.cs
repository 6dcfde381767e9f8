using System.Buffers.Binary;

namespace DriverLab.Nbd.Tests;

/// <summary>What no well-behaved client shows: errors, odd requests, order, allocation.</summary>
public class ProtocolTests
{
    private const ushort Read = 0, Write = 1, Disconnect = 2, Flush = 3, Trim = 4, Cache = 5, WriteZeroes = 6, BlockStatus = 7;

    [TestCase(Read, 2L << 20, 512u, 22u, TestName = "A read past the end is EINVAL")]
    [TestCase(Read, 0L, 0u, 22u, TestName = "An empty read is EINVAL")]
    [TestCase(Read, 1L, 512u, 22u, TestName = "A read across blocks is EINVAL")]
    [TestCase(Read, -512L, 512u, 22u, TestName = "A negative offset is EINVAL")]
    [TestCase(Trim, 2L << 20, 512u, 28u, TestName = "A trim past the end is ENOSPC")]
    [TestCase(WriteZeroes, (2L << 20) - 512, 1024u, 28u, TestName = "Zeroes past the end are ENOSPC")]
    [TestCase(Cache, 0L, 512u, 22u, TestName = "A command that was not offered is EINVAL")]
    [TestCase((ushort)99, 0L, 512u, 22u, TestName = "An unknown command is EINVAL")]
    [TestCase(BlockStatus, 0L, 512u, 22u, TestName = "Block status without its context is EINVAL")]
    [TestCase(Flush, 0L, 512u, 22u, TestName = "A flush of a range is EINVAL")]
    public void Errors(int command, long offset, uint length, uint error)
    {
        using var served = new Served(4096);
        using var client = new RawClient(served.Socket).Go();
        client.Request((ushort)command, 77, offset, length);
        Assert.That(client.Simple(), Is.EqualTo((error, 77UL)));
        // The connection goes on.
        client.Request(Read, 78, 0, 512);
        Assert.That(client.Simple(new byte[512]), Is.EqualTo((0u, 78UL)));
    }

    [Test]
    public void What_the_kernels_worker_ends_at_once_is_answered_without_another_request()
    {
        using var served = new Served(make: layer => new ToldDisk(layer, 4096) { Delays = true, DelayNs = 0 });
        using var client = new RawClient(served.Socket).Go();
        client.Request(Write, 1, 0, 512, payload: new byte[512]);
        Assert.That(client.Simple(), Is.EqualTo((0u, 1UL)));
        client.Request(Read, 2, 0, 512);
        Assert.That(client.Simple(new byte[512]), Is.EqualTo((0u, 2UL)));
    }

    [Test]
    public void A_write_past_the_end_is_ENOSPC_and_its_payload_is_taken()
    {
        using var served = new Served(4096);
        using var client = new RawClient(served.Socket).Go();
        client.Request(Write, 1, 2 << 20, 4096, payload: new byte[4096]);
        Assert.That(client.Simple(), Is.EqualTo((28u, 1UL)));
        client.Request(Write, 2, 0, 512, flags: 0x8000, payload: new byte[512]);
        Assert.That(client.Simple().Error, Is.EqualTo(22), "an unknown flag");
        client.Request(Flush, 3, 0, 0);
        Assert.That(client.Simple(), Is.EqualTo((0u, 3UL)));
    }

    [Test]
    public void Options_that_are_not_there_or_make_no_sense_are_refused_and_negotiation_goes_on()
    {
        using var served = new Served(4096);
        using var client = new RawClient(served.Socket);
        Assert.That(client.Option(5).Type, Is.EqualTo(0x80000001), "TLS");
        Assert.That(client.Option(11).Type, Is.EqualTo(0x80000001), "extended headers");
        Assert.That(client.Option(3, 1, 2, 3).Type, Is.EqualTo(0x80000003), "LIST with data");
        Assert.That(client.Option(9, 0, 0, 0, 0, 0, 0, 0, 0).Type, Is.EqualTo(0x80000003), "contexts before structured replies");
        Assert.That(client.Option(7, 0, 0, 1, 0, 65).Type, Is.EqualTo(0x80000003), "a length beyond the option");
        Assert.That(client.Option(7, 0, 0, 0, 1, 65, 0, 0).Type, Is.EqualTo(0x80000006), "no such export");
        Assert.That(client.Option(7, new byte[100_000]).Type, Is.EqualTo(0x80000009), "too big");
        _ = client.Go();
        client.Request(Read, 1, 0, 512);
        Assert.That(client.Simple(new byte[512]).Error, Is.Zero);
    }

    [Test]
    public void Export_name_gives_the_old_answer_and_a_wrong_one_ends_the_connection()
    {
        using var served = new Served(4096);
        using (var client = new RawClient(served.Socket))
        {
            client.SendOption(1, "nope"u8.ToArray());
            Assert.That(client.IsClosed(), Is.True);
        }
        Assert.That(served.Troubles, Has.One.Contains("'nope'"));
    }

    [Test]
    public void Abort_is_acknowledged()
    {
        using var served = new Served(4096);
        using var client = new RawClient(served.Socket);
        Assert.That(client.Option(2).Type, Is.EqualTo(1));
        Assert.That(client.IsClosed(), Is.True);
    }

    [Test]
    public void A_structured_read_of_a_hole_is_a_hole_and_of_data_is_one_chunk()
    {
        using var served = new Served(4096);
        using var client = new RawClient(served.Socket).Go(structured: true);
        client.Request(Read, 1, 0, 65536, flags: 4);
        var (flags, type, cookie, data) = client.Chunk();
        Assert.That((flags, type, cookie, BinaryPrimitives.ReadUInt32BigEndian(data.AsSpan(8))), Is.EqualTo(((ushort)1, (ushort)2, 1UL, 65536u)));
        client.Request(Write, 2, 4096, 512, payload: Enumerable.Repeat((byte)9, 512).ToArray());
        Assert.That(client.Simple().Error, Is.Zero);
        client.Request(Read, 3, 0, 65536, flags: 4);
        (flags, type, _, data) = client.Chunk();
        Assert.That((flags, type, data.Length, data[8 + 4095], data[8 + 4096]), Is.EqualTo(((ushort)1, (ushort)1, 65536 + 8, (byte)0, (byte)9)));
        client.Request(Read, 4, 2 << 20, 512);
        (_, type, _, data) = client.Chunk();
        Assert.That((type, BinaryPrimitives.ReadUInt32BigEndian(data)), Is.EqualTo(((ushort)32769, 22u)));
    }

    [Test]
    public void Replies_overtake_each_other_when_the_device_takes_its_time()
    {
        ToldDisk disk = null!;
        using var served = new Served(make: layer => disk = new ToldDisk(layer, 4096));
        using var client = new RawClient(served.Socket).Go();
        disk.Delays = true;
        client.Request(Read, 1, 0, 512);
        client.Request(Flush, 2, 0, 0);
        Assert.That(client.Simple().Cookie, Is.EqualTo(2));
        Assert.That(client.Simple(new byte[512]), Is.EqualTo((0u, 1UL)), "the kernel's work runs when it falls due, without another request");
    }

    [Test]
    public void A_stream_out_of_step_ends_the_connection_only()
    {
        using var served = new Served(4096);
        using (var client = new RawClient(served.Socket).Go())
        {
            client.Send(new byte[28]);
            Assert.That(client.IsClosed(), Is.True);
        }
        using var other = new RawClient(served.Socket).Go();
        other.Request(Read, 1, 0, 512);
        Assert.That(other.Simple(new byte[512]).Error, Is.Zero);
        other.Request(Disconnect, 0, 0, 0);
        Assert.That(other.IsClosed(), Is.True);
    }

    [Test]
    public void Random_bytes_never_stop_the_server()
    {
        using var served = new Served(4096);
        var random = new Random(5);
        for (int i = 0; i < 200; i++)
        {
            using var client = new RawClient(served.Socket);
            byte[] junk = new byte[random.Next(1, 400)];
            random.NextBytes(junk);
            if (random.Next(2) == 0)
                "IHAVEOPT"u8.CopyTo(junk.AsSpan().Length >= 8 ? junk : new byte[8]);
            client.Send(junk);
        }
        using var last = new RawClient(served.Socket).Go();
        last.Request(Read, 1, 0, 512);
        Assert.That(last.Simple(new byte[512]).Error, Is.Zero);
    }

    [Test]
    public void Nothing_is_allocated_per_request()
    {
        using var served = new Served();
        using var client = new RawClient(served.Socket).Go();
        byte[] data = new byte[4096];
        void Round()
        {
            for (uint i = 0; i < 32; i++)
                client.Request((ushort)(i % 2), i, i * 4096, 4096, payload: i % 2 == 0 ? default : data);
            for (int i = 0; i < 32; i++)
                PopReply(client, data);
        }
        for (int i = 0; i < 50; i++)
            Round();
        long before = GC.GetTotalAllocatedBytes(precise: true);
        for (int i = 0; i < 100; i++)
            Round();
        long allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
        Assert.That(allocated, Is.LessThan(3200 * 16), "both ends together, 3200 requests; pools may still grow a little");
    }

    [Test]
    public void What_stands_where_the_socket_is_to_be_is_not_lost()
    {
        string file = Path.Combine(Path.GetTempPath(), $"nbd-{Guid.NewGuid():n}");
        try
        {
            File.WriteAllText(file, "a disk image");
            Assert.That(() => NbdServer.Start(file, []), Throws.TypeOf<NbdException>().With.Message.Contains(file).And.Message.Contains("no socket"));
            Assert.That(File.ReadAllText(file), Is.EqualTo("a disk image"));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Test]
    public void A_socket_that_a_killed_server_left_is_replaced_and_one_that_answers_is_not()
    {
        string file = Path.Combine(Path.GetTempPath(), $"nbd-{Guid.NewGuid():n}");
        using (var left = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified))
        {
            left.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(file + ".bound"));
            File.Move(file + ".bound", file); // the runtime removes a socket under the name that it was bound to
        }
        Assert.That(File.Exists(file), "no socket was left: this test shows nothing");
        using var server = NbdServer.Start(file, []);
        Assert.That(() => NbdServer.Start(file, []), Throws.TypeOf<NbdException>().With.Message.Contains("another server answers"));
    }

    // Reads carry even cookies here.
    private static void PopReply(RawClient client, byte[] data)
    {
        var head = client.SimpleHead();
        if (head.Cookie % 2 == 0)
            client.ReceiveInto(data);
        if (head.Error != 0)
            Assert.Fail("errno " + head.Error);
    }
}
