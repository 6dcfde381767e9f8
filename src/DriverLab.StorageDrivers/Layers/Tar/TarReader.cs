using System.Buffers;
using System.Buffers.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.StorageDrivers.Layers.Tar;

/// <summary>
/// Reads a tar front to back: ustar, pax and GNU long names. Names, link targets and attribute values stay bytes, which System.Formats.Tar would decode as text.
/// </summary>
/// <remarks>
/// POSIX pax interchange format; GNU tar's <c>L</c> and <c>K</c> entries and base-256 numbers. Refused with EBADMSG: a wrong checksum, a torn archive, one without its end marker,
/// sparse entries. E2BIG: over the limits. Global pax headers are skipped, as Docker does.
/// </remarks>
public sealed class TarReader(Stream stream, TarLimits limits)
{
    private const int Block = 512;
    private readonly byte[] _header = new byte[Block];
    private long _contentLeft;
    private long _padding;
    private long _entries;
    private long _content;
    private bool _ended;

    /// <summary>The next entry, or null at the end marker. Content of the entry before that was not read is skipped.</summary>
    public DriverResult<TarEntry?> Next()
    {
        if (_ended)
            return (TarEntry?)null;
        if (Skip(_contentLeft + _padding) is { } torn)
            return torn;
        (_contentLeft, _padding) = (0, 0);
        var pax = new PaxRecords();
        while (true)
        {
            if (!Fill(_header))
                return Bad("the archive ends without its end marker");
            if (_header.AsSpan().IndexOfAnyExcept((byte)0) < 0)
                return Finish();
            if (!ChecksumIsRight(_header))
                return Bad("a header with a wrong checksum");
            if (++_entries > limits.Entries)
                return new DriverError("tar", "", Errno.E2BIG, $"more than {limits.Entries} entries");
            byte type = _header[156];
            if (type is (byte)'x' or (byte)'g' or (byte)'L' or (byte)'K')
            {
                if (ReadExtension(type, pax) is { } error)
                    return error;
                continue;
            }
            return Entry(type, pax);
        }
    }

    /// <summary>Reads content of the current entry; 0 at its end.</summary>
    /// <returns>EBADMSG: the archive is torn.</returns>
    public DriverResult<int> Read(Span<byte> buffer)
    {
        if (buffer.Length > _contentLeft)
            buffer = buffer[..(int)_contentLeft];
        if (buffer.IsEmpty)
            return 0;
        int got = stream.Read(buffer);
        if (got == 0)
            return Bad("the archive ends inside a file");
        _contentLeft -= got;
        return got;
    }

    /// <summary>The end marker: everything behind it is padding, read so that a digest over the stream covers it.</summary>
    private DriverResult<TarEntry?> Finish()
    {
        _ended = true;
        var buffer = ArrayPool<byte>.Shared.Rent(1 << 16);
        long rest = 0;
        int got;
        while ((got = stream.Read(buffer)) > 0 && rest <= limits.HeaderBytes)
            rest += got;
        ArrayPool<byte>.Shared.Return(buffer);
        // Unbounded padding was a memory bomb for tools that kept it (CVE-2017-14992); nothing real pads by more than a tape record.
        if (rest > limits.HeaderBytes)
            return new DriverError("tar", "", Errno.E2BIG, $"more than {limits.HeaderBytes} bytes behind the end marker");
        return (TarEntry?)null;
    }

    private DriverError? ReadExtension(byte type, PaxRecords pax)
    {
        if (!TryNumber(_header.AsSpan(124, 12), out long size) || size < 0)
            return Bad("an extended header of no size");
        if (size > limits.HeaderBytes)
            return new DriverError("tar", "", Errno.E2BIG, $"an extended header of {size} bytes, at most {limits.HeaderBytes} are accepted");
        var data = new byte[size];
        if (!Fill(data) || Skip(Padding(size)) is not null)
            return Bad("the archive ends inside an extended header");
        switch (type)
        {
            case (byte)'x':
                return pax.Parse(data) ? null : Bad("a malformed pax record");
            case (byte)'L':
                pax.Path = TrimNul(data);
                return null;
            case (byte)'K':
                pax.LinkPath = TrimNul(data);
                return null;
            default:
                return null;
        }
    }

