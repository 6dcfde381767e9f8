using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Tmpfs;

/// <summary>When files are made of huge pages (<c>huge=</c>).</summary>
internal enum TmpfsHuge
{
    Never,
    Always,
    WithinSize,
    Advise,
}

/// <summary>The mount options of tmpfs; null where nothing was said.</summary>
/// <remarks>Linux mm/shmem.c: shmem_parse_one().</remarks>
internal sealed class TmpfsOptions
{
    public Mode? Mode { get; private set; }
    public uint? Uid { get; private set; }
    public uint? Gid { get; private set; }

    /// <summary>Limit in pages; 0 is none.</summary>
    public ulong? Blocks { get; private set; }

    /// <summary>Limit of inodes; 0 is none.</summary>
    public ulong? Inodes { get; private set; }

    public bool NoSwap { get; private set; }

    public TmpfsHuge? Huge { get; private set; }

    /// <summary>Inode numbers have 64 bits.</summary>
    public bool? HasFullNumbers { get; private set; }

    /// <summary>The memory policy as mounts tell it.</summary>
    public string? MemoryPolicy { get; private set; }

    /// <summary>Directories may be made to disregard case.</summary>
    public bool HasEncoding { get; private set; }

    /// <summary>Names must be valid in such directories.</summary>
    public bool IsStrict { get; private set; }

    /// <summary>Reads an option string.</summary>
    /// <returns>EINVAL, with a line in the kernel log.</returns>
    public static SysResult<TmpfsOptions> Parse(MountContext context, TmpfsQuirks quirks)
    {
        var result = new TmpfsOptions();
        var options = new OptionReader(context.Data, quirks.EmptyNamesAreUnknown, joinsDigits: true);
        while (options.MoveNext())
        {
            if (context.TakeGeneric(options.Name))
                continue;
            var error = result.ParseOne(context, quirks, options.Name, options.Value, options.HasValue);
            if (error != Errno.OK)
                return error;
        }
        return result;
    }

    /// <summary>Reads one option.</summary>
    public Errno ParseOne(MountContext context, TmpfsQuirks quirks, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, bool hasValue)
    {
        if (name.SequenceEqual("inode32"u8) || name.SequenceEqual("inode64"u8) || quirks.HasNoSwap && name.SequenceEqual("noswap"u8) || quirks.HasCasefold && name.SequenceEqual("strict_encoding"u8))
            return ParseFlag(context, quirks, name, hasValue);
        if (quirks.HasCasefold && name.SequenceEqual("casefold"u8))
            return ParseCasefold(context, quirks, value, hasValue);
        if (name.SequenceEqual("huge"u8))
            return ParseHuge(value) ? Errno.OK : context.BadValue("tmpfs", name);
        if (name.SequenceEqual("mpol"u8))
            return ParsePolicy(quirks, value) ? Errno.OK : context.BadValue("tmpfs", name);
        bool? ok = ParseNumber(context, name, value, hasValue);
        if (ok is null)
            return name.SequenceEqual("source"u8) ? context.TakeSource(hasValue) : context.UnknownParameter("tmpfs", name);
        if (ok.Value)
            return Errno.OK;
        bool isId = name.SequenceEqual("uid"u8) || name.SequenceEqual("gid"u8);
        if (isId && quirks.BadIdsAreToldTwice && !OptionValue.TryUnsigned(value, out _))
            _ = context.BadValue("tmpfs", name); // and once more below
        return context.BadValue("tmpfs", name);
    }

    private Errno ParseFlag(MountContext context, TmpfsQuirks quirks, ReadOnlySpan<byte> name, bool hasValue)
    {
        if (hasValue)
            return context.Complain($"tmpfs: Unexpected value for '{Encoding.Latin1.GetString(name)}'");
        if (name.SequenceEqual("noswap"u8))
            NoSwap = true;
        else if (name.SequenceEqual("strict_encoding"u8) && !quirks.HasUnicode)
            return LacksUnicode(context);
        else if (name.SequenceEqual("strict_encoding"u8))
            IsStrict = true;
        else
            HasFullNumbers = name.SequenceEqual("inode64"u8);
        return Errno.OK;
    }

