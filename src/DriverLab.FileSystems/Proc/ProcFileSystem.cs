using System.Globalization;
using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;
using DriverLab.Vfs.Helpers;

namespace DriverLab.FileSystems.Proc;

/// <summary>proc, as far as storage tools need it.</summary>
/// <remarks>Linux fs/proc/.</remarks>
public sealed class ProcFileSystem : FileSystemType
{
    /// <inheritdoc/>
    public override string Name => "proc";

    /// <inheritdoc/>
    public override SysResult<Dentry> Mount(MountContext context)
    {
        var error = CheckedOptions.Read(context, this, CheckOption);
        return error == Errno.OK ? new ProcSuperBlock(context, this).Root : error;
    }

    /// <inheritdoc/>
    public override IFsContext NewContext(VfsCore core, bool reconfigures) => new CheckedOptions(this, CheckOption);

    /// <summary>Who sees which processes is not modelled.</summary>
    /// <remarks>Linux fs/proc/root.c: proc_fs_parameters.</remarks>
    internal static Errno? CheckOption(string name, byte[]? value) => name is "gid" or "hidepid" or "subset" ? NotModelledException.Throw("proc with " + name) : null;

    /// <summary>Ends a lookup. A name that is not there is an error already, so that nothing can be made of it.</summary>
    /// <returns>ENOENT.</returns>
    /// <remarks>Linux fs/proc/generic.c: proc_lookup_de(), fs/proc/base.c: proc_pident_lookup().</remarks>
    internal static Errno Found(Dentry dentry, Inode? inode)
    {
        if (inode is null)
            return Errno.ENOENT;
        inode.Ino = ((ProcSuperBlock)inode.Sb).NextIno();
        _ = (inode as ProcTaskInode)?.Renew(); // it has just been found
        dentry.Add(inode);
        return Errno.OK;
    }
}

internal sealed class ProcSuperBlock : SuperBlock
{
    private ulong _lastIno = 1;

    public ProcSuperBlock(MountContext context, FileSystemType type) : base(context.Core, type, context.Core.NewAnonymousDev(), FsMagic.PROC, context.Flags)
    {
        BlockSize = 1024;
        Root = NewDentry(null, []);
        Root.Instantiate(new ProcRoot(this) { Ino = 1 });
    }

    /// <summary>Every inode has a number of its own, for as long as it is known.</summary>
    public ulong NextIno() => ++_lastIno;

    public override Dentry NewDentry(Dentry? parent, byte[] name) => new ProcDentry(this, parent, name);

    public override Errno CheckRemount(MountContext context) => CheckedOptions.Read(context, Type, ProcFileSystem.CheckOption);

    public override Errno StatFs(Dentry dentry, out StatFs result)
    {
        _ = Simple.StatFs(this, out result);
        result.BlockSize = result.FragmentSize = Limits.PAGE_SIZE;
        return Errno.OK;
    }
}

/// <summary>/proc.</summary>
internal sealed class ProcRoot(SuperBlock sb) : Inode(sb, Mode.S_IFDIR | (Mode)0x16D)
{
    public override Errno Lookup(Caller caller, Dentry dentry)
    {
        var name = dentry.Name;
        Inode? inode = null;
        if (name.SequenceEqual("self"u8))
            inode = new ProcLink(Sb, static c => Encoding.ASCII.GetBytes(c.Pid.ToString(CultureInfo.InvariantCulture)));
        else if (name.SequenceEqual("thread-self"u8))
            inode = new ProcLink(Sb, static c => Encoding.ASCII.GetBytes($"{c.Pid}/task/{c.Pid}"));
        else if (name.SequenceEqual("mounts"u8))
            inode = new ProcLink(Sb, static _ => "self/mounts"u8.ToArray()) { Size = 11 };
        else if (name.SequenceEqual("fs"u8))
            inode = new ProcFsDirectory(Sb);
        else if (name.SequenceEqual("filesystems"u8))
            inode = new ProcText(Sb, static c => ProcFormats.FileSystems(c.Mounts.Core));
        else if (ProcTask.IsOf(caller, name))
            inode = new ProcTask(Sb, caller, ProcTask.LinksOfProcess);
        return ProcFileSystem.Found(dentry, inode);
    }

    public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags) => new ProcDirectoryFile(path, flags);
}

/// <summary>/proc/fs: the directories that modelled file systems have there.</summary>
internal sealed class ProcFsDirectory(SuperBlock sb) : Inode(sb, Mode.S_IFDIR | (Mode)0x16D)
{
    public override Errno Lookup(Caller caller, Dentry dentry)
    {
        return ProcFileSystem.Found(dentry, Sb.Core.FindFileSystem(Encoding.UTF8.GetString(dentry.Name))?.MakeProcDirectory(Sb));
    }

    public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags) => new ProcDirectoryFile(path, flags);
}

