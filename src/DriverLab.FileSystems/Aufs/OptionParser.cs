using System.Globalization;
using System.Text;
using DriverLab.Linux;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Aufs;

/// <summary>Reads options into steps. Options of branches take a colon or an equals sign, others the equals sign.</summary>
/// <remarks>aufs fs/aufs/fsctx.c: au_fsctx_parse_param() and the words of opts.c.</remarks>
internal sealed class OptionParser(VfsCore core, List<MountStep> steps)
{
    /// <summary>Most options of one call, each branch counting as one: what fits into a page.</summary>
    public const int MaxSteps = 84;

    private const int MaxSeconds = 3600;

    private int _branches;

    public bool IsReadOnly { get; set; }
    public bool IsRemount { get; set; }

    private void Log(string text) => core.MountLog(text);

    private Errno Wrong(string what)
    {
        Log("aufs: wrong value, " + what);
        return Errno.EINVAL;
    }

    private Errno Add(int stage, Func<AufsSuperBlock, Errno> apply)
    {
        if (steps.Count >= MaxSteps)
            return Errno.E2BIG;
        steps.Add(new(stage, apply));
        return Errno.OK;
    }

    private Errno Set(Action<AufsOptions> set) => Add(0, sb =>
    {
        set(sb.Options);
        return Errno.OK;
    });

    /// <summary>Reads one option.</summary>
    /// <returns>null: its name is not known.</returns>
    public Errno? Parse(Caller caller, byte[] option)
    {
        int at = option.AsSpan().IndexOfAny((byte)':', (byte)'=');
        string name = Encoding.Latin1.GetString(at < 0 ? option : option.AsSpan(0, at));
        var value = at < 0 ? null : option[(at + 1)..];
        bool isColon = at >= 0 && option[at] == ':';
        switch (name)
        {
            case "br":
                return BranchList(caller, value);
            case "dirs" when !isColon:
                return BranchList(caller, value);
            case "add" or "ins" when value is not null:
                return AddAt(caller, value);
            case "append" when value is not null:
                return OneBranch(caller, value, -1);
            case "prepend" when value is not null:
                return OneBranch(caller, value, 0);
            case "del" when value is not null:
                return Delete(caller, value);
            case "mod" when value is not null:
                return Modify(caller, value);
        }
        if (isColon)
            return null;
        return value is null ? Flag(name) : Setting(caller, name, value);
    }

    // ---- branches -------------------------------------------------------------------------------------------------------------------------------

    private Errno BranchList(Caller caller, byte[]? value)
    {
        if (value is null or [])
        {
            Log("aufs: Bad value for 'br'");
            return Errno.EINVAL;
        }
        int index = IsRemount ? 0 : _branches;
        bool isFirst = true;
        foreach (var range in value.AsSpan().Split((byte)':'))
        {
            byte[] element = value[range];
            if (element.Length == 0)
                return isFirst ? Errno.EINVAL : Errno.OK;
            isFirst = false;
            if (steps.Count >= MaxSteps)
            {
                const string crash = "the 85th branch of one br= list: the error path frees memory behind the page of options";
                core.World.Hazards.Add("crash: " + crash);
                throw new KernelOopsException(crash);
            }
            var error = OneBranch(caller, element, index++);
            if (error != Errno.OK)
                return error;
        }
        return Errno.OK;
    }

    private Errno AddAt(Caller caller, byte[] value)
    {
        int colon = value.AsSpan().IndexOf((byte)':');
        string text = Encoding.Latin1.GetString(value);
        if (colon < 0)
            return Complain("bad arg in " + text);
        if (!int.TryParse(text.AsSpan(0, colon), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int index))
            return Complain("bad integer in " + text[..colon]);
        return OneBranch(caller, value[(colon + 1)..], index < 0 ? int.MaxValue : index);
    }

    private Errno Complain(string text)
    {
        Log("aufs: " + text);
        return Errno.EINVAL;
    }

    private Errno OneBranch(Caller caller, byte[] text, int index)
    {
        int equals = text.AsSpan().IndexOf((byte)'=');
        var path = equals < 0 ? text : text[..equals];
        // A bare equals sign is an empty word, which means ro.
        string? words = equals < 0 ? null : Encoding.Latin1.GetString(text.AsSpan(equals + 1));
        if (words is { Length: 0 })
            words = "ro";
        bool isTop = index == 0;
        words ??= isTop && !IsReadOnly ? "rw" : "ro";
        var error = FindDirectory(caller, "au_opt_add", path, out var found);
        if (error != Errno.OK)
            return Errno.EINVAL;
        var (permission, attributes) = BranchWords.Parse(words, Log);
        _branches++;
        var wanted = new NewBranch(found, Encoding.Latin1.GetString(path), permission, attributes, index, IsRemount);
        return Add(1, sb => BranchChanges.Add(sb, wanted));
    }

    private Errno FindDirectory(Caller caller, string function, ReadOnlySpan<byte> path, out VfsPath found)
    {
        var error = PathWalk.Lookup(caller, path, LookupFlags.LOOKUP_FOLLOW | LookupFlags.LOOKUP_DIRECTORY, out found);
        if (error != Errno.OK)
            Log($"aufs {function}: lookup failed {Encoding.Latin1.GetString(path)} ({-(int)error})");
        return error;
    }

