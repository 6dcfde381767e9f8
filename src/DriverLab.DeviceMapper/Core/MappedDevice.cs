using DriverLab.Block;
using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.DeviceMapper;

/// <summary>A mapped device: a disk whose sectors a table sends elsewhere. It has two slots for tables, live and inactive.</summary>
/// <remarks>Linux drivers/md/dm.c: struct mapped_device.</remarks>
public sealed partial class MappedDevice : BlockDevice
{
    private readonly List<TableDevice> _tableDevices = [];
    private bool _isDiskAdded, _hasQueue, _isDeleting, _isFreeing;
    private int _internalSuspends;

    internal MappedDevice(DeviceMapper driver, uint minor) : base(driver.Layer, new(DeviceMapper.Major, minor), $"dm-{minor}")
    {
        Driver = driver;
        _cloneEnd = new(this);
        _groupEnd = new(this);
    }

    /// <summary>The driver.</summary>
    public DeviceMapper Driver { get; }

    /// <summary>The name that users gave it.</summary>
    public string DmName { get; internal set; } = "";

    /// <summary>When it got the name: a count of all names that were given.</summary>
    internal long NamedAs { get; set; }

    /// <summary>The uuid that users gave it, or nothing.</summary>
    public string Uuid { get; internal set; } = "";

    /// <summary>The table at work; null before the first resume.</summary>
    public DmTable? LiveTable { get; private set; }

    /// <summary>The table that the next resume takes.</summary>
    public DmTable? InactiveTable { get; private set; }

    /// <summary>Suspended: I/O is kept until resume.</summary>
    public bool IsSuspended { get; private set; }

    /// <summary>To be removed at the last close.</summary>
    public bool IsRemovalDeferred { get; internal set; }

    /// <summary>Counts the device's events.</summary>
    public uint EventNr { get; private set; }

    /// <summary>True when the disk is there: from the first table that was loaded on.</summary>
    internal bool IsDiskAdded => _isDiskAdded;

    /// <summary>True when removal has begun.</summary>
    internal bool IsDeleting => _isDeleting;

    // ---- opening -----------------------------------------------------------------------------------------------------------------

    /// <inheritdoc/>
    protected override Errno OnOpen(bool forWriting) => _isFreeing || _isDeleting ? Errno.ENXIO : Errno.OK;

    /// <inheritdoc/>
    protected override void OnRelease()
    {
        if (Openers == 0 && IsRemovalDeferred && LockForDeletion(false, false) == Errno.OK)
            Driver.Remove(this);
    }

    /// <summary>Marks the device as going, unless it is open.</summary>
    /// <returns>EBUSY (open), EEXIST (only deferred ones wanted, and this is none).</returns>
    /// <remarks>Linux drivers/md/dm.c: dm_lock_for_deletion().</remarks>
    internal Errno LockForDeletion(bool markDeferred, bool onlyDeferred)
    {
        if (Openers > 0 && !Layer.World.Mutations.Has(Mutation.BusyDeviceRemoved))
        {
            IsRemovalDeferred |= markDeferred;
            return Errno.EBUSY;
        }
        if (onlyDeferred && !IsRemovalDeferred)
            return Errno.EEXIST;
        _isDeleting = true;
        return Errno.OK;
    }

    // ---- devices below -----------------------------------------------------------------------------------------------------------

    /// <summary>A device below, open once however many tables of this device name it.</summary>
    private sealed class TableDevice(BlockDevice device, bool forWriting)
    {
        public readonly BlockDevice Device = device;
        public readonly bool ForWriting = forWriting;
        public int Count = 1;
    }

    internal SysResult<BlockDevice> OpenTableDevice(DevT number, bool forWriting)
    {
        foreach (var known in _tableDevices)
        {
            if (known.Device.Number != number || known.ForWriting != forWriting)
                continue;
            known.Count++;
            return known.Device;
        }
        if (number.Major == DeviceMapper.Major && Driver.HasUnloadedDisk(number.Minor))
            return Errno.ENXIO;
        var found = Layer.Devices.Get(number);
        if (!found.IsOk)
            return found.Error;
        var error = found.Value.Open(forWriting, Driver.Claim);
        if (error != Errno.OK)
            return error;
        _tableDevices.Add(new(found.Value, forWriting));
        return found.Value;
    }

    internal void CloseTableDevice(BlockDevice device, bool forWriting)
    {
        int index = 0;
        while (_tableDevices[index].Device != device || _tableDevices[index].ForWriting != forWriting)
            index++;
        if (--_tableDevices[index].Count > 0)
            return;
        _tableDevices.RemoveAt(index);
        device.Close(Driver.Claim);
    }

    // ---- tables ------------------------------------------------------------------------------------------------------------------

