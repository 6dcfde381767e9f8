using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Aufs;

/// <summary>One step of a mount or remount, parsed and not yet applied.</summary>
/// <param name="Apply">Does it; errors stop what follows.</param>
/// <param name="Stage">At mount flags come first (0), then branches (1), then the file of inode numbers (2).</param>
internal readonly record struct MountStep(int Stage, Func<AufsSuperBlock, Errno> Apply);

/// <summary>A mount or remount: all options are parsed, then applied. A mistake in parsing leaves everything as it was, one in applying keeps what stands to its left.</summary>
/// <remarks>aufs fs/aufs/opts.c: au_opts_mount(), au_opts_remount(); fsctx.c.</remarks>
internal sealed class MountProcedure
{
    private readonly AufsFileSystem _type;
    private readonly VfsCore _core;
    private readonly OptionParser _parser;
    private readonly List<MountStep> _steps = [];

    public MountProcedure(AufsFileSystem type, VfsCore core)
    {
        _type = type;
        _core = core;
        _parser = new OptionParser(core, _steps);
    }

    /// <summary>Parses the option string of mount(2).</summary>
    public Errno ParseAll(MountContext context)
    {
        _parser.IsReadOnly = (context.Flags & MountFlags.MS_RDONLY) != 0;
        _parser.IsRemount = context.IsRemount;
        var data = context.Data.AsSpan();
        int end = data.IndexOf((byte)0);
        data = end < 0 ? data : data[..end];
        foreach (var range in data.Split((byte)','))
        {
            byte[] option = data[range].ToArray();
            var error = option.Length == 0 ? Errno.OK : _parser.Parse(context.Caller, option) ?? UnknownParameter(option);
            if (error != Errno.OK)
                return error;
        }
        return Errno.OK;
    }

    private Errno UnknownParameter(ReadOnlySpan<byte> option)
    {
        int end = option.IndexOf((byte)'=');
        _core.MountLog($"aufs: Unknown parameter '{System.Text.Encoding.Latin1.GetString(end < 0 ? option : option[..end])}'");
        return Errno.EINVAL;
    }

    /// <summary>One parameter of fsconfig(2); null when its name is not known.</summary>
    public Errno? Parse(Caller caller, byte[] option) => _parser.Parse(caller, option);

    /// <summary>Makes the union.</summary>
    /// <returns>EINVAL, EDOM, ENOSPC, EBUSY, EPERM …; ENOENT, EEXIST and EIO of applying are EINVAL.</returns>
    public SysResult<Dentry> Make(MountContext context)
    {
        var sb = new AufsSuperBlock(_core, _type, context.Flags, context.Caller);
        sb.MakeRoot();
        var error = Errno.OK;
        for (int stage = 0; stage <= 2 && error == Errno.OK; stage++)
        {
            foreach (var step in _steps.FindAll(s => s.Stage == stage))
            {
                error = Converted(step.Apply(sb));
                if (error != Errno.OK)
                    break;
            }
            if (stage == 1 && error == Errno.OK && sb.Branches.Count == 0)
            {
                sb.Log("au_opts_mount", "no branches");
                error = Errno.EINVAL;
            }
        }
        if (error == Errno.OK && !sb.Options.NoXino && !sb.HasXino)
            error = Converted(XinoFile.SetDefault(sb));
        if (error != Errno.OK)
        {
            sb.Abandon();
            return error;
        }
        Verify(sb, (context.Flags & MountFlags.MS_RDONLY) != 0);
        return sb.Root;
    }

    /// <summary>Changes a union that is mounted.</summary>
    public Errno Change(AufsSuperBlock sb, MountContext context)
    {
        foreach (var step in _steps)
        {
            var error = Converted(step.Apply(sb));
            if (error != Errno.OK)
                return error;
        }
        bool isReadOnly = (context.Flags & MountFlags.MS_RDONLY) != 0;
        Verify(sb, isReadOnly);
        Verify(sb, isReadOnly); // twice, as the kernel does
        return Errno.OK;
    }

    private static Errno Converted(Errno error) => error is Errno.ENOENT or Errno.ENOTDIR or Errno.EEXIST or Errno.EIO ? Errno.EINVAL : error;

    private static void Verify(AufsSuperBlock sb, bool isReadOnly)
    {
        if (!isReadOnly && !sb.Branches[0].IsWritable)
            sb.Log("au_opts_verify", "first branch should be rw");
        if (sb.Options.ShowWhiteouts && !isReadOnly && sb.Type.WarnsFirst("shwh"))
            sb.Log("au_opts_verify", "shwh should be used with ro");
        if (sb.Options.DirPerm1 && sb.Type.WarnsFirst("dirperm1"))
            sb.Log("au_opts_verify", "dirperm1 breaks the protection by the permission bits on the lower branch");
    }
}

/// <summary>The file that holds the table of inode numbers: made and unlinked at once. Only its making can be seen.</summary>
/// <remarks>aufs fs/aufs/xino.c: au_xino_create(), au_xino_def().</remarks>
internal static class XinoFile
{
    private static ReadOnlySpan<byte> DefaultName => ".aufs.xino"u8;

    /// <summary>On the first writable branch, else in /tmp.</summary>
    /// <returns>EEXIST (the name is taken), then what the file system says.</returns>
    public static Errno SetDefault(AufsSuperBlock sb)
    {
        foreach (var branch in sb.Branches)
        {
            if (!branch.IsWritable)
                continue;
            byte[] shown = [.. Whiteouts.PathOf(sb, branch), (byte)'/', .. DefaultName];
            // One for the bitmap, one to copy from, and one for each file system.
            int files = 2 + sb.Branches.Select(static b => b.Root.Sb).Distinct().Count();
            for (int i = 0; i < files; i++)
            {
                var error = MakeAndUnlink(sb, branch.Path, DefaultName, shown);
                if (error != Errno.OK)
                    return error;
            }
            sb.SetXino(shown);
            return Errno.OK;
        }
        byte[] path = [.. "/tmp/"u8, .. DefaultName];
        var found = PathWalk.Lookup(sb.Kernel, "/tmp"u8, LookupFlags.LOOKUP_FOLLOW | LookupFlags.LOOKUP_DIRECTORY, out var directory);
        if (found == Errno.OK)
            found = MakeAndUnlink(sb, directory, DefaultName, path);
        if (found == Errno.OK)
            sb.SetXino(path);
        return found;
    }

    /// <summary>Makes a file in a directory and takes its name away.</summary>
    public static Errno MakeAndUnlink(AufsSuperBlock sb, in VfsPath directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> shown)
    {
        var error = MakeAndUnlink(sb.Kernel, directory, name);
        if (error != Errno.OK)
            sb.Log("au_xino_create", $"open {System.Text.Encoding.Latin1.GetString(shown)}({-(int)error})");
        return error;
    }

    public static Errno MakeAndUnlink(Caller caller, in VfsPath directory, ReadOnlySpan<byte> name)
    {
        var entry = Namei.LookupOne(caller, directory.Dentry, name);
        if (!entry.IsOk)
            return entry.Error;
        if (entry.Value.IsPositive)
            return Errno.EEXIST;
        var error = directory.Mount.WantWrite();
        if (error == Errno.OK)
            error = Namei.VfsCreate(caller, directory.Inode, entry.Value, (Mode)0x1B0);
        return error == Errno.OK ? Namei.VfsUnlink(caller, directory.Inode, entry.Value) : error;
    }
}
