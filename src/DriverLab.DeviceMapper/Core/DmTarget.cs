using System.Text;
using DriverLab.Block;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper;

/// <summary>What <see cref="DmTarget.Map"/> did with a bio.</summary>
public enum MapResult
{
    /// <summary>The target keeps it and will submit or end it.</summary>
    Submitted,
    /// <summary>Device and sector are set: submit it.</summary>
    Remapped,
    /// <summary>Push it back to the core, which keeps it until resume.</summary>
    Requeue,
    /// <summary>Fail it with EIO.</summary>
    Kill,
}

/// <summary>What <see cref="DmTarget.EndIo"/> decided.</summary>
public enum EndIoResult
{
    /// <summary>The bio has ended with the status.</summary>
    Done,
    /// <summary>The target keeps the bio.</summary>
    Incomplete,
    /// <summary>Push it back to the core.</summary>
    Requeue,
}

/// <summary>The two renderings of a target.</summary>
public enum StatusKind
{
    /// <summary>Its state now.</summary>
    Info,
    /// <summary>Its arguments, which make the same target again.</summary>
    Table,
}

/// <summary>One row of a table at work. Every member but <see cref="Map"/> has the kernel's default for a missing hook.</summary>
/// <remarks>Linux include/linux/device-mapper.h: struct dm_target, struct target_type.</remarks>
public abstract class DmTarget
{
    /// <summary>A target for a row.</summary>
    protected DmTarget(DmRowContext row)
    {
        Table = row.Table;
        Type = row.Type;
        Begin = row.Begin;
        Length = row.Length;
    }

    /// <summary>The table it stands in.</summary>
    public DmTable Table { get; }

    /// <summary>Its type.</summary>
    public DmTargetType Type { get; }

    /// <summary>First sector of the row.</summary>
    public long Begin { get; }

    /// <summary>Number of sectors.</summary>
    public long Length { get; }

    /// <summary>Number of empty flushes that it wants for one.</summary>
    public int FlushBios { get; protected init; }

    /// <summary>Number of discards that it wants for one; 0: it takes none.</summary>
    public int DiscardBios { get; protected set; }

    /// <summary>Number of secure erases that it wants for one; 0: it takes none.</summary>
    public int SecureEraseBios { get; protected init; }

    /// <summary>Number of write-zeroes that it wants for one; 0: it takes none.</summary>
    public int WriteZeroesBios { get; protected init; }

    /// <summary>Takes discards even if its devices do not.</summary>
    public bool DiscardsSupported { get; protected set; }

    /// <summary>Takes flushes even if its devices need none.</summary>
    public bool FlushSupported { get; protected init; }

    /// <summary>Bios are cut at multiples of this from the row's start, in sectors; 0: at the row's end only.</summary>
    public long MaxIoSectors { get; protected set; }

    /// <summary>The boundary for one bio, where it is not the same for all.</summary>
    public virtual long MaxIoSectorsOf(Bio bio) => MaxIoSectors;

    /// <summary>True when <see cref="EndIo"/> wants to be called.</summary>
    public virtual bool HasEndIo => false;

    /// <summary>True when the target names its devices (the kernel's iterate_devices hook is there).</summary>
    public virtual bool HasDevices => false;

    /// <summary>True when the target takes messages.</summary>
    public virtual bool HasMessages => false;

    /// <summary>Handles a bio whose sectors count from the start of the mapped device.</summary>
    public abstract MapResult Map(Bio bio);

    /// <summary>A bio that was submitted has ended.</summary>
    public virtual EndIoResult EndIo(Bio bio, ref BlkStatus status) => EndIoResult.Done;

    /// <summary>Before a suspend; I/O still flows.</summary>
    public virtual void Presuspend()
    {
    }

    /// <summary>The suspend has failed: takes back what <see cref="Presuspend"/> did.</summary>
    public virtual void PresuspendUndo()
    {
    }

    /// <summary>After a suspend: no I/O is in flight.</summary>
    public virtual void Postsuspend()
    {
    }

    /// <summary>Before a resume.</summary>
    /// <returns>An error stops the resume.</returns>
    public virtual Errno Preresume() => Errno.OK;

    /// <summary>At the resume.</summary>
    public virtual void Resume()
    {
    }

    /// <summary>Writes its status or its arguments.</summary>
    /// <param name="kind">Which of the two.</param>
    /// <param name="noFlush">Do not commit first.</param>
    /// <param name="text">Where to.</param>
    public virtual void Status(StatusKind kind, bool noFlush, StringBuilder text)
    {
    }

    /// <summary>Handles a message; may write an answer.</summary>
    /// <returns>What the sender gets.</returns>
    public virtual Errno Message(string[] words, StringBuilder answer) => Errno.EINVAL;

    /// <summary>Names the areas of devices that it uses.</summary>
    public virtual void AddDevices(List<DmArea> areas)
    {
    }

    /// <summary>Changes the limits that its devices give.</summary>
    public virtual void IoHints(ref QueueLimits limits)
    {
    }

    /// <summary>The device to which unknown ioctls pass through.</summary>
    /// <param name="whole">The target covers all of that device, from its start.</param>
    /// <returns>Null: there is none.</returns>
    public virtual BlockDevice? IoctlDevice(out bool whole)
    {
        whole = false;
        return null;
    }

    /// <summary>The table goes away.</summary>
    public virtual void Destroy()
    {
    }

    /// <summary>The sector counted from the start of the row.</summary>
    public long Offset(long sector) => sector - Begin;

    /// <summary>Something happened that user space may wait for.</summary>
    protected void RaiseEvent() => Table.Device.RaiseEvent();

    /// <summary>Writes a line to the kernel's log, as DMERR, DMWARN and DMINFO do.</summary>
    protected void Log(string line) => Table.Device.Driver.Log(Type.Name, line);
}