/// <summary>An entry in the cache. What belongs to a task is renewed each time it is found.</summary>
/// <remarks>Linux fs/proc/base.c: pid_revalidate(), fs/proc/fd.c: tid_fd_revalidate().</remarks>
internal sealed class ProcDentry : Dentry
{
    public ProcDentry(SuperBlock sb, Dentry? parent, byte[] name) : base(sb, parent, name) => SetFlag(DentryFlags.Revalidates, true);

    public override SysResult<bool> Revalidate(Caller caller) => Inode is not ProcTaskInode inode || inode.Renew();
}

/// <summary>What belongs to a task: root's, since actors that take on other ids are not dumped; and nobody gives it another mode.</summary>
/// <remarks>Linux fs/proc/base.c: task_dump_owner(), proc_setattr().</remarks>
internal abstract class ProcTaskInode(SuperBlock sb, Mode mode) : Inode(sb, mode)
{
    /// <summary>Sets what follows from the task: the owner, whatever chown made of it.</summary>
    /// <returns>False when there is no such thing any more.</returns>
    public virtual bool Renew()
    {
        Uid = Gid = 0;
        return true;
    }

    public override Errno SetAttr(Caller caller, Dentry dentry, ref Iattr attr) => attr.Has(AttrValid.ATTR_MODE) ? Errno.EPERM : base.SetAttr(caller, dentry, ref attr);

    /// <summary>Names of tasks and descriptors are decimal, without a sign or zeros in front.</summary>
    /// <remarks>Linux fs/proc/util.c: name_to_int().</remarks>
    public static bool TryNumber(ReadOnlySpan<byte> name, out int number)
    {
        number = 0;
        return name is not [(byte)'0', _, ..] && !name.ContainsAnyExceptInRange((byte)'0', (byte)'9')
            && System.Buffers.Text.Utf8Parser.TryParse(name, out number, out int used) && used == name.Length;
    }
}

/// <summary>/proc/PID and /proc/PID/task/PID of one task.</summary>
internal sealed class ProcTask : ProcTaskInode
{
    /// <summary>Two, and one for each directory that the kernel has there: attr, fd, fdinfo, net, ns.</summary>
    /// <remarks>Linux fs/proc/base.c: pid_entry_nlink().</remarks>
    private const uint LinksOfThread = 7;

    /// <summary>map_files and task too.</summary>
    public const uint LinksOfProcess = 9;

    private readonly Caller _task;

    /// <summary>A task's directory is immutable: fs/proc/base.c: proc_pid_instantiate().</summary>
    public ProcTask(SuperBlock sb, Caller task, uint links) : base(sb, Mode.S_IFDIR | (Mode)0x16D)
    {
        _task = task;
        Nlink = links;
        Flags |= InodeFlags.S_IMMUTABLE;
    }

    /// <summary>A task's directory alone has the task's ids.</summary>
    public override bool Renew()
    {
        (Uid, Gid) = (_task.Credentials.Fsuid, _task.Credentials.Fsgid);
        return true;
    }

    public static bool IsOf(Caller caller, ReadOnlySpan<byte> name) => TryNumber(name, out int pid) && pid == caller.Pid;

    public override Errno Lookup(Caller caller, Dentry dentry)
    {
        var name = dentry.Name;
        Inode? inode = null;
        if (name.SequenceEqual("task"u8))
            inode = new ProcTask(Sb, _task, 3);
        else if (IsOf(_task, name))
            inode = new ProcTask(Sb, _task, LinksOfThread);
        else if (name.SequenceEqual("fd"u8))
            inode = new ProcFdDirectory(Sb, _task);
        else if (name.SequenceEqual("ns"u8))
            inode = new ProcNamespaces(Sb, _task);
        else if (name.SequenceEqual("mountinfo"u8))
            inode = new ProcTaskText(Sb, _ => ProcFormats.MountInfo(_task));
        else if (name.SequenceEqual("mounts"u8))
            inode = new ProcTaskText(Sb, _ => ProcFormats.Mounts(_task));
        else if (name.SequenceEqual("cwd"u8))
            inode = new ProcJump(Sb, () => _task.Cwd);
        else if (name.SequenceEqual("root"u8))
            inode = new ProcJump(Sb, () => _task.Root);
        return ProcFileSystem.Found(dentry, inode);
    }

    public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags) => new ProcDirectoryFile(path, flags);
}

/// <summary>/proc/PID/fd: a magic link for each open descriptor.</summary>
internal sealed class ProcFdDirectory : ProcTaskInode
{
    private readonly Caller _task;

    public ProcFdDirectory(SuperBlock sb, Caller task) : base(sb, Mode.S_IFDIR | (Mode)0x140) => (_task, Nlink) = (task, 2);

    /// <remarks>Linux fs/proc/fd.c: proc_lookupfd_common().</remarks>
    public override Errno Lookup(Caller caller, Dentry dentry) =>
        ProcFileSystem.Found(dentry, TryNumber(dentry.Name, out int fd) && _task.Files.Get(fd) is not null ? new ProcFdLink(Sb, _task, fd) : null);