    private DriverResult<TarEntry?> Entry(byte type, PaxRecords pax)
    {
        ReadOnlySpan<byte> h = _header;
        if (type == (byte)'S' || pax.Sparse)
            return Bad("a sparse entry, which layers must not use");
        bool numbers = TryNumber(h.Slice(100, 8), out long mode) & TryNumber(h.Slice(108, 8), out long uid) & TryNumber(h.Slice(116, 8), out long gid)
            & TryNumber(h.Slice(124, 12), out long size) & TryNumber(h.Slice(136, 12), out long seconds);
        if (!numbers)
            return Bad("a header with a malformed number");
        uid = pax.Uid ?? uid;
        gid = pax.Gid ?? gid;
        size = pax.Size ?? size;
        if (uid is < 0 or > uint.MaxValue || gid is < 0 or > uint.MaxValue || size < 0)
            return Bad("an owner or a size out of range");
        byte[] name = pax.Path ?? UstarName(h);
        if (name.AsSpan().Contains((byte)0))
            return Bad("a name with a NUL in it");
        if (TypeOf(type, name) is not { } kind)
            return Bad($"an entry of unknown type 0x{type:x2}");
        DevT device = default;
        if (kind is TarType.Char or TarType.Block)
        {
            if (!(TryNumber(h.Slice(329, 8), out long major) & TryNumber(h.Slice(337, 8), out long minor)) || major is < 0 or > 0xfff || minor is < 0 or > 0xfffff)
                return Bad("a device number out of range");
            device = new DevT((uint)major, (uint)minor);
        }
        // Hard links may repeat the file's size without repeating its content; POSIX lets writers do either, every common writer does not.
        long content = kind == TarType.File ? size : 0;
        if (kind is not (TarType.File or TarType.HardLink) && size != 0)
            return Bad("content behind an entry that has none");
        if ((_content += content) > limits.ContentBytes || _content < 0)
            return new DriverError("tar", ByteText.Show(name), Errno.E2BIG, $"more than {limits.ContentBytes} bytes of content");
        (_contentLeft, _padding) = (content, Padding(content));
        return new TarEntry
        {
            Name = name,
            Type = kind,
            Permissions = (Mode)mode & Mode.S_IALLUGO,
            Uid = (uint)uid,
            Gid = (uint)gid,
            Size = content,
            Mtime = pax.Mtime ?? new Timespec(seconds, 0),
            LinkName = kind is TarType.HardLink or TarType.Symlink ? pax.LinkPath ?? TrimNul(h.Slice(157, 100)) : [],
            Device = device,
            Xattrs = pax.Xattrs,
        };
    }

    private static TarType? TypeOf(byte type, byte[] name) => type switch
    {
        0 or (byte)'0' or (byte)'7' => name is [.., (byte)'/'] ? TarType.Directory : TarType.File,
        >= (byte)'1' and <= (byte)'6' => (TarType)type,
        _ => null,
    };

    internal static byte[] UstarName(ReadOnlySpan<byte> h)
    {
        byte[] name = TrimNul(h[..100]);
        bool posix = h.Slice(257, 6).SequenceEqual("ustar\0"u8);
        byte[] prefix = posix ? TrimNul(h.Slice(345, 155)) : [];
        return prefix.Length == 0 ? name : ByteText.Join(prefix, name);
    }

    /// <summary>The sum of the header's bytes with the field itself as spaces; some old writers summed signed bytes.</summary>
    private static bool ChecksumIsRight(ReadOnlySpan<byte> h)
    {
        if (!TryNumber(h.Slice(148, 8), out long stated))
            return false;
        if (stated == TarHeader.Sum(h))
            return true;
        long signed = 8 * ' ';
        for (int i = 0; i < Block; i++)
            if (i is < 148 or >= 156)
                signed += (sbyte)h[i];
        return stated == signed;
    }

    /// <summary>Octal digits between blanks, or base 256 when the first bit is set.</summary>
    internal static bool TryNumber(ReadOnlySpan<byte> field, out long value)
    {
        value = 0;
        if ((field[0] & 0x80) != 0)
        {
            value = (field[0] & 0x40) != 0 ? -1L << 6 | (long)(field[0] & 0x3f) : field[0] & 0x3f;
            foreach (byte b in field[1..])
            {
                if (value > long.MaxValue >> 8 || value < long.MinValue >> 8)
                    return false;
                value = value << 8 | b;
            }
            return true;
        }
        int nul = field.IndexOf((byte)0);
        var digits = (nul < 0 ? field : field[..nul]).Trim((byte)' ');
        foreach (byte b in digits)
        {
            if (b is < (byte)'0' or > (byte)'7')
                return false;
            value = value << 3 | (long)(b - '0');
        }
        return true;
    }

