using DriverLab.Linux;
using DriverLab.Linux.Abi;
using static DriverLab.Contracts.Tests.Calls;

namespace DriverLab.Contracts.Tests;

/// <summary>flock, the region commands of fcntl, inotify, file handles, openat2, mappings.</summary>
public sealed class LockContract(KernelKind kind) : Contract(kind)
{
    [Test]
    public void Exclusive_locks_of_two_open_files_exclude_each_other()
    {
        MakeFile("f");
        Fd a = Opened("f", OpenFlags.O_RDONLY), b = Opened("f", OpenFlags.O_RDONLY);
        Assert.That(K.Flock(a, FlockOperation.LOCK_EX), Is.EqualTo(Errno.OK));
        Assert.That(K.Flock(b, FlockOperation.LOCK_SH | FlockOperation.LOCK_NB), Is.EqualTo(Errno.EAGAIN));
        Assert.That(K.Flock(a, FlockOperation.LOCK_UN), Is.EqualTo(Errno.OK));
        Assert.That(K.Flock(b, FlockOperation.LOCK_SH | FlockOperation.LOCK_NB), Is.EqualTo(Errno.OK));
    }

    [Test]
    public void Another_tasks_region_is_told_and_in_the_way()
    {
        MakeFile("f");
        var fd = Opened("f", OpenFlags.O_RDWR);
        var region = new FileLock(LockType.F_WRLCK, 0, 10, 5, 0);
        Assert.That(K.FcntlLock(fd, LockCommand.F_SETLK, ref region), Is.EqualTo(Errno.OK));
        var other = Fork();
        var asked = new FileLock(LockType.F_RDLCK, 0, 0, 0, 0);
        Assert.That(other.FcntlLock(fd, LockCommand.F_GETLK, ref asked), Is.EqualTo(Errno.OK));
        Assert.That((asked.Type, asked.Start, asked.Length), Is.EqualTo((LockType.F_WRLCK, 10L, 5L)));
        var wanted = new FileLock(LockType.F_RDLCK, 0, 14, 1, 0);
        Assert.That(other.FcntlLock(fd, LockCommand.F_SETLK, ref wanted), Is.EqualTo(Errno.EAGAIN));
    }

    [Test]
    public void A_watch_hears_of_a_new_name()
    {
        MakeDir("d");
        var notify = K.InotifyInit(InotifyFlags.IN_NONBLOCK).Value;
        Assert.That(K.InotifyAddWatch(notify, Bytes("d"), InotifyMask.IN_CREATE).Value, Is.EqualTo(1));
        var buffer = new byte[100];
        Assert.That(K.Read(notify, buffer).Error, Is.EqualTo(Errno.EAGAIN));
        MakeDir("d/x");
        Assert.That(K.Read(notify, buffer).Value, Is.EqualTo(32));
        var e = System.Runtime.InteropServices.MemoryMarshal.Read<InotifyEvent>(buffer);
        Assert.That(e, Is.EqualTo(new InotifyEvent(1, InotifyMask.IN_CREATE | InotifyMask.IN_ISDIR, 0, 16)));
        Assert.That(K.InotifyRmWatch(notify, 1), Is.EqualTo(Errno.OK));
        Assert.That(K.InotifyRmWatch(notify, 1), Is.EqualTo(Errno.EINVAL));
    }

    [Test]
    public void A_handle_finds_its_file_again()
    {
        MakeFile("f", "text");
        var handle = new FileHandle { Bytes = FileHandle.MaxSize };
        Assert.That(K.NameToHandleAt(Fd.Cwd, Bytes("f"), ref handle, out long mount, AtFlags.None), Is.EqualTo(Errno.OK));
        Assert.That(mount, Is.GreaterThan(0));
        Assert.That(K.Rename("f", "g"), Is.EqualTo(Errno.OK));
        var fd = K.OpenByHandleAt(Opened(".", OpenFlags.O_RDONLY), handle, OpenFlags.O_RDONLY);
        Assert.That(Text(fd.Value), Is.EqualTo("text"));
        var small = new FileHandle { Bytes = 1 };
        Assert.That(K.NameToHandleAt(Fd.Cwd, Bytes("g"), ref small, out _, AtFlags.None), Is.EqualTo(Errno.EOVERFLOW));
        Assert.That(small.Bytes, Is.EqualTo(handle.Bytes));
    }

    [Test]
    public void A_walk_can_be_kept_beneath_its_start()
    {
        MakeDir("d");
        MakeFile("f");
        var start = Opened("d", OpenFlags.O_RDONLY);
        Assert.That(K.OpenAt2(start, Bytes("../f"), new OpenHow(0, 0, ResolveFlags.None)).Error, Is.EqualTo(Errno.OK));
        Assert.That(K.OpenAt2(start, Bytes("../f"), new OpenHow(0, 0, ResolveFlags.RESOLVE_BENEATH)).Error, Is.EqualTo(Errno.EXDEV));
        Assert.That(K.OpenAt2(start, Bytes("."), new OpenHow(0, 1, ResolveFlags.None)).Error, Is.EqualTo(Errno.EINVAL));
    }

    [Test]
    public void A_shared_mapping_is_one_with_the_file()
    {
        MakeFile("f", "0123456789");
        var fd = Opened("f", OpenFlags.O_RDWR);
        var map = K.Mmap(fd, MapProtection.PROT_READ | MapProtection.PROT_WRITE, MapFlags.MAP_SHARED, 0, 8192);
        Assert.That(map.Error, Is.EqualTo(Errno.OK));
        Assert.That(K.MapWrite(map.Value, 3, Bytes("xyz")), Is.EqualTo(Errno.OK));
        Assert.That(Text(fd), Is.EqualTo("012xyz6789"));
        var loaded = new byte[4];
        Assert.That(K.MapRead(map.Value, 2, loaded), Is.EqualTo(Errno.OK));
        Assert.That(loaded, Is.EqualTo(Bytes("2xyz")));
        Assert.That(K.MapRead(map.Value, 4096, loaded), Is.EqualTo(Errno.EFAULT));
        Assert.That(K.Msync(map.Value, MsyncFlags.MS_SYNC), Is.EqualTo(Errno.OK));
        Assert.That(K.Munmap(map.Value), Is.EqualTo(Errno.OK));
        Assert.That(K.MapRead(map.Value, 0, loaded), Is.EqualTo(Errno.EINVAL));
    }
}
