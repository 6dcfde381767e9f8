using System.Runtime.InteropServices;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.Emulator;

/// <summary>Fills a getdents64(2) buffer. An entry's offset is the position of the entry after it, known only when that one comes.</summary>
/// <remarks>Linux fs/readdir.c: filldir64(), getdents64(). One object per task, used again, so that listing allocates nothing.</remarks>
internal sealed unsafe class DirentBuffer : DirContext
{
    private const int OffsetAt = 8;
    private byte* _buffer;
    private int _length, _written, _last;
    private bool _isFull;

    /// <summary>Lists from the file's position on.</summary>
    /// <returns>ENOTDIR, ENOENT, EINVAL (no room for one entry), then the file system.</returns>
    public SysResult<int> Fill(Caller caller, OpenFile file, Span<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            _buffer = start;
            (_length, _written, _last, _isFull) = (buffer.Length, 0, -1, false);
            var error = Files.IterateDir(caller, file, this);
            if (_last >= 0)
            {
                MemoryMarshal.Write(new Span<byte>(_buffer + _last + OffsetAt, 8), Position);
                return _written;
            }
            if (error != Errno.OK)
                return error;
            return _isFull ? Errno.EINVAL : 0;
        }
    }

    public override bool Emit(ReadOnlySpan<byte> name, ulong ino, DirentType type)
    {
        if (_last >= 0)
            MemoryMarshal.Write(new Span<byte>(_buffer + _last + OffsetAt, 8), Position);
        var writer = new DirentWriter(new Span<byte>(_buffer + _written, _length - _written));
        if (!writer.TryAppend(name, ino, Position, type))
        {
            _isFull = true;
            return false;
        }
        _last = _written;
        _written += writer.Written;
        return true;
    }
}
