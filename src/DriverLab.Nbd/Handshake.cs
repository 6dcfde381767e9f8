using System.Buffers.Binary;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace DriverLab.Nbd;

/// <summary>Fixed newstyle negotiation with one client: TLS, which export, structured replies, allocation context.</summary>
/// <param name="channel">The client.</param>
/// <param name="exports">What there is.</param>
/// <param name="certificate">With one, nothing is told without TLS.</param>
internal sealed class Handshake(NbdChannel channel, IReadOnlyList<NbdExport> exports, X509Certificate2? certificate)
{
    private readonly byte[] _head = new byte[32];
    private bool _noZeroes;
    private string? _contextExport;

    /// <summary>The client understands structured replies.</summary>
    public bool Structured { get; private set; }

    /// <summary>The client asked for <c>base:allocation</c> of the export that it took.</summary>
    public bool Allocation { get; private set; }

    /// <summary>Negotiates; null when the client went away without an export.</summary>
    /// <exception cref="NbdException">The client broke the protocol.</exception>
    public NbdExport? Run()
    {
        BinaryPrimitives.WriteUInt64BigEndian(_head, NbdProtocol.InitMagic);
        BinaryPrimitives.WriteUInt64BigEndian(_head.AsSpan(8), NbdProtocol.OptionMagic);
        BinaryPrimitives.WriteUInt16BigEndian(_head.AsSpan(16), NbdProtocol.FixedNewstyle | NbdProtocol.NoZeroes);
        channel.Send(_head.AsSpan(0, 18));
        if (!TryReceive(_head.AsSpan(0, 4)))
            return null;
        uint flags = BinaryPrimitives.ReadUInt32BigEndian(_head);
        if ((flags & ~(uint)(NbdProtocol.FixedNewstyle | NbdProtocol.NoZeroes)) != 0 || (flags & NbdProtocol.FixedNewstyle) == 0)
            throw new NbdException($"client flags {flags:x}; expected fixed newstyle (1), perhaps with no zeroes (2)");
        _noZeroes = (flags & NbdProtocol.NoZeroes) != 0;
        while (TryReceive(_head.AsSpan(0, 16)))
        {
            if (BinaryPrimitives.ReadUInt64BigEndian(_head) != NbdProtocol.OptionMagic)
                throw new NbdException("an option does not begin with IHAVEOPT");
            var option = (NbdOption)BinaryPrimitives.ReadUInt32BigEndian(_head.AsSpan(8));
            uint length = BinaryPrimitives.ReadUInt32BigEndian(_head.AsSpan(12));
            if (length > NbdProtocol.LargestOption)
            {
                Skip(option, length);
                continue;
            }
            byte[] data = new byte[length];
            if (!TryReceive(data))
                return null;
            if (option == NbdOption.ExportName)
                return MustEncrypt ? throw new NbdException("a client asked for an export without TLS") : ByName(data);
            if (option == NbdOption.Abort)
            {
                Reply(option, NbdReply.Ack, []);
                return null;
            }
            if (Answer(option, data) is { } chosen)
                return chosen;
        }
        return null;
    }

    private bool MustEncrypt => certificate is not null && !channel.IsSecure;

    /// <summary>Answers one option; an export ends the negotiation.</summary>
    private NbdExport? Answer(NbdOption option, byte[] data)
    {
        if (MustEncrypt && option != NbdOption.StartTls)
        {
            Refuse(option, NbdReply.TlsRequired, "this server speaks TLS only");
            return null;
        }
        switch (option)
        {
            case NbdOption.StartTls when certificate is not null:
                StartTls(data, certificate);
                break;
            case NbdOption.List:
                List(data);
                break;
            case NbdOption.Info or NbdOption.Go:
                return InfoOrGo(option, data) is { } export && option == NbdOption.Go ? export : null;
            case NbdOption.StructuredReply:
                Structured |= data.Length == 0;
                Reply(option, data.Length == 0 ? NbdReply.Ack : NbdReply.Invalid, []);
                break;
            case NbdOption.ListMetaContext or NbdOption.SetMetaContext:
                MetaContext(option, data);
                break;
            case NbdOption.ExportName or NbdOption.Abort or NbdOption.StartTls:
            default:
                Refuse(option, NbdReply.Unsupported, $"option {(uint)option} is not supported");
                break;
        }
        return null;
    }

