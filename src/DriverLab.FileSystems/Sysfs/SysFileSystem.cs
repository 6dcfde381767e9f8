using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;
using DriverLab.Vfs.Helpers;

namespace DriverLab.FileSystems.Sysfs;

/// <summary>sysfs, as far as modelled file systems fill it.</summary>
/// <remarks>Linux fs/sysfs/, fs/kernfs/. All mounts show one instance.</remarks>
public sealed class SysFileSystem : FileSystemType
{
    private SysSuperBlock? _instance;

    /// <inheritdoc/>
    public override string Name => "sysfs";

    /// <inheritdoc/>
    public override SysResult<Dentry> Mount(MountContext context)
    {
        var error = CheckedOptions.Read(context, this, CheckOption);
        return error == Errno.OK ? (_instance ??= new SysSuperBlock(context, this)).Root : error;
    }

    /// <inheritdoc/>
    public override IFsContext NewContext(VfsCore core, bool reconfigures) => new CheckedOptions(this, CheckOption);

    /// <summary>There is none.</summary>
    internal static Errno? CheckOption(string name, byte[]? value) => null;
}

internal sealed class SysSuperBlock : SuperBlock
{
    private readonly Dictionary<string, ulong> _numbers = [];

    public SysSuperBlock(MountContext context, FileSystemType type) : base(context.Core, type, context.Core.NewAnonymousDev(), FsMagic.SYSFS, context.Flags)
    {
        ActiveCount++; // one instance, whether mounted or not
        Root = NewDentry(null, []);
        Root.Instantiate(new SysDirectory(this, ""));
    }

    public override Errno CheckRemount(MountContext context) => CheckedOptions.Read(context, Type, SysFileSystem.CheckOption);

    public override Errno StatFs(Dentry dentry, out StatFs result) => Simple.StatFs(this, out result);

    public IEnumerable<SysfsFile> FilesBelow(string path) => Core.FileSystems.SelectMany(static t => t.SysfsFiles).Concat(Core.SysfsSources.SelectMany(s => s.FilesBelow(path)));

    /// <summary>Two components down from the top, everything in a directory of a file system is that file system's own.</summary>
    public bool KnowsAllOf(string path) => Core.SysfsSources.Exists(s => s.KnowsAllOf(path))
        || (path.Contains('/', StringComparison.Ordinal) && Core.FileSystems.SelectMany(static t => t.SysfsFiles).Any(f => f.Path == path || f.Path.StartsWith(path + "/", StringComparison.Ordinal)));

    /// <summary>True when a missing path is surely missing.</summary>
    public bool WouldKnow(string path) => Core.SysfsSources.Exists(s => s.WouldKnow(path));

    public override bool HasFileHandles => true;

    public override SysResult<int> EncodeHandle(Inode inode, Span<byte> handle, out byte handleType)
    {
        handleType = 0;
        return NotModelledException.Throw("handles of sysfs");
    }

    /// <summary>The number that a path keeps.</summary>
    public ulong NumberOf(string path)
    {
        if (!_numbers.TryGetValue(path, out ulong number))
            _numbers.Add(path, number = (ulong)_numbers.Count + 1);
        return number;
    }
}

/// <summary>A directory: what the paths of the files have in common.</summary>
internal sealed class SysDirectory : Inode
{
    private readonly string _path;

    public SysDirectory(SysSuperBlock sb, string path) : base(sb, Mode.S_IFDIR | (Mode)0x1ED)
    {
        _path = path;
        Ino = sb.NumberOf(path);
        Nlink = 2;
    }

    private SysSuperBlock Sys => (SysSuperBlock)Sb;

    /// <summary>Names below this directory that some file's path goes through.</summary>
    private static IEnumerable<(string Name, SysfsFile? File)> Children(SysSuperBlock sys, string path)
    {
        string prefix = path.Length == 0 ? "" : path + "/";
        return sys.FilesBelow(path).Where(f => f.Path.StartsWith(prefix, StringComparison.Ordinal))
            .Select(f => (Below: f.Path[prefix.Length..], File: f))
            .Select(static f => f.Below.IndexOf('/', StringComparison.Ordinal) is >= 0 and var at ? (f.Below[..at], (SysfsFile?)null) : (f.Below, f.File.Content is null && f.File.Target is null ? null : f.File))
            .DistinctBy(static c => c.Item1);
    }

    /// <summary>The file of this path, or the directory that a file's path goes through; null when neither is there.</summary>
    private static (bool IsThere, SysfsFile? File) Child(SysSuperBlock sys, string directory, string path)
    {
        foreach (var file in sys.FilesBelow(directory))
        {
            if (!file.Path.StartsWith(path, StringComparison.Ordinal) || (file.Path.Length > path.Length && file.Path[path.Length] != '/'))
                continue;
            return (true, file.Path.Length > path.Length || (file.Content is null && file.Target is null) ? null : file);
        }
        return (false, null);
    }

