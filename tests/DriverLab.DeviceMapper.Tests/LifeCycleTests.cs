using DriverLab.Block;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;

namespace DriverLab.DeviceMapper.Tests;

/// <summary>What each command does to a device in each state, as seen on a real 6.1.</summary>
public sealed class LifeCycleTests
{
    private const string Row = "0 8 linear 200:0 0";

    [Test]
    public void Names_and_uuids_are_taken_once()
    {
        var lab = new DmLab();
        using var scope = Assert.EnterMultipleScope();
        Assert.That(lab.Call(DmCommand.DevCreate, "a", uuid: "u"), Is.EqualTo(Errno.OK));
        Assert.That(lab.Create("a"), Is.EqualTo(Errno.EBUSY));
        Assert.That(lab.Call(DmCommand.DevCreate, "b", uuid: "u"), Is.EqualTo(Errno.EBUSY));
        Assert.That(lab.Create("x/y"), Is.EqualTo(Errno.EINVAL));
        Assert.That(lab.Create(""), Is.EqualTo(Errno.EINVAL));
        Assert.That(lab.Call(DmCommand.DevStatus, "a", uuid: "u"), Is.EqualTo(Errno.EINVAL));
        Assert.That(lab.Call(DmCommand.DevStatus, "", uuid: "u"), Is.EqualTo(Errno.OK));
        Assert.That(lab.Call(DmCommand.DevStatus, "c"), Is.EqualTo(Errno.ENXIO));
    }