    /// <summary>What was agreed in the clear does not count any more.</summary>
    private void StartTls(byte[] data, X509Certificate2 certificate)
    {
        if (data.Length != 0 || channel.IsSecure)
        {
            Refuse(NbdOption.StartTls, NbdReply.Invalid, channel.IsSecure ? "TLS is on" : "STARTTLS carries no data");
            return;
        }
        Reply(NbdOption.StartTls, NbdReply.Ack, []);
        channel.StartTls(certificate);
    }

    /// <summary>EXPORT_NAME cannot fail politely: a wrong name ends the connection.</summary>
    private NbdExport ByName(byte[] data)
    {
        string name = Encoding.UTF8.GetString(data);
        var export = Find(name) ?? throw new NbdException($"a client asked for export '{name}', which does not exist");
        Span<byte> answer = stackalloc byte[8 + 2 + 124];
        answer.Clear();
        BinaryPrimitives.WriteInt64BigEndian(answer, export.Device.CapacityBytes);
        BinaryPrimitives.WriteUInt16BigEndian(answer[8..], (ushort)export.Flags);
        Allocation = Allocation && _contextExport == export.Name;
        channel.Send(answer[..(_noZeroes ? 10 : 134)]);
        return export;
    }

    private void List(byte[] data)
    {
        if (data.Length != 0)
        {
            Refuse(NbdOption.List, NbdReply.Invalid, "LIST carries no data");
            return;
        }
        foreach (var export in exports)
        {
            byte[] name = Encoding.UTF8.GetBytes(export.Name), text = Encoding.UTF8.GetBytes(export.Description), reply = new byte[4 + name.Length + text.Length];
            BinaryPrimitives.WriteInt32BigEndian(reply, name.Length);
            name.CopyTo(reply, 4);
            text.CopyTo(reply, 4 + name.Length);
            Reply(NbdOption.List, NbdReply.Server, reply);
        }
        Reply(NbdOption.List, NbdReply.Ack, []);
    }

    private NbdExport? InfoOrGo(NbdOption option, ReadOnlySpan<byte> data)
    {
        if (!TakeText(ref data, out string name) || data.Length < 2 || data.Length != 2 + (2 * BinaryPrimitives.ReadUInt16BigEndian(data)))
        {
            Refuse(option, NbdReply.Invalid, "the lengths in the option do not add up");
            return null;
        }
        if (Find(name) is not { } export)
        {
            Refuse(option, NbdReply.Unknown, $"there is no export '{name}'");
            return null;
        }
        Span<byte> info = stackalloc byte[14];
        BinaryPrimitives.WriteUInt16BigEndian(info, NbdProtocol.InfoExport);
        BinaryPrimitives.WriteInt64BigEndian(info[2..], export.Device.CapacityBytes);
        BinaryPrimitives.WriteUInt16BigEndian(info[10..], (ushort)export.Flags);
        Reply(option, NbdReply.Info, info[..12]);
        for (data = data[2..]; data.Length > 0; data = data[2..])
        {
            ushort wanted = BinaryPrimitives.ReadUInt16BigEndian(data);
            if (wanted is NbdProtocol.InfoName or NbdProtocol.InfoDescription)
            {
                byte[] text = Encoding.UTF8.GetBytes("\0\0" + (wanted == NbdProtocol.InfoName ? export.Name : export.Description));
                BinaryPrimitives.WriteUInt16BigEndian(text, wanted);
                Reply(option, NbdReply.Info, text);
            }
        }
        BinaryPrimitives.WriteUInt16BigEndian(info, NbdProtocol.InfoBlockSize);
        BinaryPrimitives.WriteUInt32BigEndian(info[2..], export.Device.Limits.LogicalBlockSize);
        BinaryPrimitives.WriteUInt32BigEndian(info[6..], Math.Max(4096, export.Device.Limits.PhysicalBlockSize));
        BinaryPrimitives.WriteUInt32BigEndian(info[10..], NbdProtocol.LargestPayload);
        Reply(option, NbdReply.Info, info);
        Reply(option, NbdReply.Ack, []);
        Allocation = Allocation && (option == NbdOption.Info || _contextExport == export.Name);
        return export;
    }

