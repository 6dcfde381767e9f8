using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs.Helpers;

/// <summary>The options of a file system whose instances do not differ by them: each is looked at, and nothing is kept.</summary>
/// <param name="type">The file system.</param>
/// <param name="check">Looks at an option; null when its name is not known.</param>
public sealed class CheckedOptions(FileSystemType type, CheckedOptions.Check check) : IFsContext
{
    /// <summary>Looks at one option.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="value">Its value; null without one.</param>
    public delegate Errno? Check(string name, byte[]? value);

    /// <summary>Looks at an option string.</summary>
    /// <returns>EINVAL, with a line in the kernel log; else what the check says.</returns>
    /// <remarks>Linux fs/fs_context.c: generic_parse_monolithic(), vfs_parse_fs_param().</remarks>
    public static Errno Read(MountContext context, FileSystemType type, Check check)
    {
        var options = new OptionReader(context.Data);
        while (options.MoveNext())
        {
            if (context.TakeGeneric(options.Name))
                continue;
            string name = System.Text.Encoding.Latin1.GetString(options.Name);
            var error = check(name, options.HasValue ? options.Value.ToArray() : null) ?? (name == "source" ? context.TakeSource(options.HasValue) : context.UnknownParameter(type.Name, options.Name));
            if (error != Errno.OK)
                return error;
        }
        return Errno.OK;
    }

    /// <inheritdoc/>
    public Errno? Parse(in FsParameter parameter) => check(parameter.Text, parameter.Value);

    /// <inheritdoc/>
    public SysResult<Dentry> GetTree(MountContext context) => type.Mount(context);

    /// <inheritdoc/>
    public Errno Reconfigure(MountContext context, SuperBlock sb) => Errno.OK;
}
