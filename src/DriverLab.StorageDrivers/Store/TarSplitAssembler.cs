using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.StorageDrivers.Store;

/// <summary>Puts an archive together again from <see cref="TarSplitRecorder"/>'s notes and the layer's files.</summary>
internal static class TarSplitAssembler
{
    private const int LongestLine = 8 << 20;

    /// <summary>Writes the archive.</summary>
    /// <param name="kernel">The task.</param>
    /// <param name="root">The layer's merged tree.</param>
    /// <param name="notes">The notes, gzipped.</param>
    /// <param name="tar">Takes the archive.</param>
    /// <returns>EBADMSG (broken notes; a file that changed, by name), then what the kernel says.</returns>
    public static DriverError? Write(IKernel kernel, string root, Stream notes, Stream tar)
    {
        var tree = RootedTree.Open(kernel, ByteText.Bytes(root));
        if (tree.Error is { } failed)
            return failed;
        using var opened = tree.Value;
        try
        {
            using var reader = new StreamReader(new GZipStream(notes, CompressionMode.Decompress), Encoding.UTF8);
            while (reader.ReadLine() is { } line)
                if (WriteEntry(opened, line, tar) is { } error)
                    return error;
            return null;
        }
        catch (Exception e) when (e is InvalidDataException or JsonException or KeyNotFoundException or FormatException or InvalidOperationException)
        {
            return new DriverError("tar-split", root, Errno.EBADMSG, "the notes for export are broken: " + e.Message);
        }
    }

    private static DriverError? WriteEntry(RootedTree tree, string line, Stream tar)
    {
        if (line.Length > LongestLine)
            return new DriverError("tar-split", "", Errno.EBADMSG, $"a line of {line.Length} characters");
        using var json = JsonDocument.Parse(line);
        var entry = json.RootElement;
        if (entry.GetProperty("type").GetInt32() == 2)
        {
            tar.Write(entry.GetProperty("payload").GetBytesFromBase64());
            return null;
        }
        long size = entry.TryGetProperty("size", out var number) ? number.GetInt64() : 0;
        if (size == 0)
            return null;
        byte[] name = entry.TryGetProperty("name", out var text) ? ByteText.Bytes(text.GetString()!) : entry.GetProperty("name_raw").GetBytesFromBase64();
        ulong crc = BinaryPrimitives.ReadUInt64BigEndian(entry.GetProperty("payload").GetBytesFromBase64());
        return WriteFile(tree, name, size, crc, tar);
    }

    private static DriverError? WriteFile(RootedTree tree, byte[] name, long size, ulong crc, Stream tar)
    {
        var components = RootedTree.Split(name);
        if (components.Count == 0)
            return new DriverError("tar-split", ByteText.Show(name), Errno.EBADMSG, "content for the root");
        var error = tree.Enter([.. components[..^1]], null);
        if (error != Errno.OK)
            return DriverError.Of(error, "openat", name);
        var opened = tree.Task.OpenAt(Fd.Cwd, components[^1], OpenFlags.O_RDONLY | OpenFlags.O_NOFOLLOW | OpenFlags.O_NONBLOCK | OpenFlags.O_CLOEXEC, Mode.None);
        if (!opened.IsOk)
            return new DriverError("openat", ByteText.Show(name), opened.Error, "a file of the layer is missing");
        var buffer = ArrayPool<byte>.Shared.Rent(1 << 16);
        var sum = new Crc64();
        SysResult<int> got;
        long left = size;
        while ((got = tree.Task.Read(opened.Value, buffer.AsSpan(0, (int)Math.Min(Math.Max(left, 1), buffer.Length)))) is { IsOk: true, Value: > 0 } && left > 0)
        {
            sum.Add(buffer.AsSpan(0, got.Value));
            tar.Write(buffer.AsSpan(0, got.Value));
            left -= got.Value;
        }
        ArrayPool<byte>.Shared.Return(buffer);
        _ = tree.Task.Close(opened.Value); // nothing was written
        if (!got.IsOk)
            return DriverError.Of(got.Error, "read", name);
        return left == 0 && got.Value == 0 && sum.Value == crc ? null : new DriverError("export", ByteText.Show(name), Errno.EBADMSG, "the file is not what was imported");
    }
}