    private Errno ParseCasefold(MountContext context, TmpfsQuirks quirks, ReadOnlySpan<byte> value, bool hasValue)
    {
        if (hasValue && value.IsEmpty)
            return context.BadValue("tmpfs", "casefold"u8);
        if (!quirks.HasUnicode)
            return LacksUnicode(context);
        if (HasEncoding && quirks.CasefoldComesOnce)
            return context.Complain("tmpfs: casefold parameter cannot be specified twice\n");
        var error = TmpfsEncoding.Parse(context, value, hasValue);
        HasEncoding |= error == Errno.OK;
        return error;
    }

    private static Errno LacksUnicode(MountContext context) => context.Complain("tmpfs: tmpfs: Kernel not built with CONFIG_UNICODE\n");

    private bool ParseHuge(ReadOnlySpan<byte> value)
    {
        TmpfsHuge? wanted = Encoding.Latin1.GetString(value) switch
        {
            "never" => TmpfsHuge.Never,
            "always" => TmpfsHuge.Always,
            "within_size" => TmpfsHuge.WithinSize,
            "advise" => TmpfsHuge.Advise,
            _ => null,
        };
        Huge = wanted ?? Huge;
        return wanted is not null;
    }

    private bool ParsePolicy(TmpfsQuirks quirks, ReadOnlySpan<byte> value)
    {
        bool ok = TmpfsMemoryPolicy.TryParse(value, quirks, out string? policy);
        MemoryPolicy = ok ? policy : null;
        return ok;
    }

    // Null for an unknown name, false for a bad value.
    private bool? ParseNumber(MountContext context, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, bool hasValue)
    {
        if (name.SequenceEqual("size"u8))
            return hasValue && !value.IsEmpty && ParseSize(context.Core, value);
        if (name.SequenceEqual("nr_blocks"u8))
        {
            ulong? blocks = Blocks;
            bool ok = TakeNumber(value, long.MaxValue, ref blocks);
            Blocks = blocks;
            return ok;
        }
        if (name.SequenceEqual("nr_inodes"u8))
        {
            ulong? inodes = Inodes;
            bool ok = TakeNumber(value, ulong.MaxValue / TmpfsSuperBlock.InodeSpace, ref inodes);
            Inodes = inodes;
            return ok;
        }
        if (name.SequenceEqual("mode"u8))
        {
            bool ok = OptionValue.TryOctal(value, out uint mode);
            Mode = ok ? (Mode)(mode & 0xFFF) : Mode;
            return ok;
        }
        if (name.SequenceEqual("uid"u8))
        {
            bool ok = OptionValue.TryUnsigned(value, out uint uid);
            uid = context.Caller.Credentials.Space.Uids.Down(uid);
            ok &= uid != IdMap.Invalid;
            Uid = ok ? uid : Uid;
            return ok;
        }
        if (name.SequenceEqual("gid"u8))
        {
            bool ok = OptionValue.TryUnsigned(value, out uint gid);
            gid = context.Caller.Credentials.Space.Gids.Down(gid);
            ok &= gid != IdMap.Invalid;
            Gid = ok ? gid : Gid;
            return ok;
        }
        return null;
    }

    // A wrong number takes the place of one that was given before, and alone it counts for nothing.
    private static bool TakeNumber(ReadOnlySpan<byte> value, ulong most, ref ulong? wanted)
    {
        if (value.IsEmpty)
            return false;
        ulong number = OptionValue.MemParse(value, out var rest);
        bool ok = rest.IsEmpty && number <= most;
        wanted = ok || wanted is not null ? number : null;
        return ok;
    }

    private bool ParseSize(VfsCore core, ReadOnlySpan<byte> value)
    {
        ulong size = OptionValue.MemParse(value, out var rest);
        if (rest.Length > 0 && rest[0] == '%')
        {
            size = (size << 12) * (ulong)core.TotalRamPages / 100;
            rest = rest[1..];
        }
        if (rest.IsEmpty)
            Blocks = (size + Limits.PAGE_SIZE - 1) / Limits.PAGE_SIZE;
        return rest.IsEmpty;
    }
}