    /// <summary>Files come and go with the mounts they tell of: nothing is cached.</summary>
    public override Errno Lookup(Caller caller, Dentry dentry)
    {
        string name = System.Text.Encoding.UTF8.GetString(dentry.Name);
        string path = _path.Length == 0 ? name : $"{_path}/{name}";
        var (isThere, file) = Child(Sys, _path, path);
        if (!isThere)
            return IsOwn || Sys.WouldKnow(path) ? Errno.ENOENT : NotModelledException.Throw($"/sys/{path}");
        dentry.Instantiate(file is not { } leaf ? new SysDirectory(Sys, path) : leaf.Target is { } target ? new SysLink(Sys, path, target) : new SysFile(Sys, path, leaf));
        return Errno.OK;
    }

    private bool IsOwn => Sys.KnowsAllOf(_path);

    public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags) =>
        new SysDirectoryFile(path, flags, IsOwn ? [.. Children(Sys, _path).OrderBy(static c => c.Name, StringComparer.Ordinal).Select(c => (c.Name, c.File is not { } file ? DirentType.DT_DIR : file.Target is null ? DirentType.DT_REG : DirentType.DT_LNK, Sys.NumberOf($"{_path}/{c.Name}")))] : null);
}

internal sealed class SysDirectoryFile(VfsPath path, OpenFlags flags, (string Name, DirentType Type, ulong Ino)[]? entries) : DentryDirectoryFile(path, flags)
{
    public override Errno Iterate(Caller caller, DirContext context)
    {
        if (entries is null)
            return NotModelledException.Throw("listing /sys");
        if (!EmitDots(this, context))
            return Errno.OK;
        while (context.Position - 2 < entries.Length)
        {
            var (name, type, ino) = entries[context.Position - 2];
            if (!context.Emit(System.Text.Encoding.UTF8.GetBytes(name), ino, type))
                break;
            context.Position++;
        }
        return Errno.OK;
    }

    public override SysResult<long> LSeek(Caller caller, long offset, SeekWhence whence)
    {
        var target = Target(offset, whence);
        if (target.IsOk)
            Position = target.Value;
        return target;
    }
}

/// <summary>A file whose content is made when it is opened; it claims to have a page.</summary>
internal sealed class SysFile : Inode
{
    private readonly SysfsFile _file;

    public SysFile(SysSuperBlock sb, string path, SysfsFile file) : base(sb, Mode.S_IFREG | file.Mode)
    {
        _file = file;
        Ino = sb.NumberOf(path);
        Size = Limits.PAGE_SIZE;
    }

    public override SysResult<OpenFile> Open(Caller caller, in VfsPath path, OpenFlags flags)
    {
        var access = flags & OpenFlags.O_ACCMODE;
        if (access != OpenFlags.O_RDONLY && (Mode & Mode.S_IWUSR) == 0)
            return Errno.EACCES;
        if (access != OpenFlags.O_RDONLY && _file.Store is null)
            return NotModelledException.Throw($"writing to /sys/{_file.Path}");
        return new SysOpenFile(path, flags, access == OpenFlags.O_WRONLY ? [] : System.Text.Encoding.UTF8.GetBytes(_file.Content!(caller)), _file.Store);
    }

    /// <summary>A size can be set and stays what it was.</summary>
    /// <remarks>Linux fs/kernfs/inode.c: kernfs_iop_setattr().</remarks>
    public override Errno SetAttr(Caller caller, Dentry dentry, ref Iattr attr)
    {
        attr.Valid &= ~AttrValid.ATTR_SIZE;
        return base.SetAttr(caller, dentry, ref attr);
    }
}

/// <summary>A symbolic link: to a device's directory, mostly.</summary>
internal sealed class SysLink : Inode
{
    private readonly byte[] _target;

    public SysLink(SysSuperBlock sb, string path, string target) : base(sb, Mode.S_IFLNK | Mode.S_IRWXUGO)
    {
        _target = System.Text.Encoding.UTF8.GetBytes(target);
        Ino = sb.NumberOf(path);
    }

    public override SysResult<LinkTarget> GetLink(Caller caller, Dentry dentry) => new LinkTarget(_target, default);
}

internal sealed class SysOpenFile(VfsPath path, OpenFlags flags, byte[] text, Func<ReadOnlyMemory<byte>, Errno>? store) : OpenFile(path, flags)
{
    /// <summary>Each write is a value of its own, wherever it is made; what does not fit into a page is left.</summary>
    /// <remarks>Linux fs/kernfs/file.c: kernfs_fop_write_iter().</remarks>
    public override SysResult<int> Write(Caller caller, ReadOnlySpan<byte> data, ref long position)
    {
        byte[] value = data[..Math.Min(data.Length, Limits.PAGE_SIZE)].ToArray();
        var error = value.Length == 0 ? Errno.OK : store!(value);
        if (error != Errno.OK)
            return error;
        position += value.Length;
        return value.Length;
    }

    public override SysResult<int> Read(Caller caller, Span<byte> buffer, ref long position)
    {
        int count = (int)Math.Clamp(text.Length - position, 0, buffer.Length);
        text.AsSpan((int)Math.Min(position, text.Length), count).CopyTo(buffer);
        position += count;
        return count;
    }

    public override SysResult<long> LSeek(Caller caller, long offset, SeekWhence whence) => Simple.LSeek(this, offset, whence, long.MaxValue, Limits.PAGE_SIZE);
}
