using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>A parameter as fsconfig(2) gives it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Kind">How the value came.</param>
/// <param name="Value">A text, a path or bytes; null for a flag.</param>
/// <param name="File">The open file of FSCONFIG_SET_FD.</param>
/// <param name="Caller">Who configures: paths are walked as this task sees them.</param>
public readonly record struct FsParameter(byte[] Name, FsConfigCommand Kind, byte[]? Value, OpenFile? File, Caller Caller)
{
    /// <summary>The name as text.</summary>
    public string Text => Encoding.Latin1.GetString(Name);
}

/// <summary>An instance of a file system that is being described parameter by parameter.</summary>
/// <remarks>Linux include/linux/fs_context.h: struct fs_context_operations.</remarks>
public interface IFsContext
{
    /// <summary>Takes one parameter that is neither a generic flag nor the source.</summary>
    /// <returns>ENOPARAM's place is taken by null: the name is not known.</returns>
    Errno? Parse(in FsParameter parameter);

    /// <summary>Makes the instance.</summary>
    SysResult<Dentry> GetTree(MountContext context);

    /// <summary>Changes the instance that it was picked from.</summary>
    Errno Reconfigure(MountContext context, SuperBlock sb);
}

/// <summary>File systems without a context of their own: the parameters are put together into an option string, and nothing is looked at before the end.</summary>
/// <remarks>Linux fs/fs_context.c: legacy_parse_param().</remarks>
internal sealed class LegacyFsContext(FileSystemType type, VfsCore core) : IFsContext
{
    private readonly List<byte> _data = [];

    public Errno? Parse(in FsParameter parameter)
    {
        if (parameter.Name.AsSpan().SequenceEqual("source"u8))
            return null;
        int size = parameter.Name.Length + (parameter.Value is { } value ? 1 + value.Length : 0);
        if (size > Limits.PAGE_SIZE - 2 - _data.Count)
            return Complain("VFS: Legacy: Cumulative options too large");
        if (parameter.Name.Contains((byte)',') || parameter.Value is { } text && text.Contains((byte)','))
            return Complain("VFS: Legacy: Option '" + parameter.Text + "' contained comma");
        if (_data.Count > 0)
            _data.Add((byte)',');
        _data.AddRange(parameter.Name);
        if (parameter.Value is not null)
        {
            _data.Add((byte)'=');
            _data.AddRange(parameter.Value);
        }
        return Errno.OK;
    }

    private Errno Complain(string line)
    {
        core.MountLog(line);
        return Errno.EINVAL;
    }

    public SysResult<Dentry> GetTree(MountContext context) => type.Mount(context.WithData([.. _data]));

    public Errno Reconfigure(MountContext context, SuperBlock sb)
    {
        var full = context.WithData([.. _data]);
        var error = sb.CheckRemount(full);
        return error != Errno.OK ? error : sb.Remount(full);
    }
}

/// <summary>Where a context stands.</summary>
internal enum FsContextPhase
{
    CreateParams,
    AwaitingMount,
    AwaitingReconf,
    ReconfParams,
    Failed,
}

/// <summary>The descriptor of fsopen(2) or fspick(2).</summary>
/// <remarks>Linux fs/fsopen.c; fs/fs_context.c: vfs_parse_fs_param().</remarks>
internal sealed class FsContextFile(VfsCore core, FileSystemType type, MountFlags flags, bool reconfigures) : OpenFile(core.AnonPlace("[fscontext]"), OpenFlags.O_RDWR)
{
    private const int MaxMessages = 8;
    private readonly Queue<string> _messages = new();
    private IFsContext _context = type.NewContext(core, reconfigures);
    private MountFlags _flags = flags;
    private byte[]? _source;

    public override bool IsSeekable => false;
    public FsContextPhase Phase { get; private set; } = FsContextPhase.CreateParams;
    public Dentry? Root { get; private set; }
    public byte[] Source => _source ?? "none"u8.ToArray();

    /// <summary>The context was made from a mounted instance.</summary>
    public void PickFrom(Dentry root)
    {
        Root = root;
        Phase = FsContextPhase.ReconfParams;
        root.Sb.ActiveCount++;
    }

    /// <summary>One message at a time, with its newline.</summary>
    /// <returns>ENODATA, EMSGSIZE.</returns>
    public override SysResult<int> Read(Caller caller, Span<byte> buffer, ref long position)
    {
        if (!_messages.TryPeek(out var message))
            return Errno.ENODATA;
        if (message.Length > buffer.Length)
            return Errno.EMSGSIZE;
        return Encoding.Latin1.GetBytes(_messages.Dequeue(), buffer);
    }

    private void Tell(string message)
    {
        // A line that names its parameter reader is for whoever configures; the others are the kernel's own.
        if (!message.StartsWith(type.Name + ": ", StringComparison.Ordinal) && !message.StartsWith("VFS: ", StringComparison.Ordinal))
            core.Log.Add(message);
        else
            _ = Error(message);
    }

