using System.Runtime.InteropServices;
using System.Text;
using DriverLab.Block;
using DriverLab.Block.Crash;
using DriverLab.Formats.LogWrites;

namespace DriverLab.DeviceMapper.Targets.LogWrites;

/// <summary>A log of the kernel's log-writes target (QEMU's blklogwrites writes the same) as history for a crash sweep, and the other way round.</summary>
/// <remarks>
/// The target logs a write when it has become safe, in the order of ends, each flush behind what it covers; what is behind the last flush may never have been safe. Linux
/// Documentation/admin-guide/device-mapper/log-writes.rst, drivers/md/dm-log-writes.c.
/// </remarks>
public static class LogWritesFile
{
    private const int HeadBytes = 32;

    /// <summary>Reads a log; its writes are those of disk 0.</summary>
    /// <exception cref="InvalidDataException">It is none, or ends early: the offset, and what was expected there.</exception>
    public static WriteLog Read(Stream stream)
    {
        byte[] head = new byte[512];
        if (stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false) < head.Length)
            throw new InvalidDataException("the log has no first sector of 512 bytes");
        var super = MemoryMarshal.Read<LogWritesSuper>(head);
        if (super.Magic != LogWritesSuper.ExpectedMagic)
            throw new InvalidDataException($"no log of log-writes: its magic is 0x{super.Magic.Value:x}, expected 0x{LogWritesSuper.ExpectedMagic:x}");
        if (super.Version != LogWritesSuper.ExpectedVersion)
            throw new InvalidDataException($"the log is of version {super.Version.Value}; version {LogWritesSuper.ExpectedVersion} is known");
        uint unit = super.SectorSize;
        if (unit is < 512 or > 65536 || !uint.IsPow2(unit))
            throw new InvalidDataException($"the log's sector size is {unit}; expected a power of two from 512 to 65536");
        var log = new WriteLog();
        byte[] sector = new byte[unit];
        long at = unit;
        Skip(stream, unit - 512);
        for (ulong i = 0; i < super.Entries.Value; i++)
            ReadEntry(stream, log, sector, i, ref at);
        return log;
    }

    private static void ReadEntry(Stream stream, WriteLog log, byte[] sector, ulong number, ref long at)
    {
        Fill(stream, sector, $"entry {number}", ref at);
        var entry = MemoryMarshal.Read<LogWritesEntry>(sector);
        var flags = (LogWritesFlags)entry.Flags.Value;
        int scale = sector.Length >> 9;
        if ((flags & LogWritesFlags.Mark) != 0)
        {
            if (entry.DataLength.Value > (ulong)(sector.Length - HeadBytes))
                throw new InvalidDataException($"entry {number} at {at - sector.Length}: a mark of {entry.DataLength.Value} bytes does not fit into its sector");
            _ = log.Mark(Encoding.UTF8.GetString(sector.AsSpan(HeadBytes, (int)entry.DataLength.Value)));
            return;
        }
        if (entry.Sectors.Value == 0)
        {
            if ((flags & LogWritesFlags.Flush) != 0)
                log.EndFlush(0, log.BeginFlush());
            return;
        }
        if (entry.Sectors.Value > int.MaxValue >> 9 || entry.Sector.Value > long.MaxValue >> 16)
            throw new InvalidDataException($"entry {number} at {at - sector.Length}: {entry.Sectors.Value} sectors at {entry.Sector.Value} are no write");
        bool zeros = (flags & LogWritesFlags.Discard) != 0;
        byte[] data = zeros ? [] : new byte[(int)entry.Sectors.Value * sector.Length];
        if (!zeros)
            Fill(stream, data, $"the data of entry {number}", ref at);
        var bio = ((flags & LogWritesFlags.Flush) != 0 ? BioFlags.PreFlush : 0) | ((flags & LogWritesFlags.Fua) != 0 ? BioFlags.Fua : 0) | ((flags & LogWritesFlags.Metadata) != 0 ? BioFlags.Meta : 0);
        log.End(log.Begin(0, zeros ? WriteKind.Zeros : WriteKind.Data, bio, (long)entry.Sector.Value * scale, (int)entry.Sectors.Value * scale, data));
    }

    /// <summary>Writes the history of one disk as the target would have: each write when it became safe, and at the end what never did.</summary>
    /// <param name="log">The history.</param>
    /// <param name="disk">Which of its disks.</param>
    /// <param name="stream">Where to; it must be able to seek.</param>
    public static void Write(WriteLog log, int disk, Stream stream)
    {
        ulong entries = 0;
        stream.Position = 512;
        var events = new List<(long At, int Order, Action Put)>();
        foreach (var (of, _, ended) in log.Flushes)
        {
            if (of == disk)
                events.Add((ended, 1, () => Put(0, 0, LogWritesFlags.Flush, [], [])));
        }
        foreach (var mark in log.Marks)
            events.Add((mark.At, 2, () => Put(0, 0, LogWritesFlags.Mark, Encoding.UTF8.GetBytes(mark.Text), [])));
        foreach (var write in log.Writes)
        {
            if (write.Disk != disk)
                continue;
            var flags = (write.Kind == WriteKind.Zeros ? LogWritesFlags.Discard : 0) | ((write.Flags & BioFlags.Fua) != 0 ? LogWritesFlags.Fua : 0) | ((write.Flags & BioFlags.Meta) != 0 ? LogWritesFlags.Metadata : 0);
            events.Add((write.DurableAt, 0, () => Put((ulong)write.Sector, (ulong)write.Sectors, flags, [], write.Data)));
        }
        foreach (var (_, _, put) in events.OrderBy(e => e.At).ThenBy(e => e.Order))
            put();
        byte[] head = new byte[512];
        MemoryMarshal.Write(head, new LogWritesSuper { Magic = LogWritesSuper.ExpectedMagic, Version = LogWritesSuper.ExpectedVersion, Entries = entries, SectorSize = 512 });
        stream.Position = 0;
        stream.Write(head);
        stream.Position = stream.Length;

        void Put(ulong first, ulong sectors, LogWritesFlags flags, ReadOnlySpan<byte> text, ReadOnlySpan<byte> data)
        {
            byte[] sector = new byte[512];
            text = text[..Math.Min(text.Length, sector.Length - HeadBytes)];
            MemoryMarshal.Write(sector, new LogWritesEntry { Sector = first, Sectors = sectors, Flags = (ulong)flags, DataLength = (ulong)text.Length });
            text.CopyTo(sector.AsSpan(HeadBytes));
            stream.Write(sector);
            stream.Write(data);
            entries++;
        }
    }

    private static void Fill(Stream stream, byte[] buffer, string what, ref long at)
    {
        int got = stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        if (got < buffer.Length)
            throw new InvalidDataException($"the log ends at {at + got}, in {what}, which goes to {at + buffer.Length}");
        at += buffer.Length;
    }

    private static void Skip(Stream stream, long bytes)
    {
        Span<byte> buffer = stackalloc byte[512];
        for (; bytes > 0; bytes -= 512)
            stream.ReadExactly(buffer);
    }
}