    /// <summary>A task may always look at its own descriptors.</summary>
    /// <remarks>Linux fs/proc/fd.c: proc_fd_permission().</remarks>
    public override Errno Permission(Caller caller, AccessMode mask) => caller.Pid == _task.Pid ? Errno.OK : base.Permission(caller, mask);

    public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags) => new ProcDirectoryFile(path, flags);
}

/// <summary>A descriptor's link: the same as long as the descriptor is some open file whenever it is found, perhaps another one.</summary>
internal sealed class ProcFdLink : ProcJump
{
    private readonly Caller _task;
    private readonly int _fd;

    public ProcFdLink(SuperBlock sb, Caller task, int fd) : base(sb, () => task.Files.Get(fd)?.Path)
    {
        (_task, _fd) = (task, fd);
        Size = 64;
    }

    public override bool Renew()
    {
        if (_task.Files.Get(_fd) is not { } file)
            return false;
        Mode = Mode.S_IFLNK | (file.CanRead ? Mode.S_IRUSR | Mode.S_IXUSR : 0) | (file.CanWrite ? Mode.S_IWUSR | Mode.S_IXUSR : 0);
        return base.Renew();
    }
}

/// <summary>/proc/PID/ns: the user name space that the task lives in, by its descriptor.</summary>
/// <remarks>Linux fs/proc/namespaces.c.</remarks>
internal sealed class ProcNamespaces : ProcTaskInode
{
    private readonly Caller _task;

    public ProcNamespaces(SuperBlock sb, Caller task) : base(sb, Mode.S_IFDIR | (Mode)0x149) => (_task, Nlink) = (task, 2);

    public override Errno Lookup(Caller caller, Dentry dentry) => ProcFileSystem.Found(dentry,
        dentry.Name.SequenceEqual("user"u8) ? new ProcJump(Sb, () => UserNamespaceFile.PlaceOf(Sb.Core, _task.Credentials.Space)) : null);
}

/// <summary>A symbolic link whose text depends on who looks.</summary>
internal sealed class ProcLink(SuperBlock sb, Func<Caller, byte[]> text) : Inode(sb, Mode.S_IFLNK | Mode.S_IRWXUGO)
{
    public override SysResult<LinkTarget> GetLink(Caller caller, Dentry dentry) => new LinkTarget(text(caller), default);
}

/// <summary>A link that leads to a place without walking a path.</summary>
internal class ProcJump(SuperBlock sb, Func<VfsPath?> place) : ProcTaskInode(sb, Mode.S_IFLNK | Mode.S_IRWXUGO)
{
    public override SysResult<LinkTarget> GetLink(Caller caller, Dentry dentry) => place() is { } there ? new LinkTarget(default, there) : Errno.ENOENT;
}

/// <summary>A file whose content is made when it is read from its beginning. To write there is an operation that finds nothing to do it.</summary>
/// <remarks>Linux fs/proc/inode.c: proc_reg_write().</remarks>
internal sealed class ProcText(SuperBlock sb, Func<Caller, byte[]> make) : Inode(sb, Mode.S_IFREG | (Mode)0x124)
{
    public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags) => new ProcTextFile(path, flags, make, Errno.EIO);
}

/// <summary>As <see cref="ProcText"/>, of a task: there is no such operation.</summary>
internal sealed class ProcTaskText(SuperBlock sb, Func<Caller, byte[]> make) : ProcTaskInode(sb, Mode.S_IFREG | (Mode)0x124)
{
    public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags) => new ProcTextFile(path, flags, make, Errno.EINVAL);
}

/// <remarks>Linux fs/seq_file.c: seq_read_iter().</remarks>
internal sealed class ProcTextFile(VfsPath path, OpenFlags flags, Func<Caller, byte[]> make, Errno writeError) : OpenFile(path, flags)
{
    private byte[]? _text;

    /// <remarks>Linux fs/seq_file.c: seq_open().</remarks>
    public override bool AllowsPWrite => false;

    public override SysResult<int> Read(Caller caller, Span<byte> buffer, ref long position)
    {
        if (position == 0)
            _text = null;
        var text = TextFor(caller);
        if (position >= text.Length)
            return 0;
        int count = Math.Min(buffer.Length, text.Length - (int)position);
        text.AsSpan((int)position, count).CopyTo(buffer);
        position += count;
        return count;
    }

    public override SysResult<int> Write(Caller caller, ReadOnlySpan<byte> data, ref long position) => writeError;

    public override SysResult<long> LSeek(Caller caller, long offset, SeekWhence whence) =>
        whence is SeekWhence.SEEK_SET or SeekWhence.SEEK_CUR ? Simple.LSeek(this, offset, whence, long.MaxValue, TextFor(caller).Length) : Errno.EINVAL;

    private byte[] TextFor(Caller caller) => _text ??= make(caller);
}

internal sealed class ProcDirectoryFile(VfsPath path, OpenFlags flags) : OpenFile(path, flags)
{
    public override SysResult<int> Read(Caller caller, Span<byte> buffer, ref long position) => Errno.EISDIR;

    public override Errno Iterate(Caller caller, DirContext context) => NotModelledException.Throw("listing /proc");
}
