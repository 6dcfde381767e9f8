using System.Collections.Frozen;
using System.Text;
using DriverLab.Emulator;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Simulation;

namespace DriverLab.Conformance.Tests;

/// <summary>What a union tells in /sys/fs/aufs and takes in /proc/fs/aufs, as it was observed on 6.1 (sections 1, 2, 8 and 12): both need its random number, which no scenario can name.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "TearDown disposes what SetUp made.")]
public class AufsControlTests
{
    private EmulatedKernel _kernel = null!;
    private string _folder = "";

    [SetUp]
    public void Mount()
    {
        _kernel = new EmulatedKernel(new("6.1-aufs", new(6, 1), new Dictionary<string, string> { ["CONFIG_AUFS_FS"] = "y" }.ToFrozenDictionary()), ModuleSet.Standard, new World(0));
        foreach (string path in (string[])["/b0", "/b 1", "/m", "/sys"])
            Assert.That(_kernel.MkdirAt(Fd.Cwd, Encoding.UTF8.GetBytes(path), Mode.S_IRWXU), Is.EqualTo(Errno.OK));
        foreach (string path in (string[])["/b0", "/b 1"])
            Assert.That(_kernel.Mount("t"u8, Encoding.UTF8.GetBytes(path), "tmpfs"u8, MountFlags.None, default), Is.EqualTo(Errno.OK));
        Assert.That(_kernel.Mount("sysfs"u8, "/sys"u8, "sysfs"u8, MountFlags.None, default), Is.EqualTo(Errno.OK));
        Assert.That(_kernel.Mount("none"u8, "/m"u8, "aufs"u8, MountFlags.None, "br:/b0=rw:/b 1=ro+coo_reg+icexsec+wh"u8), Is.EqualTo(Errno.OK));
        string mounts = Read("/proc/self/mounts");
        int at = mounts.IndexOf("si=", StringComparison.Ordinal);
        _folder = $"/sys/fs/aufs/si_{mounts.AsSpan(at + 3, 16)}";
    }

    [TearDown]
    public void End() => _kernel.Dispose();

    private string Read(string path)
    {
        var opened = _kernel.OpenAt(Fd.Cwd, Encoding.UTF8.GetBytes(path), OpenFlags.O_RDONLY, Mode.None);
        Assert.That(opened.Error, Is.EqualTo(Errno.OK), path);
        var buffer = new byte[65536];
        var read = _kernel.Read(opened.Value, buffer);
        Assert.That(_kernel.Close(opened.Value), Is.EqualTo(Errno.OK));
        return Encoding.UTF8.GetString(buffer, 0, read.Value);
    }

    [Test]
    public void Branches_are_told_with_their_permissions_and_ids()
    {
        Assert.That(Read(_folder + "/br0"), Is.EqualTo("/b0=rw\n"));
        Assert.That(Read(_folder + "/br1"), Is.EqualTo("/b\\0401=ro+coo_reg+icexsec+wh\n"));
        Assert.That(Read(_folder + "/brid0"), Is.EqualTo("64\n"));
        Assert.That(Read(_folder + "/brid1"), Is.EqualTo("65\n"));
        Assert.That(Read(_folder + "/xi_path").TrimEnd(), Is.EqualTo("/b0/.aufs.xino"));
    }

    [Test]
    public void A_branch_that_is_added_gets_a_new_id_and_moves_the_others()
    {
        Assert.That(_kernel.MkdirAt(Fd.Cwd, "/b2"u8, Mode.S_IRWXU), Is.EqualTo(Errno.OK));
        Assert.That(_kernel.Mount("none"u8, "/m"u8, "aufs"u8, MountFlags.MS_REMOUNT, "prepend:/b2=rw"u8), Is.EqualTo(Errno.OK));
        Assert.That(Read(_folder + "/br0"), Is.EqualTo("/b2=rw\n"));
        Assert.That(Read(_folder + "/brid0"), Is.EqualTo("66\n"));
        Assert.That(Read(_folder + "/brid1"), Is.EqualTo("64\n"));
    }

