using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Layers;

/// <summary>Copies the content of a file from one layer to another: in pieces, leaving holes where the source has them.</summary>
/// <remarks>Linux fs/overlayfs/copy_up.c: ovl_copy_up_file(). A hole shorter than a piece is copied as zeros.</remarks>
public static class CopyContent
{
    /// <summary>Bytes copied at a time.</summary>
    public const int PieceBytes = 1 << 20;

    /// <summary>Copies the first <paramref name="length"/> bytes. Watches do not hear of the reading, and of the writing if <paramref name="isHeard"/>.</summary>
    /// <returns>What reading or writing says.</returns>
    public static Errno Copy(Caller caller, OpenFile source, OpenFile target, long length, bool isHeard)
    {
        bool seeksData = true;
        long position = 0;
        var buffer = System.Buffers.ArrayPool<byte>.Shared.Rent(65536);
        try
        {
            while (position < length)
            {
                if (seeksData && !SkipHole(caller, source, ref position, ref seeksData, length))
                    break;
                if (position >= length)
                    break;
                long piece = Math.Min(PieceBytes, length - position);
                var error = CopyPiece(caller, source, target, buffer.AsSpan(0, (int)Math.Min(buffer.Length, piece)), position, position + piece, isHeard);
                if (error != Errno.OK)
                    return error;
                position += piece;
            }
        }
        finally
        {
            System.Buffers.ArrayPool<byte>.Shared.Return(buffer);
        }
        return Errno.OK;
    }

    /// <summary>Copies the first <paramref name="length"/> bytes; blocks of zeros become holes, whatever they were in the source.</summary>
    /// <returns>What reading or writing says.</returns>
    /// <remarks>aufs fs/aufs/cpup.c: au_do_copy_file(). The length is set afterwards.</remarks>
    public static Errno CopyWithoutZeros(Caller caller, OpenFile source, OpenFile target, long length)
    {
        var buffer = new byte[Limits.PAGE_SIZE];
        bool seeksData = true;
        for (long position = 0; position < length;)
        {
            if (seeksData && !SkipHole(caller, source, ref position, ref seeksData, length))
                break;
            long from = position, to = position;
            int wanted = (int)Math.Min(buffer.Length - position % buffer.Length, length - position);
            var read = Files.VfsRead(caller, source, buffer.AsSpan(0, wanted), ref from);
            if (!read.IsOk || read.Value == 0)
                return read.Error;
            if (buffer.AsSpan(0, read.Value).ContainsAnyExcept((byte)0))
            {
                var written = Files.VfsWrite(caller, target, buffer.AsSpan(0, read.Value), ref to);
                if (!written.IsOk)
                    return written.Error;
            }
            position = from;
        }
        return Errno.OK;
    }

    /// <summary>Moves over a hole; false when nothing but a hole is left.</summary>
    private static bool SkipHole(Caller caller, OpenFile source, ref long position, ref bool seeksData, long length)
    {
        var data = source.LSeek(caller, position, SeekWhence.SEEK_DATA);
        if (data.IsOk)
            position = data.Value;
        else if (data.Error == Errno.ENXIO)
            position = length;
        else
            seeksData = false;
        return position < length;
    }

    private static Errno CopyPiece(Caller caller, OpenFile source, OpenFile target, Span<byte> buffer, long position, long end, bool isHeard)
    {
        long from = position, to = position;
        while (from < end)
        {
            var read = source.Read(caller, buffer[..(int)Math.Min(buffer.Length, end - from)], ref from);
            if (!read.IsOk)
                return read.Error;
            if (read.Value == 0)
                return Errno.OK;
            for (int done = 0; done < read.Value;)
            {
                var written = isHeard ? Files.VfsWrite(caller, target, buffer[done..read.Value], ref to) : target.Write(caller, buffer[done..read.Value], ref to);
                if (!written.IsOk)
                    return written.Error;
                done += written.Value;
            }
        }
        return Errno.OK;
    }
}