    /// <summary>Puts a table into the inactive slot. The first one makes the disk, so its limits are checked now; those of later ones at resume.</summary>
    /// <returns>EINVAL: limits, or a live table that may not be replaced by this type.</returns>
    /// <remarks>Linux drivers/md/dm-ioctl.c: table_load(); drivers/md/dm.c: dm_setup_md_queue().</remarks>
    internal Errno Load(DmTable table, out DmTable? replaced)
    {
        replaced = null;
        if (LiveTable?.ImmutableType is { } immutable && immutable != table.ImmutableType && !table.HasWildcard)
        {
            Driver.Log("ioctl", $"can't replace immutable target type {immutable.Name}");
            return Errno.EINVAL;
        }
        if (!_hasQueue)
        {
            _hasQueue = Driver.Quirks.LimitsCheckedOnce;
            var error = table.CalculateLimits(out var limits);
            if (error != Errno.OK)
            {
                Driver.Log("core", "Cannot calculate initial queue limits");
                Driver.Log("ioctl", "unable to set up device queue for new table.");
                return error;
            }
            ApplyLimits(table, limits);
            _hasQueue = true;
            AddDisk();
        }
        replaced = InactiveTable;
        InactiveTable = table;
        return Errno.OK;
    }

    private void ApplyLimits(DmTable table, in QueueLimits limits)
    {
        table.ApplyLimits(ref Limits, limits);
        UpdateReadAhead();
    }

    /// <summary>Makes the disk known, if it is not yet.</summary>
    internal void AddDisk()
    {
        if (_isDiskAdded)
            return;
        _isDiskAdded = true;
        Layer.Devices.Add(this);
    }

    /// <summary>Empties the inactive slot.</summary>
    /// <returns>The table that was there, for the caller to destroy.</returns>
    internal DmTable? TakeInactive()
    {
        var table = InactiveTable;
        InactiveTable = null;
        return table;
    }

    /// <summary>Makes the inactive table live, if there is one, and lets I/O flow.</summary>
    /// <returns>EINVAL (suspended without a table, limits) and what a target's pre-resume says; either leaves the device suspended.</returns>
    /// <remarks>Linux drivers/md/dm-ioctl.c: do_resume().</remarks>
    internal Errno DoResume(bool freeze, bool noFlush)
    {
        var table = InactiveTable;
        DmTable? old = null;
        InactiveTable = null;
        if (table is not null)
        {
            if (table.LeadsTo(this))
                throw new NotModelledException("resume of a device-mapper table that leads back to its own device");
            if (!IsSuspended && Suspend(freeze, noFlush) is var failed and not Errno.OK)
            {
                InactiveTable = table; // for the next attempt
                return failed;
            }
            var error = Swap(table, out old);
            if (error != Errno.OK)
            {
                table.Destroy();
                return error;
            }
        }
        var result = IsSuspended ? Resume() : Errno.OK;
        old?.Destroy();
        return result;
    }

    /// <remarks>Linux drivers/md/dm.c: dm_swap_table(), __bind().</remarks>
    private Errno Swap(DmTable table, out DmTable? old)
    {
        old = null;
        var limits = Limits;
        if (LiveTable is null || !table.HasNoDataDevices)
        {
            var error = table.CalculateLimits(out limits);
            if (error != Errno.OK)
                return error;
        }
        old = LiveTable;
        LiveTable = table;
        SetCapacity(table.SizeSectors);
        ApplyLimits(table, limits);
        DiskReadOnly = !table.ForWriting;
        return Errno.OK;
    }

    /// <remarks>Linux drivers/md/dm.c: dm_resume(), dm_table_resume_targets().</remarks>
    private Errno Resume()
    {
        if (LiveTable is not { SizeSectors: > 0 } table)
            return Errno.EINVAL;
        using var changing = ChangeState();
        WaitForInternalResume();
        foreach (var row in table.Rows)
        {
            var error = row.Preresume();
            if (error == Errno.OK)
                continue;
            Driver.Log("table", $"{Number}: {row.Type.Name}: preresume failed, error = -{(int)error}");
            return error;
        }
        foreach (var row in table.Rows)
            row.Resume();
        IsSuspended = false;
        ReleaseDeferred();
        return Errno.OK;
    }