    [Test]
    public void A_renamed_branch_is_told_by_its_new_path()
    {
        Assert.That(_kernel.MkdirAt(Fd.Cwd, "/old"u8, Mode.S_IRWXU), Is.EqualTo(Errno.OK));
        Assert.That(_kernel.Mount("none"u8, "/m"u8, "aufs"u8, MountFlags.MS_REMOUNT, "append:/old=ro"u8), Is.EqualTo(Errno.OK));
        Assert.That(_kernel.RenameAt2(Fd.Cwd, "/old"u8, Fd.Cwd, "/new"u8, RenameFlags.None), Is.EqualTo(Errno.OK));
        Assert.That(Read(_folder + "/br2"), Is.EqualTo("/new=ro\n"));
        Assert.That(_kernel.Mount("none"u8, "/m"u8, "aufs"u8, MountFlags.MS_REMOUNT, "del:/old"u8), Is.EqualTo(Errno.ENOENT));
        Assert.That(_kernel.Mount("none"u8, "/m"u8, "aufs"u8, MountFlags.MS_REMOUNT, "del:/new"u8), Is.EqualTo(Errno.OK));
    }

    private Fd Control()
    {
        var opened = _kernel.OpenAt(Fd.Cwd, "/proc/fs/aufs/plink_maint"u8, OpenFlags.O_WRONLY, Mode.None);
        Assert.That(opened.Error, Is.EqualTo(Errno.OK));
        return opened.Value;
    }

    private Errno Tell(Fd control, string text) => _kernel.Write(control, Encoding.ASCII.GetBytes(text)).Error;

    [Test]
    public void Maintenance_of_pseudo_links_is_for_one_at_a_time_and_keeps_the_branches_busy()
    {
        string union = "si=" + _folder[^16..];
        var control = Control();
        Assert.That(Tell(control, "other"), Is.EqualTo(Errno.EINVAL));
        Assert.That(Tell(control, union), Is.EqualTo(Errno.OK));
        Assert.That(Tell(control, union), Is.EqualTo(Errno.EBUSY));
        Assert.That(Tell(Control(), union), Is.EqualTo(Errno.EBUSY));
        Assert.That(Tell(control, "clean"), Is.EqualTo(Errno.OK));
        Assert.That(_kernel.Umount("/m"u8, UmountFlags.None), Is.EqualTo(Errno.OK));
        Assert.That(_kernel.Umount("/b0"u8, UmountFlags.None), Is.EqualTo(Errno.EBUSY));
        Assert.That(_kernel.Close(control), Is.EqualTo(Errno.OK));
        Assert.That(_kernel.Umount("/b0"u8, UmountFlags.None), Is.EqualTo(Errno.OK));
    }

    [Test]
    public void Maintenance_is_for_root()
    {
        using var user = _kernel.Fork();
        Assert.That(user.SetIds(new UserIds(1000, 1000, default)), Is.EqualTo(Errno.OK));
        Assert.That(user.OpenAt(Fd.Cwd, "/proc/fs/aufs/plink_maint"u8, OpenFlags.O_WRONLY, Mode.None).Error, Is.EqualTo(Errno.EACCES));
    }

    [Test]
    public void There_are_127_branches_at_the_most_and_ids_come_round()
    {
        for (int i = 2; i <= 127; i++)
        {
            Assert.That(_kernel.MkdirAt(Fd.Cwd, Encoding.UTF8.GetBytes($"/n{i}"), Mode.S_IRWXU), Is.EqualTo(Errno.OK));
            var added = _kernel.Mount("none"u8, "/m"u8, "aufs"u8, MountFlags.MS_REMOUNT, Encoding.UTF8.GetBytes($"append:/n{i}=ro"));
            Assert.That(added, Is.EqualTo(i < 127 ? Errno.OK : Errno.ENOSPC), $"branch {i}");
        }
        Assert.That(Read(_folder + "/brid126"), Is.EqualTo("63\n"));
    }

    [Test]
    public void The_folder_goes_with_the_union_and_files_are_for_reading()
    {
        Assert.That(_kernel.OpenAt(Fd.Cwd, Encoding.UTF8.GetBytes(_folder + "/br9"), OpenFlags.O_RDONLY, Mode.None).Error, Is.EqualTo(Errno.ENOENT));
        Assert.That(Read("/sys/module/aufs/parameters/brs"), Is.EqualTo("1\n"));
        Assert.That(Read("/sys/module/aufs/parameters/allow_userns"), Is.EqualTo("N\n"));
        Assert.That(_kernel.Umount("/m"u8, UmountFlags.None), Is.EqualTo(Errno.OK));
        Assert.That(_kernel.OpenAt(Fd.Cwd, Encoding.UTF8.GetBytes(_folder + "/br0"), OpenFlags.O_RDONLY, Mode.None).Error, Is.EqualTo(Errno.ENOENT));
    }
}
