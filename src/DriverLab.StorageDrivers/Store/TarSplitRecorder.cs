using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Layers.Tar;

namespace DriverLab.StorageDrivers.Store;

/// <summary>
/// Passes an archive through to its reader, hashes it, and writes down all of it but the contents of files: with these and the files the same bytes can be put together again.
/// </summary>
/// <remarks>
/// The notes are tar-split's: a JSON object a line, type 2 with raw bytes of headers and padding, type 1 with a file's name, size and crc64. github.com/vbatts/tar-split tar/storage.
/// The archive is followed header by header; one that the reader refuses is noted up to there, and thrown away with its layer.
/// </remarks>
internal sealed class TarSplitRecorder(Stream archive, Stream notes) : ForwardStream
{
    private const int Block = 512, LongestSegment = 1 << 16, LongestTail = 16 << 20;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly byte[] _header = new byte[Block];
    private readonly MemoryStream _segment = new();
    private readonly MemoryStream _extra = new();
    private readonly MemoryStream _line = new();
    private readonly PaxRecordsForNotes _pax = new();
    private int _headerLength, _position;
    private long _extraLeft, _contentLeft, _contentSize, _rawLeft, _tail;
    private byte _extraType;
    private byte[] _name = [];
    private Crc64 _crc = new();

    /// <summary>Bytes that passed.</summary>
    public long Bytes { get; private set; }

    /// <summary>The digest of all that passed; call once, at the end.</summary>
    public string Finish()
    {
        FlushSegment();
        notes.Flush();
        return Digest.FromHash(_hash.GetHashAndReset());
    }

    /// <summary>Reads what stands behind the end marker, so that it is part of digest and notes.</summary>
    /// <returns>False when that is more than 16 MiB: an archive has no use for it.</returns>
    public bool ReadTail()
    {
        var buffer = new byte[1 << 14];
        int got;
        while ((got = Read(buffer)) > 0)
            if ((_tail += got) > LongestTail)
                return false;
        return true;
    }

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        int got = archive.Read(buffer);
        var data = buffer[..got];
        _hash.AppendData(data);
        Bytes += got;
        while (!data.IsEmpty)
            data = data[Take(data)..];
        return got;
    }

    private int Take(ReadOnlySpan<byte> data)
    {
        if (_contentLeft > 0)
        {
            int part = (int)Math.Min(data.Length, _contentLeft);
            _crc.Add(data[..part]);
            if ((_contentLeft -= part) == 0)
                WriteFile(_name, _contentSize, _crc.Value);
            return part;
        }
        if (_rawLeft > 0)
        {
            int part = (int)Math.Min(data.Length, _rawLeft);
            AddRaw(data[..part]);
            if (_extraLeft > 0)
            {
                int kept = (int)Math.Min(part, _extraLeft);
                _extra.Write(data[..kept]);
                if ((_extraLeft -= kept) == 0)
                    _pax.Take(_extraType, _extra.GetBuffer().AsSpan(0, (int)_extra.Length));
            }
            _rawLeft -= part;
            return part;
        }
        int taken = Math.Min(data.Length, Block - _headerLength);
        data[..taken].CopyTo(_header.AsSpan(_headerLength));
        AddRaw(data[..taken]);
        if ((_headerLength += taken) == Block)
        {
            _headerLength = 0;
            TakeHeader();
        }
        return taken;
    }

    private void TakeHeader()
    {
        if (_header.AsSpan().IndexOfAnyExcept((byte)0) < 0 || !TarReader.TryNumber(_header.AsSpan(124, 12), out long size) || size < 0)
            return;
        byte type = _header[156];
        if (type is (byte)'x' or (byte)'g' or (byte)'L' or (byte)'K')
        {
            _extra.SetLength(0);
            (_extraType, _extraLeft) = (type, Math.Min(size, TarLimits.Default.HeaderBytes));
            _rawLeft = size + Padding(size);
            return;
        }
        _name = _pax.Name ?? TarReader.UstarName(_header);
        if (type is >= (byte)'1' and <= (byte)'6')
            size = 0; // a header only, whatever it says
        else
            size = _pax.Size ?? size;
        _pax.Clear();
        (_contentLeft, _contentSize, _rawLeft) = (size, size, Padding(size));
        _crc = new Crc64();
        if (size == 0)
            WriteFile(_name, 0, null);
    }

    private static long Padding(long size) => (Block - size % Block) % Block;

    private void AddRaw(ReadOnlySpan<byte> data)
    {
        _segment.Write(data);
        if (_segment.Length >= LongestSegment)
            FlushSegment();
    }

    private void FlushSegment()
    {
        if (_segment.Length == 0)
            return;
        WriteLine(w =>
        {
            w.WriteNumber("type", 2);
            w.WriteBase64String("payload", _segment.GetBuffer().AsSpan(0, (int)_segment.Length));
        });
        _segment.SetLength(0);
    }

    private void WriteFile(byte[] name, long size, ulong? crc)
    {
        FlushSegment();
        WriteLine(w =>
        {
            w.WriteNumber("type", 1);
            if (System.Text.Unicode.Utf8.IsValid(name))
                w.WriteString("name", Encoding.UTF8.GetString(name));
            else
                w.WriteBase64String("name_raw", name);
            if (size > 0)
                w.WriteNumber("size", size);
            if (crc is { } sum)
            {
                Span<byte> bytes = stackalloc byte[8];
                BinaryPrimitives.WriteUInt64BigEndian(bytes, sum);
                w.WriteBase64String("payload", bytes);
            }
            else
                w.WriteNull("payload");
        });
    }

    private void WriteLine(Action<Utf8JsonWriter> body)
    {
        _line.SetLength(0);
        using (var writer = new Utf8JsonWriter(_line))
        {
            writer.WriteStartObject();
            body(writer);
            writer.WriteNumber("position", _position++);
            writer.WriteEndObject();
        }
        _line.WriteByte((byte)'\n');
        notes.Write(_line.GetBuffer().AsSpan(0, (int)_line.Length));
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _hash.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>Name and size that come before an entry.</summary>
    private sealed class PaxRecordsForNotes
    {
        public byte[]? Name { get; private set; }

        public long? Size { get; private set; }

        public void Take(byte type, ReadOnlySpan<byte> data)
        {
            if (type == (byte)'L')
                Name = data.TrimEnd((byte)0).ToArray();
            if (type != (byte)'x')
                return;
            var records = new PaxRecords();
            if (!records.Parse(data))
                return; // the reader refuses the archive
            Name = records.Path ?? Name;
            Size = records.Size ?? Size;
        }

        public void Clear() => (Name, Size) = (null, null);
    }
}
