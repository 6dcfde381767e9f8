using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Conformance.Running;

/// <summary>One name of a directory.</summary>
/// <param name="Name">The name.</param>
/// <param name="Type">What it is.</param>
/// <param name="Next">The position behind it.</param>
/// <param name="Ino">The inode number that the listing tells, which need not be the one of stat.</param>
internal readonly record struct DirectoryEntry(byte[] Name, DirentType Type, long Next, ulong Ino);

/// <summary>Small helpers that observations are made of.</summary>
internal static class Files
{
    private const int ChunkBytes = 64 << 10;

    /// <summary>So much, or so many pieces, are taken together: enough for what is done with several at once.</summary>
    private const int TogetherBytes = 256 << 10, TogetherPieces = 8;

    private const int ListBytes = 32 << 10;

    /// <summary>No content longer than this is read: a sparse file may have exabytes.</summary>
    public const int MostBytes = 1 << 30;

    /// <summary>No content longer than this is held at once, as text and digests of whole files need it; pieces go further.</summary>
    private const int MostAtOnce = 64 << 20;

    /// <summary>The whole content of a file, or the outcome of the call that failed.</summary>
    public static (byte[]? Content, string Problem) ReadAll(IKernel task, ReadOnlySpan<byte> path)
    {
        var (buffer, length, problem) = Read(task, path);
        byte[]? content = problem.Length == 0 ? buffer[..length] : null;
        KeptMemory.Return(buffer);
        return (content, problem);
    }

    /// <summary>Takes some pieces of a file's content, one behind the other.</summary>
    public delegate void PieceAction(ReadOnlySpan<byte> pieces);

    /// <summary>The content of a file in pieces of a size, several at a time, the last one alone if it is shorter; its length, and the outcome of the call that failed.</summary>
    public static (long Length, string Problem) ReadPieces(IKernel task, ReadOnlySpan<byte> path, int bytes, PieceAction action)
    {
        var opened = task.OpenAt(Fd.Cwd, path, OpenFlags.O_RDONLY, Mode.None);
        if (!opened.IsOk)
            return (0, $"{opened.Error} at open");
        byte[] buffer = KeptMemory.Rent(Math.Max(bytes, TogetherBytes) + ChunkBytes);
        long length = 0;
        int filled = 0;
        SysResult<int> read;
        while ((read = task.Read(opened.Value, buffer.AsSpan(filled, ChunkBytes))).IsOk && read.Value > 0 && length < MostBytes)
        {
            length += read.Value;
            filled += read.Value;
            int taken = filled / bytes * bytes;
            if (taken < TogetherBytes && taken < bytes * TogetherPieces)
                continue;
            action(buffer.AsSpan(0, taken));
            filled -= taken;
            buffer.AsSpan(taken, filled).CopyTo(buffer);
        }
        _ = task.Close(opened.Value); // nothing was written, so there is nothing a close could report
        if (filled > 0 && read.IsOk)
            action(buffer.AsSpan(0, filled));
        KeptMemory.Return(buffer);
        return (length, !read.IsOk ? $"{read.Error} at read after {length}" : read.Value > 0 ? $"more than {MostBytes >> 20}M of content" : "");
    }

    /// <summary>The canonical text of a file's content.</summary>
    public static string Describe(IKernel task, ReadOnlySpan<byte> path)
    {
        var (buffer, length, problem) = Read(task, path);
        string text = problem.Length == 0 ? Render.Data(buffer.AsSpan(0, length)) : problem;
        KeptMemory.Return(buffer);
        return text;
    }

    /// <summary>The content in a rented buffer, which the caller gives back.</summary>
    private static (byte[] Buffer, int Length, string Problem) Read(IKernel task, ReadOnlySpan<byte> path)
    {
        var opened = task.OpenAt(Fd.Cwd, path, OpenFlags.O_RDONLY, Mode.None);
        if (!opened.IsOk)
            return ([], 0, $"{opened.Error} at open");
        byte[] buffer = KeptMemory.Rent(2 * ChunkBytes);
        int length = 0;
        SysResult<int> read;
        while ((read = task.Read(opened.Value, buffer.AsSpan(length, ChunkBytes))).IsOk && read.Value > 0 && length < MostAtOnce)
        {
            length += read.Value;
            if (buffer.Length - length >= ChunkBytes)
                continue;
            byte[] larger = KeptMemory.Rent(2 * buffer.Length);
            buffer.AsSpan(0, length).CopyTo(larger);
            KeptMemory.Return(buffer);
            buffer = larger;
        }
        _ = task.Close(opened.Value); // nothing was written, so there is nothing a close could report
        return (buffer, length, !read.IsOk ? $"{read.Error} at read after {length}" : read.Value > 0 ? $"more than {MostAtOnce >> 20}M of content" : "");
    }

    /// <summary>The names in a directory with their types, in the kernel's order, without <c>.</c> and <c>..</c>.</summary>
    public static (List<DirectoryEntry> Names, Errno Error) List(IKernel task, ReadOnlySpan<byte> path, bool dots = false)
    {
        var names = new List<DirectoryEntry>();
        var opened = task.OpenAt(Fd.Cwd, path, OpenFlags.O_RDONLY | OpenFlags.O_DIRECTORY | OpenFlags.O_NONBLOCK, Mode.None);
        if (!opened.IsOk)
            return (names, opened.Error);
        byte[] buffer = KeptMemory.Rent(ListBytes);
        SysResult<int> got;
        while ((got = task.GetDents(opened.Value, buffer.AsSpan(0, ListBytes))).IsOk && got.Value > 0)
        {
            var reader = new DirentReader(buffer.AsSpan(0, got.Value));
            while (reader.MoveNext())
            {
                if (dots || !(reader.Name.SequenceEqual("."u8) || reader.Name.SequenceEqual(".."u8)))
                    names.Add(new(reader.Name.ToArray(), reader.Type, reader.Offset, reader.Ino));
            }
        }
        KeptMemory.Return(buffer);
        _ = task.Close(opened.Value); // a directory has nothing to flush
        return (names, got.Error);
    }
}
