using System.Buffers.Text;
using System.Globalization;
using System.Text;
using DriverLab.Linux.Abi;

namespace DriverLab.StorageDrivers.Layers.Tar;

/// <summary>Writes a tar: ustar headers, with a pax header before an entry only where ustar cannot say it. The same entries give the same bytes.</summary>
public sealed class TarWriter(Stream stream)
{
    private const int Block = 512;
    private const long UstarMaxSize = 0x1_FFFF_FFFF; // 11 octal digits
    private const long UstarMaxId = 0x1F_FFFF; // 7 octal digits
    private static readonly byte[] s_zeroes = new byte[2 * Block];
    private readonly byte[] _header = new byte[Block];
    private long _contentLeft;
    private int _padding;

    /// <summary>Bytes written so far.</summary>
    public long Written { get; private set; }

    /// <summary>Begins an entry; a file's content of exactly <see cref="TarEntry.Size"/> bytes follows through <see cref="WriteContent"/>.</summary>
    public void WriteEntry(TarEntry entry)
    {
        EndContent();
        var pax = Pax(entry);
        if (pax.Count > 0)
            WritePax(entry, [.. pax]);
        FillHeader(entry.Name, (byte)entry.Type, entry.Permissions, entry.Uid, entry.Gid, entry.Size, entry.Mtime.Seconds, entry.LinkName);
        if (entry.Type is TarType.Char or TarType.Block)
        {
            Octal(_header.AsSpan(329, 8), entry.Device.Major);
            Octal(_header.AsSpan(337, 8), entry.Device.Minor);
        }
        Emit(Sealed());
        _contentLeft = entry.Size;
        _padding = (int)((Block - entry.Size % Block) % Block);
    }

    /// <summary>Content of the entry last begun.</summary>
    public void WriteContent(ReadOnlySpan<byte> data)
    {
        if (data.Length > _contentLeft)
            throw new InvalidOperationException($"{data.Length} bytes of content where {_contentLeft} are left");
        Emit(data);
        _contentLeft -= data.Length;
    }

    /// <summary>The end marker: two blocks of zeroes.</summary>
    public void Finish()
    {
        EndContent();
        Emit(s_zeroes);
        stream.Flush();
    }

    private void EndContent()
    {
        if (_contentLeft != 0)
            throw new InvalidOperationException($"{_contentLeft} bytes of content are missing");
        Emit(s_zeroes.AsSpan(0, _padding));
        _padding = 0;
    }

    private static List<byte> Pax(TarEntry e)
    {
        var records = new List<byte>();
        if (!FitsUstar(e.Name))
            Record(records, "path"u8, e.Name);
        if (e.LinkName.Length > 100)
            Record(records, "linkpath"u8, e.LinkName);
        if (e.Size > UstarMaxSize)
            Record(records, "size"u8, Number(e.Size));
        if (e.Uid > UstarMaxId)
            Record(records, "uid"u8, Number(e.Uid));
        if (e.Gid > UstarMaxId)
            Record(records, "gid"u8, Number(e.Gid));
        if (e.Mtime.Nanoseconds != 0 || e.Mtime.Seconds is < 0 or > UstarMaxSize)
            Record(records, "mtime"u8, Time(e.Mtime));
        foreach (var xattr in e.Xattrs)
            Record(records, [.. "SCHILY.xattr."u8, .. xattr.Name], xattr.Value);
        return records;
    }

    /// <summary>The record's length counts its own digits, so one digit more may need another one.</summary>
    private static void Record(List<byte> records, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        int rest = key.Length + value.Length + 3;
        int length = rest + 1;
        while (length != rest + Digits(length))
            length = rest + Digits(length);
        records.AddRange(Number(length));
        records.Add((byte)' ');
        records.AddRange(key);
        records.Add((byte)'=');
        records.AddRange(value);
        records.Add((byte)'\n');
    }

    private void WritePax(TarEntry entry, ReadOnlySpan<byte> records)
    {
        var name = ByteText.Name(entry.Name.AsSpan().TrimEnd((byte)'/'));
        byte[] paxName = [.. "PaxHeaders.0/"u8, .. name[..Math.Min(name.Length, 80)]];
        FillHeader(paxName, (byte)'x', (Mode)0x1A4, 0, 0, records.Length, 0, []);
        Emit(Sealed());
        Emit(records);
        Emit(s_zeroes.AsSpan(0, (Block - records.Length % Block) % Block));
    }

    private void FillHeader(ReadOnlySpan<byte> name, byte type, Mode permissions, uint uid, uint gid, long size, long seconds, ReadOnlySpan<byte> link)
    {
        Span<byte> h = _header;
        h.Clear();
        int split = name.Length <= 100 ? 0 : SplitAt(name);
        if (split > 0)
        {
            name[..split].CopyTo(h[345..]);
            name = name[(split + 1)..];
        }
        name[..Math.Min(name.Length, 100)].CopyTo(h);
        Octal(h.Slice(100, 8), (long)permissions);
        Octal(h.Slice(108, 8), uid <= UstarMaxId ? uid : 0);
        Octal(h.Slice(116, 8), gid <= UstarMaxId ? gid : 0);
        Octal(h.Slice(124, 12), size <= UstarMaxSize ? size : 0);
        Octal(h.Slice(136, 12), seconds is >= 0 and <= UstarMaxSize ? seconds : 0);
        h[156] = type;
        link[..Math.Min(link.Length, 100)].CopyTo(h[157..]);
        "ustar\000"u8.CopyTo(h[257..]);
    }

    private Span<byte> Sealed()
    {
        Span<byte> h = _header;
        Octal(h.Slice(148, 7), TarHeader.Sum(h));
        h[155] = (byte)' ';
        return h;
    }

    /// <summary>Octal digits with leading zeroes, and a NUL as the last byte.</summary>
    private static void Octal(Span<byte> field, long value)
    {
        field[^1] = 0;
        for (int i = field.Length - 2; i >= 0; i--, value >>= 3)
            field[i] = (byte)('0' + (value & 7));
    }

    private static bool FitsUstar(ReadOnlySpan<byte> name) => name.Length <= 100 || SplitAt(name) > 0;

    /// <summary>The slash that parts prefix (155 bytes at the most) and name (100), or -1.</summary>
    private static int SplitAt(ReadOnlySpan<byte> name)
    {
        if (name.Length > 256)
            return -1;
        int from = Math.Max(0, name.Length - 101);
        int slash = name[from..Math.Min(name.Length - 1, 156)].IndexOf((byte)'/');
        return slash < 0 || from + slash == 0 ? -1 : from + slash;
    }

    private static byte[] Number(long value) => Encoding.ASCII.GetBytes(value.ToString(CultureInfo.InvariantCulture));

    private static int Digits(int value) => value.ToString(CultureInfo.InvariantCulture).Length;

    private static byte[] Time(Timespec t)
    {
        var (seconds, ns) = (t.Seconds, t.Nanoseconds);
        string sign = "";
        if (seconds < 0 && ns > 0)
            (sign, seconds, ns) = ("-", -(seconds + 1), 1_000_000_000 - ns);
        string text = ns == 0 ? $"{seconds}" : $"{sign}{seconds}.{ns:d9}".TrimEnd('0');
        return Encoding.ASCII.GetBytes(text);
    }

    private void Emit(ReadOnlySpan<byte> data)
    {
        stream.Write(data);
        Written += data.Length;
    }
}