    [Test]
    public void Versions_are_checked_and_written_back_even_then()
    {
        var lab = new DmLab();
        byte[] buffer = new byte[400];
        System.Runtime.InteropServices.MemoryMarshal.Write(buffer, 5u);
        buffer[13] = 1;
        var control = new DmControl(lab.Driver);
        Assert.That(control.Ioctl(DmIoctl.Request(DmCommand.Version), buffer, KernelCaller.Instance).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(buffer[0], Is.EqualTo(4));
        Assert.That(buffer[4], Is.EqualTo(47));
        Assert.That(control.Ioctl(0xC138FE00, buffer, KernelCaller.Instance).Error, Is.EqualTo(Errno.ENOTTY));
        Assert.That(control.Ioctl(0xC138FD30, buffer, KernelCaller.Instance).Error, Is.EqualTo(Errno.ENOTTY));
    }

    [Test]
    public void A_fresh_device_is_active_and_cannot_be_opened()
    {
        var lab = new DmLab();
        Assert.That(lab.Create("a"), Is.EqualTo(Errno.OK));
        var info = lab.Info("a");
        using var scope = Assert.EnterMultipleScope();
        Assert.That(info.Has(DmFlags.DM_SUSPEND_FLAG | DmFlags.DM_ACTIVE_PRESENT_FLAG | DmFlags.DM_INACTIVE_PRESENT_FLAG), Is.False);
        Assert.That(BlockFile.Open(lab.Layer.Devices, new(254, 0), OpenFlags.O_RDONLY).Error, Is.EqualTo(Errno.ENXIO));
        Assert.That(lab.Resume("a"), Is.EqualTo(Errno.OK));
        Assert.That(lab.Load("a", Row), Is.EqualTo(Errno.OK));
        Assert.That(BlockFile.Open(lab.Layer.Devices, new(254, 0), OpenFlags.O_RDONLY).Error, Is.EqualTo(Errno.OK));
    }

    [Test]
    public void Resume_of_a_device_suspended_without_a_table_is_EINVAL()
    {
        var lab = new DmLab();
        Assert.That(lab.Create("a"), Is.EqualTo(Errno.OK));
        Assert.That(lab.Suspend("a"), Is.EqualTo(Errno.OK));
        Assert.That(lab.Resume("a"), Is.EqualTo(Errno.EINVAL));
        Assert.That(lab.Info("a").Has(DmFlags.DM_SUSPEND_FLAG), Is.True);
    }

    [Test]
    public void Bad_limits_fail_the_first_load_and_later_the_resume()
    {
        var lab = new DmLab();
        Assert.That(lab.Create("a"), Is.EqualTo(Errno.OK));
        Assert.That(lab.Load("a", "0 8 linear 200:0 5000"), Is.EqualTo(Errno.EINVAL));
        Assert.That(lab.World.Log.Lines, Has.Member("device-mapper: table: 254:0: disk0 too small for target: start=5000, len=8, dev_size=4096"));
        Assert.That(lab.Load("a", Row), Is.EqualTo(Errno.OK));
        Assert.That(lab.Resume("a"), Is.EqualTo(Errno.OK));
        Assert.That(lab.Load("a", "0 8 linear 200:0 5000"), Is.EqualTo(Errno.OK));
        Assert.That(lab.Resume("a"), Is.EqualTo(Errno.EINVAL));
        Assert.That(lab.Info("a").Has(DmFlags.DM_SUSPEND_FLAG), Is.True);
        Assert.That(lab.Table("a"), Is.EqualTo("0 8 linear 200:0 0\n"));
        Assert.That(lab.Resume("a"), Is.EqualTo(Errno.OK));
        Assert.That(lab.Info("a").Has(DmFlags.DM_SUSPEND_FLAG), Is.False);
    }

    [Test]
    public void Io_waits_while_suspended_and_goes_on_at_resume()
    {
        var lab = new DmLab();
        var device = lab.Make("a", Row);
        var file = lab.Open("a");
        Assert.That(lab.Suspend("a"), Is.EqualTo(Errno.OK));
        Assert.That(() => file.Read(0, new byte[512], direct: true), Throws.TypeOf<WouldHangException>());
        Assert.That(file.Write(0, new byte[4096], false, false).Value, Is.EqualTo(4096));
        Assert.That(() => file.Fsync(), Throws.TypeOf<WouldHangException>());
        Assert.That(lab.Resume("a"), Is.EqualTo(Errno.OK));
        Assert.That(file.Read(0, new byte[512], direct: true).Value, Is.EqualTo(512));
        Assert.That(device.IsSuspended, Is.False);
    }

    [Test]
    public void An_open_device_stays_unless_removal_is_deferred()
    {
        var lab = new DmLab();
        _ = lab.Make("a", Row);
        var file = lab.Open("a");
        Assert.That(lab.Remove("a"), Is.EqualTo(Errno.EBUSY));
        Assert.That(lab.Remove("a", DmFlags.DM_DEFERRED_REMOVE), Is.EqualTo(Errno.OK));
        Assert.That(lab.Info("a").Has(DmFlags.DM_DEFERRED_REMOVE), Is.True);
        Assert.That(lab.Message("a", "@cancel_deferred_remove now"), Is.EqualTo(Errno.EINVAL));
        Assert.That(lab.Message("a", "@cancel_deferred_remove"), Is.EqualTo(Errno.OK));
        Assert.That(lab.Info("a").Has(DmFlags.DM_DEFERRED_REMOVE), Is.False);
        Assert.That(lab.Remove("a", DmFlags.DM_DEFERRED_REMOVE), Is.EqualTo(Errno.OK));
        file.Close();
        Assert.That(lab.Driver.Devices, Is.Empty);
        Assert.That(lab.Disks[0].Openers, Is.Zero);
    }

    [Test]
    public void Remove_all_takes_stacks_and_leaves_what_is_open()
    {
        var lab = new DmLab();
        _ = lab.Make("a", Row);
        _ = lab.Make("b", "0 8 linear 254:0 0");
        _ = lab.Make("c", "0 8 linear 200:1 0");
        _ = lab.Open("c");
        Assert.That(lab.Remove("a"), Is.EqualTo(Errno.EBUSY));
        Assert.That(lab.Call(DmCommand.RemoveAll, ""), Is.EqualTo(Errno.OK));
        Assert.That(lab.Driver.Devices.Keys, Is.EqualTo(new[] { "c" }));
        Assert.That(lab.LastLog, Is.EqualTo("device-mapper: ioctl: remove_all left 1 open device(s)"));
    }

    [Test]
    public void Rename_and_uuid_have_their_errors_in_order()
    {
        var lab = new DmLab();
        _ = lab.Make("a", Row);
        Assert.That(lab.Create("b"), Is.EqualTo(Errno.OK));
        using var scope = Assert.EnterMultipleScope();
        Assert.That(lab.Rename("missing", "b"), Is.EqualTo(Errno.EBUSY));
        Assert.That(lab.Rename("missing", "z"), Is.EqualTo(Errno.ENXIO));
        Assert.That(lab.Rename("a", ""), Is.EqualTo(Errno.EINVAL));
        Assert.That(lab.Rename("a", new string('n', 128)), Is.EqualTo(Errno.EINVAL));
        Assert.That(lab.Rename("a", "c"), Is.EqualTo(Errno.OK));
        Assert.That(lab.Info("c").EventNr, Is.EqualTo(1));
        Assert.That(lab.Rename("c", "uuid-1", DmFlags.DM_UUID_FLAG), Is.EqualTo(Errno.OK));
        Assert.That(lab.Rename("c", "uuid-2", DmFlags.DM_UUID_FLAG), Is.EqualTo(Errno.EINVAL));
        Assert.That(lab.Rename("b", "uuid-1", DmFlags.DM_UUID_FLAG), Is.EqualTo(Errno.EBUSY));
    }

    [Test]
    public void Messages_need_a_table_a_sector_and_a_target_that_listens()
    {
        var lab = new DmLab();
        Assert.That(lab.Create("a"), Is.EqualTo(Errno.OK));
        using var scope = Assert.EnterMultipleScope();
        Assert.That(lab.Message("a", "hello"), Is.EqualTo(Errno.EINVAL));
        Assert.That(lab.Load("a", Row), Is.EqualTo(Errno.OK));
        Assert.That(lab.Resume("a"), Is.EqualTo(Errno.OK));
        Assert.That(lab.Message("a", "hello"), Is.EqualTo(Errno.EINVAL));
        Assert.That(lab.LastLog, Is.EqualTo("device-mapper: ioctl: Target type does not support messages"));
        Assert.That(lab.Message("a", "hello", 8), Is.EqualTo(Errno.EINVAL));
        Assert.That(lab.LastLog, Is.EqualTo("device-mapper: ioctl: Target message sector outside device."));
        Assert.That(lab.Message("a", "   "), Is.EqualTo(Errno.EINVAL));
        Assert.That(lab.Message("a", "@what"), Is.EqualTo(Errno.EINVAL));
    }

    [Test]
    public void A_table_of_6_1_may_name_its_own_device_until_it_is_cleared()
    {
        var lab = new DmLab();
        _ = lab.Make("a", Row);
        Assert.That(lab.Load("a", "0 8 linear 254:0 0"), Is.EqualTo(Errno.OK));
        Assert.That(lab.Remove("a"), Is.EqualTo(Errno.EBUSY));
        Assert.That(lab.Call(DmCommand.TableClear, "a"), Is.EqualTo(Errno.OK));
        Assert.That(lab.Remove("a"), Is.EqualTo(Errno.OK));
    }

    [Test]
    public void A_reply_that_does_not_fit_says_so_and_succeeds()
    {
        var lab = new DmLab();
        _ = lab.Make("a", Row);
        Assert.That(lab.Call(DmCommand.TableStatus, "a", DmFlags.DM_STATUS_TABLE_FLAG, [], out var header, out _, size: 330), Is.EqualTo(Errno.OK));
        Assert.That(header.Has(DmFlags.DM_BUFFER_FULL_FLAG), Is.True);
        Assert.That(lab.Call(DmCommand.ListDevices, "", DmFlags.None, [], out header, out _, size: 313), Is.EqualTo(Errno.OK));
        Assert.That(header.Has(DmFlags.DM_BUFFER_FULL_FLAG), Is.True);
    }
}
