using System.Diagnostics;

namespace DriverLab.Block;

/// <summary>What a bio does; the numbers are the kernel's, which its log prints.</summary>
/// <remarks>Linux include/linux/blk_types.h: enum req_op.</remarks>
public enum BioOp : byte
{
    Read = 0,
    Write = 1,
    /// <summary>Made by the block layer only; users send an empty write with <see cref="BioFlags.PreFlush"/>.</summary>
    Flush = 2,
    Discard = 3,
    SecureErase = 5,
    WriteZeroes = 9,
}

/// <summary>Modifiers of a bio, at the kernel's bit positions.</summary>
[Flags]
public enum BioFlags
{
    None = 0,
    Sync = 1 << 11,
    Meta = 1 << 12,
    Idle = 1 << 15,
    /// <summary>The data are durable when the bio ends.</summary>
    Fua = 1 << 17,
    /// <summary>Everything that ended before this bio started is durable before its data are written.</summary>
    PreFlush = 1 << 18,
    /// <summary>Read-ahead: may fail rather than wait.</summary>
    ReadAhead = 1 << 19,
    /// <summary>Fails with <see cref="BlkStatus.Again"/> rather than wait.</summary>
    NoWait = 1 << 21,
    /// <summary>Write-zeroes: keep the space allocated.</summary>
    NoUnmap = 1 << 27,
}

/// <summary>Receives the end of bios. One object serves many bios; what belongs to one is in its <see cref="Bio.Private"/>.</summary>
public abstract class BioCompletion
{
    /// <summary>Called once, when the bio and all its parts have ended. The bio belongs to the callee again.</summary>
    public abstract void EndIo(Bio bio);
}

/// <summary>A request to a block device: an operation on a run of sectors, with one run of bytes for those that carry data.</summary>
/// <remarks>
/// Bios come from <see cref="BlockLayer.AllocBio"/> and go back with <see cref="BlockLayer.Free"/>; nothing is allocated on the way. The payload is an array, not a span, because a
/// bio may outlive the call that submitted it. Linux include/linux/blk_types.h: struct bio.
/// </remarks>
public sealed class Bio
{
    internal Bio? Next;
    private int _remaining;

    /// <summary>The device it goes to.</summary>
    public BlockDevice Device = null!;
    public BioOp Op;
    public BioFlags Flags;
    /// <summary>First sector, in units of 512 bytes.</summary>
    public long Sector;
    /// <summary>Number of sectors; 0 for an empty flush.</summary>
    public int Sectors;
    /// <summary>The array that holds the payload; null when the operation has none.</summary>
    public byte[]? Data;
    /// <summary>Where the payload starts in <see cref="Data"/>, in bytes.</summary>
    public int DataOffset;
    /// <summary>How it ended.</summary>
    public BlkStatus Status;
    /// <summary>Who is told.</summary>
    public BioCompletion? Completion;
    /// <summary>For the completion.</summary>
    public object? Private;
    /// <summary>For the completion.</summary>
    public long PrivateValue;
    /// <summary>For a stacking driver: what made this clone.</summary>
    public object? Context;
    /// <summary>For a stacking driver: which of several equal clones this is.</summary>
    public int CloneNumber;
    /// <summary>For the maker of this clone: what it must remember until the end.</summary>
    public object? MakerData;
    /// <summary>For the maker of this clone.</summary>
    public long MakerValue;

    /// <summary>The payload.</summary>
    public Span<byte> Span => Data.AsSpan(DataOffset, Sectors << 9);

    /// <summary>The sector after the last one.</summary>
    public long EndSector => Sector + Sectors;

    /// <summary>True for writes, discards and everything else that changes the device.</summary>
    public bool IsWrite => ((int)Op & 1) != 0;

    /// <summary>True when the bio carries a payload.</summary>
    public bool HasData => Op is BioOp.Read or BioOp.Write && Sectors != 0;

    /// <summary>True for an empty write that only flushes.</summary>
    public bool IsEmptyFlush => Sectors == 0 && (Op == BioOp.Flush || (Flags & BioFlags.PreFlush) != 0);

    /// <summary>True when the flag is set.</summary>
    public bool Has(BioFlags flag) => (Flags & flag) != 0;

    /// <summary>Operation and flags as the kernel's log prints them (bi_opf).</summary>
    public int OpAndFlags => (int)Op | (int)Flags;

    internal void Init()
    {
        Next = null;
        _remaining = 1;
        Device = null!;
        Op = BioOp.Read;
        Flags = BioFlags.None;
        Sector = 0;
        Sectors = 0;
        Data = null;
        DataOffset = 0;
        Status = BlkStatus.OK;
        Completion = null;
        Private = null;
        PrivateValue = 0;
        Context = null;
        CloneNumber = 0;
        MakerData = null;
        MakerValue = 0;
    }

    /// <summary>Takes over what another bio does, but not who is told. With a range it is that part of it.</summary>
    public void CloneFrom(Bio source)
    {
        Device = source.Device;
        Op = source.Op;
        Flags = source.Flags;
        Sector = source.Sector;
        Sectors = source.Sectors;
        Data = source.Data;
        DataOffset = source.DataOffset;
    }

    /// <summary>Drops sectors from the front.</summary>
    public void Advance(int sectors)
    {
        Debug.Assert(sectors <= Sectors, "a bio cannot advance beyond its end");
        Sector += sectors;
        Sectors -= sectors;
        if (Data is not null)
            DataOffset += sectors << 9;
    }

    /// <summary>Makes this bio wait for another part of itself.</summary>
    public void AddPart() => _remaining++;

    /// <summary>Ends the bio with a status; its completion runs when all its parts have ended. The first error stays.</summary>
    public void End(BlkStatus status)
    {
        if (Status == BlkStatus.OK)
            Status = status;
        if (--_remaining == 0)
            Completion!.EndIo(this);
    }

    /// <summary>Makes a bio that has ended wait for another end: its new owner will end it.</summary>
    public void Reopen()
    {
        _remaining = 1;
        Status = BlkStatus.OK;
    }

    /// <summary>Ends the bio as it stands.</summary>
    public void End() => End(BlkStatus.OK);
}

/// <summary>A queue of bios, linked through the bios themselves.</summary>
public struct BioList
{
    private Bio? _head, _tail;

    /// <summary>True when there is none.</summary>
    public readonly bool IsEmpty => _head is null;

    /// <summary>Appends a bio.</summary>
    public void Add(Bio bio)
    {
        bio.Next = null;
        if (_tail is null)
            _head = bio;
        else
            _tail.Next = bio;
        _tail = bio;
    }

    /// <summary>Appends all bios of another list and empties it.</summary>
    public void Append(ref BioList other)
    {
        if (other._head is null)
            return;
        if (_tail is null)
            _head = other._head;
        else
            _tail.Next = other._head;
        _tail = other._tail;
        other = default;
    }

    /// <summary>Takes the first bio; null when there is none.</summary>
    public Bio? Pop()
    {
        var bio = _head;
        if (bio is null)
            return null;
        _head = bio.Next;
        if (_head is null)
            _tail = null;
        bio.Next = null;
        return bio;
    }
}
