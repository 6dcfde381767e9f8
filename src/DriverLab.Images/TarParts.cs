using DriverLab.StorageDrivers;
using DriverLab.StorageDrivers.Layers.Tar;

namespace DriverLab.Images;

/// <summary>Opens a part of an image by its name, such as <c>index.json</c> or <c>blobs/sha256/HEX</c>; null where there is none.</summary>
public delegate Stream? OpenPart(string name);

/// <summary>The files of a tar by their names, opened where they lie.</summary>
public sealed class TarParts
{
    private readonly Stream _archive;
    private readonly Dictionary<string, (long Offset, long Size)> _files = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _links = new(StringComparer.Ordinal);

    private TarParts(Stream archive) => _archive = archive;

    /// <summary>Reads the headers of an archive.</summary>
    /// <param name="archive">A stream that can seek; used as long as parts are read, one part at a time.</param>
    /// <returns>EBADMSG (not a tar, torn), E2BIG (limits).</returns>
    public static DriverResult<TarParts> Index(Stream archive)
    {
        var parts = new TarParts(archive);
        archive.Position = 0;
        var reader = new TarReader(archive, new TarLimits(Entries: 100_000));
        while (true)
        {
            var next = reader.Next();
            if (!next.IsOk)
                return next.Error!;
            if (next.Value is not { } entry)
                return parts;
            string name = Clean(ByteText.Show(entry.Name));
            if (entry.Type == TarType.File)
                parts._files[name] = (archive.Position, entry.Size);
            else if (entry.Type is TarType.Symlink or TarType.HardLink) // docker save links equal layers
                parts._links[name] = entry.Type == TarType.HardLink ? Clean(ByteText.Show(entry.LinkName)) : Clean(Join(name, ByteText.Show(entry.LinkName)));
        }
    }

    /// <summary>Opens a part; null where there is none.</summary>
    public Stream? Open(string name)
    {
        name = Clean(name);
        if (_links.TryGetValue(name, out string? target))
            name = target;
        return _files.TryGetValue(name, out var place) ? new Part(_archive, place.Offset, place.Size) : null;
    }

    private static string Join(string name, string target) => target.StartsWith('/') ? target : name[..(name.LastIndexOf('/') + 1)] + target;

    private static string Clean(string name)
    {
        var parts = new List<string>();
        foreach (string part in name.Split('/', StringSplitOptions.RemoveEmptyEntries))
            if (part == "..")
                parts.RemoveRange(Math.Max(0, parts.Count - 1), Math.Min(1, parts.Count));
            else if (part != ".")
                parts.Add(part);
        return string.Join('/', parts);
    }

    private sealed class Part(Stream archive, long offset, long size) : Stream
    {
        private long _at;

        public override int Read(Span<byte> buffer)
        {
            archive.Position = offset + _at;
            int got = archive.Read(buffer[..(int)Math.Min(buffer.Length, size - _at)]);
            _at += got;
            return got;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => size;

        public override long Position { get => _at; set => throw new NotSupportedException(); }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