    private Errno Delete(Caller caller, byte[] path)
    {
        var error = FindDirectory(caller, "au_opts_parse_del", path, out var found);
        bool isRemount = IsRemount;
        return error != Errno.OK ? error : Add(1, sb => BranchChanges.Delete(sb, found, Encoding.Latin1.GetString(path), isRemount));
    }

    private Errno Modify(Caller caller, byte[] text)
    {
        int equals = text.AsSpan().IndexOf((byte)'=');
        if (equals < 0)
            return Complain("no permission " + Encoding.Latin1.GetString(text));
        var path = text[..equals];
        var error = FindDirectory(caller, "au_opts_parse_mod", path, out var found);
        if (error != Errno.OK)
            return error;
        string words = Encoding.Latin1.GetString(text.AsSpan(equals + 1));
        var (permission, attributes) = BranchWords.Parse(words.Length == 0 ? "ro" : words, Log);
        return Add(1, sb => BranchChanges.Modify(sb, found, Encoding.Latin1.GetString(path), permission, attributes));
    }

    // ---- words without a value --------------------------------------------------------------------------------------------------------------------

    private Errno? Flag(string name)
    {
        switch (name)
        {
            case "noxino":
                return Set(static o => o.NoXino = true);
            case "trunc_xino" or "notrunc_xino":
                return Set(o => o.TruncXino = name == "trunc_xino");
            case "trunc_xib" or "notrunc_xib":
                return Errno.OK; // the bitmap is not kept in a file
            case "shwh" or "noshwh":
                return Set(o => o.ShowWhiteouts = name == "shwh");
            case "plink" or "noplink":
                return Add(1, sb => BranchChanges.SetPlink(sb, name == "plink"));
            case "dio" or "nodio":
                return Set(o => o.Dio = name == "dio");
            case "dirperm1" or "nodirperm1":
                return Set(o => o.DirPerm1 = name == "dirperm1");
            case "dirren" or "nodirren":
                return Set(o => o.DirRen = name == "dirren");
            case "sum" or "nosum":
                return Set(o => o.Sum = name == "sum");
            case "warn_perm" or "nowarn_perm":
                return Set(o => o.NoWarnPerm = name == "nowarn_perm");
            case "verbose" or "v" or "noverbose" or "quiet" or "q" or "silent":
                return Set(o => o.Verbose = name is "verbose" or "v");
            case "acl" or "noacl":
                return Set(o => o.Acl = name == "acl");
            case "wsum" or "nowsum" or "nodlgt" or "relatime":
                return Errno.OK;
            case "imap" or "delete" or "debug" or "clean_plink":
                Log("aufs: ignored " + name);
                return Errno.OK;
            default:
                return null;
        }
    }

    // ---- words with a value -----------------------------------------------------------------------------------------------------------------------

    private Errno? Setting(Caller caller, string name, byte[] value)
    {
        string text = Encoding.Latin1.GetString(value);
        switch (name)
        {
            case "si":
                return Errno.OK;
            case "debug" or "imap" or "delete":
                Log("aufs: ignored " + name);
                return Errno.OK;
            case "xino":
                return Xino(caller, value);
            case "itrunc_xino":
                return int.TryParse(text, CultureInfo.InvariantCulture, out int branch) ? Add(1, sb => TruncateXino(sb, branch)) : Complain("bad integer in itrunc_xino");
            case "trunc_xino":
                return TruncateXino(caller, value);
            case "udba":
                return text is "none" or "reval" ? Set(o => o.Udba = text == "none" ? Udba.None : Udba.Reval) : Wrong(text);
            case "create" or "create_policy":
                return CreateWords.Parse(text, MaxSeconds, Log) is { } set ? Add(1, sb => ChooseCreate(sb, set)) : Wrong("create");
            case "cpup" or "copyup" or "copyup_policy":
                return CopyUpPolicyOf(text) is { } policy ? Set(o => o.CopyUp = policy) : Wrong("cpup");
            case "diropq":
                return text is "a" or "always" or "w" or "whiteouted" ? Set(o => o.AlwaysOpaque = text[0] == 'a') : Wrong("diropq");
            case "dirwh" when int.TryParse(text, CultureInfo.InvariantCulture, out int count) && count >= 0:
                return Set(o => o.DirWh = count);
            case "rdcache":
                return Number(text, "rdcache") is not { } seconds ? Errno.EINVAL : seconds > MaxSeconds ? Complain($"rdcache must be smaller than {MaxSeconds}") : Set(o => o.RdCacheSeconds = seconds);
            case "rdblk":
                return text == "def" ? Set(static o => o.RdBlock = AufsOptions.DefaultRdBlock)
                    : Number(text, "rdblk") is not { } block ? Errno.EINVAL : block is > 0 and < 255 ? Complain("rdblk must be larger than 255") : Set(o => o.RdBlock = block);
            case "rdhash":
                return text == "def" ? Set(static o => o.RdHash = AufsOptions.DefaultRdHash) : Number(text, "rdhash") is not { } hash ? Errno.EINVAL : Set(o => o.RdHash = hash);
            case "dirwh":
                return Complain("bad integer in dirwh");
            default:
                return null;
        }
    }