    private void MetaContext(NbdOption option, ReadOnlySpan<byte> data)
    {
        if (!Structured)
        {
            Refuse(option, NbdReply.Invalid, "meta contexts need structured replies");
            return;
        }
        if (option == NbdOption.SetMetaContext)
            (Allocation, _contextExport) = (false, null);
        if (!TakeText(ref data, out string name) || data.Length < 4)
        {
            Refuse(option, NbdReply.Invalid, "the lengths in the option do not add up");
            return;
        }
        uint count = BinaryPrimitives.ReadUInt32BigEndian(data);
        data = data[4..];
        bool wanted = count == 0 && option == NbdOption.ListMetaContext;
        for (uint i = 0; i < count; i++)
        {
            if (!TakeText(ref data, out string query))
            {
                Refuse(option, NbdReply.Invalid, "the lengths in the option do not add up");
                return;
            }
            wanted |= query == NbdProtocol.AllocationName || (option == NbdOption.ListMetaContext && query == "base:");
        }
        if (Find(name) is not { } export)
        {
            Refuse(option, NbdReply.Unknown, $"there is no export '{name}'");
            return;
        }
        if (wanted)
        {
            byte[] reply = Encoding.UTF8.GetBytes("\0\0\0\0" + NbdProtocol.AllocationName);
            BinaryPrimitives.WriteUInt32BigEndian(reply, option == NbdOption.SetMetaContext ? NbdProtocol.AllocationContext : 0);
            Reply(option, NbdReply.MetaContext, reply);
            if (option == NbdOption.SetMetaContext)
                (Allocation, _contextExport) = (true, export.Name);
        }
        Reply(option, NbdReply.Ack, []);
    }

    private static bool TakeText(ref ReadOnlySpan<byte> data, out string text)
    {
        text = "";
        if (data.Length < 4 || BinaryPrimitives.ReadUInt32BigEndian(data) is var length && length > data.Length - 4)
            return false;
        text = Encoding.UTF8.GetString(data.Slice(4, (int)length));
        data = data[(4 + (int)length)..];
        return true;
    }

    private NbdExport? Find(string name) =>
        exports.FirstOrDefault(export => export.Name == name) ?? (name.Length == 0 && exports.Count == 1 ? exports[0] : null);

    private void Skip(NbdOption option, uint length)
    {
        byte[] nowhere = new byte[4096];
        for (long left = length; left > 0; left -= Math.Min(left, nowhere.Length))
        {
            if (!TryReceive(nowhere.AsSpan(0, (int)Math.Min(left, nowhere.Length))))
                throw new NbdException("the client went away in the middle of an option");
        }
        Refuse(option, NbdReply.TooBig, $"an option of {length} bytes; at most {NbdProtocol.LargestOption} are taken");
    }

    private void Refuse(NbdOption option, NbdReply why, string sentence) => Reply(option, why, Encoding.UTF8.GetBytes(sentence));

    private void Reply(NbdOption option, NbdReply type, ReadOnlySpan<byte> data)
    {
        byte[] reply = new byte[20 + data.Length];
        BinaryPrimitives.WriteUInt64BigEndian(reply, NbdProtocol.OptionReplyMagic);
        BinaryPrimitives.WriteUInt32BigEndian(reply.AsSpan(8), (uint)option);
        BinaryPrimitives.WriteUInt32BigEndian(reply.AsSpan(12), (uint)type);
        BinaryPrimitives.WriteInt32BigEndian(reply.AsSpan(16), data.Length);
        data.CopyTo(reply.AsSpan(20));
        channel.Send(reply);
    }

    private bool TryReceive(Span<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            int n = channel.Receive(bytes);
            if (n == 0)
                return false;
            bytes = bytes[n..];
        }
        return true;
    }
}