    private static long Padding(long size) => (Block - size % Block) % Block;

    private static byte[] TrimNul(ReadOnlySpan<byte> field)
    {
        int nul = field.IndexOf((byte)0);
        return (nul < 0 ? field : field[..nul]).ToArray();
    }

    private DriverError? Skip(long bytes)
    {
        if (bytes == 0)
            return null;
        var buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(bytes, 1 << 16));
        int got = 1;
        while (bytes > 0 && got > 0)
        {
            got = stream.Read(buffer.AsSpan(0, (int)Math.Min(bytes, buffer.Length)));
            bytes -= got;
        }
        ArrayPool<byte>.Shared.Return(buffer);
        return bytes > 0 ? Bad("the archive ends inside a file") : null;
    }

    private bool Fill(Span<byte> buffer) => stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false) == buffer.Length;

    private DriverError Bad(string what) => new("tar", $"entry {_entries}", Errno.EBADMSG, what);
}

/// <summary>The pax records that came before an entry: <c>LENGTH KEY=VALUE\n</c>, the length counting itself.</summary>
internal sealed class PaxRecords
{
    private static ReadOnlySpan<byte> XattrPrefix => "SCHILY.xattr."u8;

    public byte[]? Path { get; set; }
    public byte[]? LinkPath { get; set; }
    public long? Uid { get; private set; }
    public long? Gid { get; private set; }
    public long? Size { get; private set; }
    public Timespec? Mtime { get; private set; }
    public bool Sparse { get; private set; }
    public List<Xattr> Xattrs { get; } = [];

    public bool Parse(ReadOnlySpan<byte> data)
    {
        while (!data.IsEmpty)
        {
            if (!Utf8Parser.TryParse(data, out int length, out int digits) || length <= digits + 1 || length > data.Length || data[digits] != ' ' || data[length - 1] != '\n')
                return false;
            var record = data[(digits + 1)..(length - 1)];
            int equals = record.IndexOf((byte)'=');
            if (equals <= 0 || !Take(record[..equals], record[(equals + 1)..]))
                return false;
            data = data[length..];
        }
        return true;
    }

    private bool Take(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        if (key.StartsWith(XattrPrefix))
        {
            Xattrs.Add(new Xattr(key[XattrPrefix.Length..].ToArray(), value.ToArray()));
            return true;
        }
        if (key.StartsWith("GNU.sparse."u8))
            return Sparse = true;
        if (key.SequenceEqual("path"u8))
            Path = value.ToArray();
        else if (key.SequenceEqual("linkpath"u8))
            LinkPath = value.ToArray();
        else if (key.SequenceEqual("uid"u8))
            return (Uid = Whole(value)) is not null;
        else if (key.SequenceEqual("gid"u8))
            return (Gid = Whole(value)) is not null;
        else if (key.SequenceEqual("size"u8))
            return (Size = Whole(value)) is not null;
        else if (key.SequenceEqual("mtime"u8))
            return (Mtime = Time(value)) is not null;
        return true;
    }

    private static long? Whole(ReadOnlySpan<byte> value) =>
        Utf8Parser.TryParse(value, out long number, out int used) && used == value.Length ? number : null;

    /// <summary>Seconds with an optional fraction; digits beyond nanoseconds are cut.</summary>
    private static Timespec? Time(ReadOnlySpan<byte> value)
    {
        int point = value.IndexOf((byte)'.');
        var whole = point < 0 ? value : value[..point];
        if (Whole(whole) is not { } seconds)
            return null;
        long ns = 0;
        var fraction = point < 0 ? [] : value[(point + 1)..];
        for (int i = 0; i < 9; i++)
        {
            int digit = i < fraction.Length ? fraction[i] - '0' : 0;
            if (digit is < 0 or > 9)
                return null;
            ns = ns * 10 + digit;
        }
        if (whole is [(byte)'-', ..] && ns > 0)
            return new Timespec(seconds - 1, 1_000_000_000 - ns);
        return new Timespec(seconds, ns);
    }
}