    private int? Number(string text, string option)
    {
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value))
            return value;
        _ = Complain("bad integer in " + option);
        return null;
    }

    private Errno ChooseCreate(AufsSuperBlock sb, Action<AufsOptions> set)
    {
        set(sb.Options);
        sb.Policies.Restart(IsRemount);
        return Errno.OK;
    }

    private static CopyUpPolicy? CopyUpPolicyOf(string text) => text switch
    {
        "tdp" or "top-down-parent" => CopyUpPolicy.Tdp,
        "bup" or "bottom-up-parent" => CopyUpPolicy.Bup,
        "bu" or "bottom-up" => CopyUpPolicy.Bu,
        _ => null,
    };

    /// <summary>The file is made while the options are parsed, so that its errors come through as they are.</summary>
    private Errno Xino(Caller caller, byte[] path)
    {
        var error = PathWalk.Parent(caller, caller.Cwd, path, out var directory, out var last, out _, out _);
        string shown = Encoding.Latin1.GetString(path);
        if (error == Errno.OK && directory.Dentry.Sb is AufsSuperBlock)
            return ComplainAbout("au_xino_create", shown + " must be outside");
        if (error == Errno.OK && AufsSuperBlock.IsXino(core, path))
            return Errno.OK; // the same again
        if (error == Errno.OK)
            error = XinoFile.MakeAndUnlink(caller.With(Credentials.Root), directory, last);
        if (error != Errno.OK)
        {
            Log($"aufs au_xino_create: open {shown}({-(int)error})");
            return error;
        }
        return Add(2, sb =>
        {
            sb.Options.NoXino = false;
            sb.SetXino(path);
            return Errno.OK;
        });
    }

    private Errno ComplainAbout(string function, string text)
    {
        Log($"aufs {function}: {text}");
        return Errno.EINVAL;
    }

    private Errno TruncateXino(Caller caller, byte[] path)
    {
        var error = FindDirectory(caller, "au_opts_parse_xino_itrunc_path", path, out var found);
        return error != Errno.OK ? Errno.EINVAL
            : Add(1, sb => sb.FindBranch(found.Dentry) is { } branch ? TruncateXino(sb, sb.IndexOf(branch)) : ComplainAbout("au_opts_parse_xino_itrunc_path", "no such branch " + Encoding.Latin1.GetString(path)));
    }

    private Errno TruncateXino(AufsSuperBlock sb, int index)
    {
        if (index < 0 || index >= sb.Branches.Count)
            return ComplainAbout("au_opts_parse_xino_itrunc", $"out of bounds, {index}");
        sb.Log("au_xino_trunc", $"begin to truncate xino(b{index})");
        sb.Log("au_xino_trunc", $"end of truncating xino(b{index})");
        return Errno.OK;
    }
}

/// <summary>The words of <c>create=</c> with their numbers.</summary>
internal static class CreateWords
{
    /// <summary>Reads a policy; null when it is wrong.</summary>
    public static Action<AufsOptions>? Parse(string text, int maxSeconds, Action<string> log)
    {
        var parts = text.Split(':');
        CreatePolicy? known = parts[0] switch
        {
            "tdp" or "top-down-parent" => CreatePolicy.Tdp,
            "rr" or "round-robin" => CreatePolicy.Rr,
            "mfs" or "most-free-space" => CreatePolicy.Mfs,
            "mfsrr" or "most-free-space-rr" => CreatePolicy.Mfsrr,
            "tdmfs" => CreatePolicy.Tdmfs,
            "tdmfsrr" => CreatePolicy.Tdmfsrr,
            "pmfs" => CreatePolicy.Pmfs,
            "pmfsrr" => CreatePolicy.Pmfsrr,
            _ => null,
        };
        if (known is not { } policy)
            return null;
        bool hasSeconds = policy is not (CreatePolicy.Tdp or CreatePolicy.Rr);
        bool hasLow = policy is CreatePolicy.Mfsrr or CreatePolicy.Tdmfs or CreatePolicy.Tdmfsrr or CreatePolicy.Pmfsrr;
        int numbers = parts.Length - 1;
        if (numbers < (hasLow ? 1 : 0) || numbers > (hasSeconds ? 1 : 0) + (hasLow ? 1 : 0))
            return null;
        long low = 0;
        int seconds = AufsOptions.DefaultMfsSeconds;
        if (hasLow && !long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out low) || numbers > (hasLow ? 1 : 0) && !TrySeconds(parts[^1], maxSeconds, out seconds))
        {
            log("aufs: bad integer in " + text);
            return null;
        }
        return o => (o.Create, o.CreateLow, o.CreateSeconds, o.CreateNumbers) = (policy, low, seconds, text[parts[0].Length..]);
    }

    private static bool TrySeconds(string text, int maxSeconds, out int seconds) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out seconds) && seconds <= maxSeconds;
}