    /// <summary>Stops I/O: what is in flight ends, what comes is kept.</summary>
    /// <returns>EINVAL (another call has suspended it meanwhile), EIO (dirty pages cannot be written), EINTR.</returns>
    /// <remarks>Linux drivers/md/dm.c: dm_suspend(), __dm_suspend().</remarks>
    internal Errno Suspend(bool freeze, bool noFlush)
    {
        using var changing = ChangeState();
        if (IsSuspended)
            return Errno.EINVAL;
        if (!Layer.World.Scheduler.WaitInterruptible(this, static d => d._internalSuspends == 0, "the device below to be resumed"))
            return Errno.EINTR;
        var rows = LiveTable?.Rows ?? [];
        _isNoFlushSuspending = noFlush;
        foreach (var row in rows)
            row.Presuspend();
        var flushed = freeze && !noFlush && Openers > 0 ? Cache.WriteBack() : BlkStatus.OK;
        if (flushed != BlkStatus.OK && Driver.Quirks.FreezingCanFail)
        {
            foreach (var row in rows)
                row.PresuspendUndo();
            return Errno.EIO; // whatever it was: Linux fs/buffer.c: mark_buffer_write_io_error()
        }
        _holdsIo = true;
        IsSuspended = Layer.World.Scheduler.WaitInterruptible(this, static d => d._inFlight == 0, "I/O in flight on a device that is being suspended");
        _isNoFlushSuspending = false;
        if (!IsSuspended)
        {
            ReleaseDeferred();
            foreach (var row in rows)
                row.PresuspendUndo();
            return Errno.EINTR;
        }
        foreach (var row in rows)
            row.Postsuspend();
        return Errno.OK;
    }

    private bool _changesState;
    private int _holders;

    /// <summary>Waits until nobody else suspends or resumes the device, and keeps others from it until the result is disposed.</summary>
    /// <remarks>Linux drivers/md/dm-core.h: struct mapped_device, suspend_lock.</remarks>
    private StateChange ChangeState()
    {
        Layer.World.Scheduler.Wait(this, static d => !d._changesState, "another suspend or resume of the device");
        _changesState = true;
        return new StateChange(this);
    }

    private readonly struct StateChange(MappedDevice device) : IDisposable
    {
        public void Dispose() => device._changesState = false;
    }

    /// <summary>Keeps the device from going until the result is disposed: its removal waits.</summary>
    /// <remarks>Linux drivers/md/dm.c: dm_get_md(), dm_put().</remarks>
    internal Holder Hold()
    {
        _holders++;
        return new Holder(this);
    }

    /// <summary>Somebody who holds a device.</summary>
    internal readonly struct Holder(MappedDevice device) : IDisposable
    {
        /// <summary>Lets the device go.</summary>
        public void Dispose() => device._holders--;
    }

    /// <summary>Sets the event counter, for a kernel that goes on from a kept state.</summary>
    public void SetEventCount(uint count) => EventNr = count;

    /// <summary>True while a suspend without flush is under way: targets may push bios back.</summary>
    internal bool IsNoFlushSuspending => _isNoFlushSuspending;

    /// <summary>Another device, which this one stands on, holds its I/O; nests, and is not seen by users.</summary>
    /// <remarks>Linux drivers/md/dm.c: dm_internal_suspend_noflush().</remarks>
    internal void SuspendInternally()
    {
        if (_internalSuspends++ > 0 || IsSuspended)
            return;
        var rows = LiveTable?.Rows ?? [];
        _isNoFlushSuspending = true;
        foreach (var row in rows)
            row.Presuspend();
        _holdsIo = true;
        WaitForInFlight();
        _isNoFlushSuspending = false;
        foreach (var row in rows)
            row.Postsuspend();
    }

    /// <summary>Undoes one <see cref="SuspendInternally"/>.</summary>
    /// <remarks>Linux drivers/md/dm.c: dm_internal_resume().</remarks>
    internal void ResumeInternally()
    {
        if (--_internalSuspends == 0 && !IsSuspended)
            ReleaseDeferred();
    }

    private void WaitForInternalResume() => Layer.World.Scheduler.Wait(this, static d => d._internalSuspends == 0, "the device below to be resumed");

    /// <summary>Something happened that user space may wait for.</summary>
    internal void RaiseEvent() => EventNr = unchecked(EventNr + (Layer.World.Mutations.Has(Mutation.EventsNotCounted) ? 0u : 1u));

    internal void RaiseEventOnRemoval()
    {
        if (LiveTable is not null)
            RaiseEvent();
    }

    /// <summary>Ends the device; nobody has it open.</summary>
    /// <remarks>Linux drivers/md/dm.c: __dm_destroy().</remarks>
    internal void Destroy()
    {
        _isFreeing = true;
        if (!IsSuspended && LiveTable is { } table)
        {
            foreach (var row in table.Rows)
                row.Presuspend();
            IsSuspended = true;
            foreach (var row in table.Rows)
                row.Postsuspend();
        }
        FailDeferred();
        Layer.World.Scheduler.Wait(this, static d => d._holders == 0, "the end of other calls for a device that is being removed");
        LiveTable?.Destroy();
        Layer.Devices.Remove(this);
    }
}
