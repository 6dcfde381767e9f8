using System.IO.Compression;
using System.Security.Cryptography;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Store;
using ZstdSharp;

namespace DriverLab.Images;

/// <summary>How a layer's archive is compressed in an image.</summary>
public enum LayerCompression
{
    None,
    Gzip,
    Zstd,
}

/// <summary>A layer's archive, decompressed while it is read; at its end size and digest of the compressed bytes are compared with what the manifest says.</summary>
/// <remarks>Failures are <see cref="InvalidDataException"/>: the store makes an error of them and undoes the layer.</remarks>
internal sealed class LayerBlob : ForwardStream
{
    private const long FreeBytes = 64 << 20, LargestRatio = 2000;
    private readonly CountingStream _raw;
    private readonly Stream _data;
    private readonly string? _digest;
    private readonly long? _size;
    private long _bytes;
    private bool _checked;

    /// <param name="blob">The compressed bytes; closed with this stream.</param>
    /// <param name="digest">The digest that they must have, or null.</param>
    /// <param name="size">How many they must be, or null.</param>
    public LayerBlob(Stream blob, string? digest, long? size)
    {
        (_digest, _size) = (digest, size);
        Span<byte> magic = stackalloc byte[4];
        int got = blob.ReadAtLeast(magic, 4, throwOnEndOfStream: false);
        _raw = new CountingStream(magic[..got].ToArray(), blob, size ?? long.MaxValue);
        Compression = magic[..got] switch
        {
            [0x1f, 0x8b, ..] => LayerCompression.Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] => LayerCompression.Zstd,
            _ => LayerCompression.None,
        };
        _data = Compression switch
        {
            LayerCompression.Gzip => new GZipStream(_raw, CompressionMode.Decompress),
            LayerCompression.Zstd => new DecompressionStream(_raw),
            LayerCompression.None => _raw,
        };
    }

    /// <summary>What the first bytes say.</summary>
    public LayerCompression Compression { get; }

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        int got;
        try
        {
            got = _data.Read(buffer);
        }
        catch (ZstdException e)
        {
            throw new InvalidDataException($"broken zstd data: {e.Message}");
        }
        _bytes += got;
        if (_bytes > FreeBytes && _bytes / LargestRatio > _raw.Count)
            throw new InvalidDataException($"a bomb: {_raw.Count} compressed bytes have become {_bytes}, more than {LargestRatio} times as many");
        if (got == 0 && !buffer.IsEmpty && !_checked)
            CheckEnd();
        return got;
    }

    private void CheckEnd()
    {
        _checked = true;
        var rest = new byte[1 << 14];
        while (_raw.Read(rest) > 0)
        {
        }
        if (_size is { } size && _raw.Count != size)
            throw new InvalidDataException($"the blob has {_raw.Count} bytes, its descriptor says {size}");
        string digest = _raw.Finish();
        if (_digest is not null && digest != _digest)
            throw new InvalidDataException($"the blob's digest is {digest}, its descriptor says {_digest}");
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _data.Dispose();
            _raw.Dispose();
        }
        base.Dispose(disposing);
    }

    /// <summary>Counts and hashes what is read, never more than so many bytes and one.</summary>
    private sealed class CountingStream(byte[] head, Stream rest, long most) : ForwardStream
    {
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        private int _headTaken;

        public long Count { get; private set; }

        public string Finish() => Digest.FromHash(_hash.GetHashAndReset());

        public override int Read(Span<byte> buffer)
        {
            int got;
            if (_headTaken < head.Length)
            {
                got = Math.Min(buffer.Length, head.Length - _headTaken);
                head.AsSpan(_headTaken, got).CopyTo(buffer);
                _headTaken += got;
            }
            else
                got = Count > most ? 0 : rest.Read(buffer);
            _hash.AppendData(buffer[..got]);
            Count += got;
            return got;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                rest.Dispose();
                _hash.Dispose();
            }
            base.Dispose(disposing);
        }
    }
}