    private Errno Error(string message)
    {
        if (_messages.Count == MaxMessages)
            _ = _messages.Dequeue();
        _messages.Enqueue("e " + message + "\n");
        return Errno.EINVAL;
    }

    // ---- fsconfig -----------------------------------------------------------------------------------------------------------------------------

    /// <summary>One call of fsconfig(2), its arguments checked.</summary>
    /// <returns>EOPNOTSUPP, EBUSY (phase), EPERM, then the file system.</returns>
    public Errno Configure(Caller caller, FsConfigCommand command, in FsParameter parameter)
    {
        if (Phase == FsContextPhase.AwaitingReconf)
        {
            _context = type.NewContext(core, true);
            Phase = FsContextPhase.ReconfParams;
        }
        switch (command)
        {
            case FsConfigCommand.FSCONFIG_CMD_CREATE or FsConfigCommand.FSCONFIG_CMD_CREATE_EXCL:
                return Create(caller, command == FsConfigCommand.FSCONFIG_CMD_CREATE_EXCL);
            case FsConfigCommand.FSCONFIG_CMD_RECONFIGURE:
                return Reconfigure(caller);
            default:
                return Phase is FsContextPhase.CreateParams or FsContextPhase.ReconfParams ? core.LogTo(Tell, parameter, Set) : Errno.EBUSY;
        }
    }

    /// <summary>True when the file system knows only option strings; then values must be strings.</summary>
    public bool IsLegacy => _context is LegacyFsContext;

    private Errno Set(FsParameter parameter)
    {
        string name = parameter.Text;
        if (SetFlag(name))
            return Errno.OK;
        if (_context.Parse(parameter) is { } known)
            return known;
        if (name != "source")
            return Error($"{type.Name}: Unknown parameter '{name}'");
        if (parameter.Kind != FsConfigCommand.FSCONFIG_SET_STRING)
            return Error(Prefix + "Non-string source");
        if (_source is not null)
            return Error(Prefix + "Multiple sources");
        _source = parameter.Value;
        return Errno.OK;
    }

    private string Prefix => core.Quirks.SourceErrorsNameVfs ? "VFS: " : "";

    private bool SetFlag(string name)
    {
        var (flag, isSet) = MountContext.GenericWord(name);
        _flags = isSet ? _flags | flag : _flags & ~flag;
        _changed |= flag;
        return flag != MountFlags.None;
    }

    private MountFlags _changed;

    private Errno Create(Caller caller, bool exclusive)
    {
        if (Phase != FsContextPhase.CreateParams)
            return Errno.EBUSY;
        if (!MountCalls.MayMakeInstance(caller, type, core))
            return Errno.EPERM;
        var context = new MountContext(core, caller, Source, _flags, []) { IsExclusive = exclusive };
        var made = core.LogTo(Tell, context, _context.GetTree);
        if (!made.IsOk)
        {
            Phase = FsContextPhase.Failed;
            return made.Error;
        }
        Root = made.Value;
        Root.Sb.BelongTo(caller);
        Root.Sb.ActiveCount++;
        Phase = FsContextPhase.AwaitingMount;
        return Errno.OK;
    }

    private Errno Reconfigure(Caller caller)
    {
        if (Phase != FsContextPhase.ReconfParams)
            return Errno.EBUSY;
        if (!caller.Credentials.CapableIn(Root!.Sb.UserSpace, Capabilities.CAP_SYS_ADMIN))
            return Errno.EPERM;
        var sb = Root!.Sb;
        var wanted = sb.Flags & ~_changed | _flags & _changed;
        sb.ShrinkCache();
        if ((wanted & ~sb.Flags & MountFlags.MS_RDONLY) != 0 && MountCalls.HasWriters(sb))
        {
            Phase = FsContextPhase.Failed;
            return Errno.EBUSY;
        }
        var context = new MountContext(core, caller, Source, wanted, []) { IsRemount = true };
        var error = core.LogTo(Tell, context, c => _context.Reconfigure(c, sb));
        if (error != Errno.OK)
        {
            Phase = FsContextPhase.Failed;
            return error;
        }
        sb.Flags = wanted;
        Clean();
        return Errno.OK;
    }

    /// <summary>The instance is mounted or changed: from now on the context describes another change. Flags that were named before are cleared by it unless they are named again.</summary>
    /// <remarks>Linux fs/fs_context.c: vfs_clean_context() forgets source and flags, but not which flags were named.</remarks>
    public void Clean()
    {
        _flags = MountFlags.None;
        _source = null;
        Phase = FsContextPhase.AwaitingReconf;
    }

    protected override void Release() => Root?.Sb.Deactivate();
}
