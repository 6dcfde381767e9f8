using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>What mount(2) gives a file system.</summary>
/// <remarks>Linux include/linux/fs_context.h: struct fs_context.</remarks>
public sealed class MountContext(VfsCore core, Caller caller, byte[] source, MountFlags flags, byte[] data)
{
    public VfsCore Core { get; } = core;

    /// <summary>Who mounts: paths in options are walked as this task sees them (<c>PathWalk.Lookup</c>).</summary>
    public Caller Caller { get; } = caller;

    /// <summary>The source as given.</summary>
    public byte[] Source { get; } = source;

    /// <summary>Super block flags: MS_RDONLY, MS_SYNCHRONOUS, MS_MANDLOCK, MS_DIRSYNC, MS_SILENT, MS_LAZYTIME.</summary>
    public MountFlags Flags { get; private set; } = flags;

    /// <summary>The option string up to its NUL, unparsed; <see cref="OptionReader"/> splits it as most file systems do.</summary>
    public byte[] Data { get; } = data;

    /// <summary>True while an instance is being changed rather than made.</summary>
    public bool IsRemount { get; init; }

    /// <summary>FSCONFIG_CMD_CREATE_EXCL: an instance that exists already must not be shared.</summary>
    public bool IsExclusive { get; init; }

    /// <summary>Takes a word that is for every file system, such as <c>ro</c> or <c>sync</c>, into <see cref="Flags"/>.</summary>
    /// <returns>False when it is none of them.</returns>
    /// <remarks>Linux fs/fs_context.c: vfs_parse_sb_flag().</remarks>
    public bool TakeGeneric(ReadOnlySpan<byte> name)
    {
        var (flag, isSet) = GenericWord(Encoding.Latin1.GetString(name));
        Flags = isSet ? Flags | flag : Flags & ~flag;
        return flag != MountFlags.None;
    }

    private bool _hasSource;

    /// <summary>Takes a source among the options, where no file system has one of its own: mount(2) has given it already, and a remount leaves it as it is.</summary>
    /// <returns>EINVAL (no text, or the second one), told in the kernel log.</returns>
    /// <remarks>Linux fs/fs_context.c: vfs_parse_fs_param_source().</remarks>
    public Errno TakeSource(bool hasValue)
    {
        bool isFirst = IsRemount && !_hasSource;
        _hasSource |= hasValue;
        return hasValue && isFirst ? Errno.OK : this.Complain((Core.Quirks.SourceErrorsNameVfs ? "VFS: " : "") + (hasValue ? "Multiple sources" : "Non-string source"));
    }

    /// <summary>The flag of a word that is for every file system, and whether the word sets or clears it; no flag for other words.</summary>
    public static (MountFlags Flag, bool IsSet) GenericWord(string name) => name switch
    {
        "ro" => (MountFlags.MS_RDONLY, true),
        "rw" => (MountFlags.MS_RDONLY, false),
        "sync" => (MountFlags.MS_SYNCHRONOUS, true),
        "async" => (MountFlags.MS_SYNCHRONOUS, false),
        "dirsync" => (MountFlags.MS_DIRSYNC, true),
        "mand" => (MountFlags.MS_MANDLOCK, true),
        "nomand" => (MountFlags.MS_MANDLOCK, false),
        "lazytime" => (MountFlags.MS_LAZYTIME, true),
        "nolazytime" => (MountFlags.MS_LAZYTIME, false),
        _ => (MountFlags.None, false),
    };

    internal MountContext WithData(byte[] data) => new(Core, Caller, Source, Flags, data) { IsRemount = IsRemount, IsExclusive = IsExclusive };
}

/// <summary>Splits <c>name=value,name,…</c> at commas; empty parts are skipped.</summary>
/// <remarks>Linux fs/fs_context.c: vfs_parse_monolithic_sep().</remarks>
/// <param name="data">The text.</param>
/// <param name="hasEmptyNames">Also tells of <c>=value</c>, which is skipped otherwise.</param>
/// <param name="joinsDigits">A comma before a digit belongs to the value, as in lists of nodes (Linux mm/shmem.c: shmem_next_opt()).</param>
public ref struct OptionReader(ReadOnlySpan<byte> data, bool hasEmptyNames = false, bool joinsDigits = false)
{
    private ReadOnlySpan<byte> _rest = data;

    public ReadOnlySpan<byte> Name { get; private set; }
    public ReadOnlySpan<byte> Value { get; private set; }

    /// <summary>True when there was an equals sign, even with nothing behind it.</summary>
    public bool HasValue { get; private set; }

    /// <summary>Moves to the next option; false at the end.</summary>
    public bool MoveNext()
    {
        while (_rest.Length > 0)
        {
            int comma = NextComma();
            var option = comma < 0 ? _rest : _rest[..comma];
            _rest = comma < 0 ? default : _rest[(comma + 1)..];
            if (option.IsEmpty)
                continue;
            int equals = option.IndexOf((byte)'=');
            if (equals == 0 && !hasEmptyNames)
                continue;
            HasValue = equals >= 0;
            Name = HasValue ? option[..equals] : option;
            Value = HasValue ? option[(equals + 1)..] : default;
            return true;
        }
        return false;
    }

    private readonly int NextComma()
    {
        int comma = _rest.IndexOf((byte)',');
        while (joinsDigits && comma >= 0 && comma + 1 < _rest.Length && char.IsAsciiDigit((char)_rest[comma + 1]))
        {
            int next = _rest[(comma + 1)..].IndexOf((byte)',');
            comma = next < 0 ? -1 : comma + 1 + next;
        }
        return comma;
    }
}

/// <summary>Collects a line of /proc/mounts, escaping blanks, tabs, newlines and backslashes in octal as the kernel does.</summary>
/// <remarks>Linux fs/seq_file.c: seq_escape(), mangle_path().</remarks>
public sealed class MountOptionWriter
{
    private readonly List<byte> _bytes = [];

    /// <summary>What was written.</summary>
    public byte[] ToArray() => [.. _bytes];

    /// <summary>Appends text as it is.</summary>
    public void Text(string text) => _bytes.AddRange(Encoding.UTF8.GetBytes(text));

    /// <summary>Appends bytes as they are.</summary>
    public void Raw(ReadOnlySpan<byte> bytes) => _bytes.AddRange(bytes);

    /// <summary>Appends bytes, with those in <paramref name="special"/> as a backslash and three octal digits.</summary>
    public void Escaped(ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> special)
    {
        foreach (byte b in bytes)
        {
            if (special.Contains(b))
                _bytes.AddRange([(byte)'\\', (byte)('0' + (b >> 6)), (byte)('0' + (b >> 3 & 7)), (byte)('0' + (b & 7))]);
            else
                _bytes.Add(b);
        }
    }
}
