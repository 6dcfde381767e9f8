using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>Looks at a layer while the option string is being parsed (since 6.5); before that, layers are looked at afterwards.</summary>
internal interface ILayerSink
{
    /// <summary>Resolves the path (unescaped; as typed for messages) and checks what can be checked of it alone; logs its own errors.</summary>
    Errno Add(LayerRole role, byte[] path, ReadOnlySpan<byte> typed);

    /// <summary>Takes a layer that was given by descriptor.</summary>
    Errno AddPlace(LayerRole role, in VfsPath found, string name);

    /// <summary>A new <c>lowerdir=</c> replaces what was there.</summary>
    void ResetLowers();
}

/// <summary>Reads overlayfs's option string the way each kernel line does.</summary>
/// <remarks>Linux 6.1 fs/overlayfs/super.c: ovl_parse_opt(); Linux 6.12 fs/overlayfs/params.c: ovl_parse_param() with fs/fs_parser.c: fs_parse().</remarks>
internal sealed class OptionParser(OverlayQuirks quirks, OverlayOptions options, ILayerSink layers, Action<string> log)
{
    private const int MaxLayers = 500;

    /// <summary>Parses the whole string.</summary>
    /// <returns>EINVAL, or what resolving a layer says.</returns>
    public Errno Parse(ReadOnlySpan<byte> data)
    {
        int end = data.IndexOf((byte)0);
        if (end >= 0)
            data = data[..end];
        foreach (var piece in OptionText.Split(data, (byte)','))
        {
            if (piece.Length == 0)
                continue;
            var error = quirks.FsContext ? ParseParameter(piece) : ParseToken(piece);
            if (error != Errno.OK)
                return error;
        }
        return Errno.OK;
    }

    // ---- before 6.5: match tokens ------------------------------------------------------------------------------------------------

    private Errno ParseToken(byte[] piece)
    {
        int equals = Array.IndexOf(piece, (byte)'=');
        string name = Text(equals < 0 ? piece : piece.AsSpan(0, equals));
        var value = equals < 0 ? null : piece[(equals + 1)..];
        if (SetToken(name, value))
            return Errno.OK;
        log($"overlayfs: unrecognized mount option \"{Text(piece)}\" or missing value");
        return Errno.EINVAL;
    }

    private bool SetToken(string name, byte[]? value)
    {
        // A match_token pattern ending in %s does not match an empty value.
        if (value is { Length: 0 })
            return false;
        switch (name, value is null ? null : Text(value))
        {
            case ("lowerdir", not null):
                options.LowerText = value;
                return true;
            case ("upperdir", not null):
                options.UpperText = value;
                return true;
            case ("workdir", not null):
                options.WorkText = value;
                return true;
            case ("redirect_dir", { } mode):
                // The word itself is judged after all options have been read.
                options.RedirectText = mode;
                options.RedirectGiven = true;
                return true;
            case ("uuid", "on" or "off") when !quirks.UserXattr:
                return false;
            default:
                return SetWord(name, value is null ? null : Text(value));
        }
    }

    /// <summary>Options with a fixed set of words, the same on every line where they exist.</summary>
    private bool SetWord(string name, string? value)
    {
        switch (name, value)
        {
            case ("default_permissions", null):
                options.DefaultPermissions = true;
                return true;
            case ("index", "on" or "off"):
                options.Index = value == "on";
                options.IndexGiven = true;
                return true;
            case ("nfs_export", "on" or "off"):
                options.NfsExport = value == "on";
                options.NfsExportGiven = true;
                return true;
            case ("metacopy", "on" or "off"):
                options.Metacopy = value == "on";
                options.MetacopyGiven = true;
                return true;
            case ("uuid", "on" or "off"):
                options.Uuid = value == "on" ? UuidMode.On : UuidMode.Off;
                return true;
            case ("uuid", "null" or "auto") when quirks.PersistentUuid:
                options.Uuid = value == "null" ? UuidMode.Null : UuidMode.Auto;
                return true;
            case ("xino", "off" or "auto" or "on"):
                options.Xino = value == "off" ? XinoMode.Off : value == "on" ? XinoMode.On : XinoMode.Auto;
                return true;
            case ("volatile", null) when quirks.Volatile:
                options.Sync = SyncMode.Volatile;
                return true;
            case ("fsync", "auto" or "strict" or "volatile") when quirks.FsyncOption:
                options.Sync = value == "auto" ? SyncMode.Auto : value == "strict" ? SyncMode.Strict : SyncMode.Volatile;
                return true;
            case ("userxattr", null) when quirks.UserXattr:
                options.UserXattr = true;
                return true;
            case ("verity", "off" or "on" or "require") when quirks.HasVerity:
                options.Verity = value == "off" ? VerityMode.Off : value == "on" ? VerityMode.On : VerityMode.Require;
                return true;
            case ("override_creds" or "nooverride_creds", null) when quirks.OverrideCreds:
                return true;
            default:
                return false;
        }
    }

    // ---- since 6.5: fs_context parameters ----------------------------------------------------------------------------------------

    private Errno ParseParameter(byte[] piece)
    {
        int equals = Array.IndexOf(piece, (byte)'=');
        if (equals == 0)
            return Errno.OK;
        string name = Text(equals < 0 ? piece : piece.AsSpan(0, equals));
        var value = equals < 0 ? null : piece[(equals + 1)..];
        if (value is null && SetGeneric(name))
            return Errno.OK;
        if (ParseParameter(name, value) is { } known)
            return known;
        log(name == "source" ? "Multiple sources" : $"overlay: Unknown parameter '{name}'");
        return Errno.EINVAL;
    }

    /// <summary>A parameter of fsconfig(2); null when its name is not known.</summary>
    public Errno? Parse(in FsParameter parameter)
    {
        string name = parameter.Text;
        bool isText = parameter.Kind is FsConfigCommand.FSCONFIG_SET_STRING or FsConfigCommand.FSCONFIG_SET_FLAG;
        if (isText || KindOf(name) is ParameterKind.Unknown)
            return ParseParameter(name, parameter.Value);
        if (parameter.File is not { } file || !quirks.LayersByDescriptor || RoleOf(name) is not { } role)
            return KindOf(name) == ParameterKind.Flag ? Unexpected(name) : BadValue(name);
        var room = new byte[Limits.PATH_MAX];
        var printed = PathWalk.PrintHeld(file.Path, parameter.Caller.Root, room);
        byte[] path = printed.IsOk ? room[^printed.Value..] : [];
        return role switch
        {
            LayerRole.Upper => AddPlace(role, file.Path, path, ref options.UpperText),
            LayerRole.Work => AddPlace(role, file.Path, path, ref options.WorkText),
            _ => AppendLower(role, path, file),
        };
    }

    private static LayerRole? RoleOf(string name) => name switch
    {
        "lowerdir+" => LayerRole.AppendedLower,
        "datadir+" => LayerRole.AppendedData,
        "upperdir" => LayerRole.Upper,
        "workdir" => LayerRole.Work,
        _ => null,
    };

    private Errno AddPlace(LayerRole role, in VfsPath place, byte[] path, ref byte[]? text)
    {
        var error = layers.AddPlace(role, place, Text(path));
        if (error == Errno.OK)
            text = path;
        return error;
    }

    private Errno? ParseParameter(string name, byte[]? value)
    {
        switch (KindOf(name))
        {
            case ParameterKind.Unknown:
                return null;
            case ParameterKind.Flag when value is not null:
                return Unexpected(name);
            case ParameterKind.Path when value is not { Length: > 0 }:
            case ParameterKind.PathOrEmpty when value is null:
                return BadValue(name);
            case ParameterKind.Path or ParameterKind.PathOrEmpty:
                return SetPath(name, value!);
            default:
                return SetEnum(name, value);
        }
    }

    private Errno Unexpected(string name)
    {
        log($"overlay: Unexpected value for '{name}'");
        return Errno.EINVAL;
    }

    private enum ParameterKind
    {
        Unknown,
        Flag,
        Word,
        Path,
        PathOrEmpty,
    }

    private ParameterKind KindOf(string name) => name switch
    {
        "lowerdir" => ParameterKind.PathOrEmpty,
        "upperdir" or "workdir" => ParameterKind.Path,
        "lowerdir+" or "datadir+" when quirks.AppendLayers => ParameterKind.Path,
        "redirect_dir" or "index" or "uuid" or "nfs_export" or "xino" or "metacopy" => ParameterKind.Word,
        "verity" when quirks.HasVerity => ParameterKind.Word,
        "fsync" when quirks.FsyncOption => ParameterKind.Word,
        "default_permissions" or "userxattr" or "volatile" => ParameterKind.Flag,
        "override_creds" or "nooverride_creds" when quirks.OverrideCreds => ParameterKind.Flag,
        _ => ParameterKind.Unknown,
    };

    private Errno BadValue(string name)
    {
        log($"overlay: Bad value for '{name}'");
        return Errno.EINVAL;
    }

    private Errno SetEnum(string name, byte[]? value)
    {
        string? word = value is null ? null : Text(value);
        if (name != "redirect_dir")
            return SetWord(name, word) ? Errno.OK : BadValue(name);
        options.RedirectGiven |= word is "off" or "follow" or "nofollow" or "on";
        switch (word)
        {
            case "off":
                options.Redirect = OverlayOptions.OffMode(quirks);
                return Errno.OK;
            case "follow":
                options.Redirect = RedirectMode.Follow;
                return Errno.OK;
            case "nofollow":
                options.Redirect = RedirectMode.NoFollow;
                return Errno.OK;
            case "on":
                options.Redirect = RedirectMode.On;
                return Errno.OK;
            default:
                return BadValue(name);
        }
    }

    /// <summary>Words that the VFS takes out before the file system sees them.</summary>
    /// <remarks>Linux fs/fs_context.c: vfs_parse_sb_flag().</remarks>
    private bool SetGeneric(string name)
    {
        var (flag, set) = MountContext.GenericWord(name);
        if (flag == MountFlags.None)
            return false;
        options.GenericSet = set ? options.GenericSet | flag : options.GenericSet & ~flag;
        options.GenericCleared = set ? options.GenericCleared & ~flag : options.GenericCleared | flag;
        return true;
    }

    private Errno SetPath(string name, byte[] value)
    {
        switch (name)
        {
            case "lowerdir":
                return SetLowers(value);
            case "upperdir":
                return AddLayer(LayerRole.Upper, value, ref options.UpperText);
            case "workdir":
                return AddLayer(LayerRole.Work, value, ref options.WorkText);
            default:
                return AppendLower(name == "datadir+" ? LayerRole.AppendedData : LayerRole.AppendedLower, value);
        }
    }

    private Errno AddLayer(LayerRole role, byte[] value, ref byte[]? text)
    {
        var error = layers.Add(role, OptionText.Unescape(value), value);
        if (error == Errno.OK)
            text = value;
        return error;
    }

    private Errno AppendLower(LayerRole role, byte[] value, OpenFile? file = null)
    {
        return AddLower(role, value, value, file);
    }

    private Errno AddLower(LayerRole role, byte[] path, ReadOnlySpan<byte> typed, OpenFile? file = null)
    {
        if (options.Lowers.Count == MaxLayers)
        {
            log($"overlay: too many lower directories, limit is {MaxLayers}");
            return Errno.EINVAL;
        }
        var error = file is null ? layers.Add(role, path, typed) : layers.AddPlace(role, file.Path, Text(typed));
        if (error == Errno.OK)
            options.Lowers.Add(new(path, role));
        return error;
    }

    /// <summary><c>lowerdir=</c>: <c>:</c> between layers, <c>::</c> before each data-only layer.</summary>
    /// <remarks>Linux 6.12 fs/overlayfs/params.c: ovl_parse_param_lowerdir().</remarks>
    private Errno SetLowers(byte[] value)
    {
        layers.ResetLowers();
        options.Lowers.Clear();
        options.LowerText = null;
        if (value.Length == 0)
            return Errno.OK;
        if (value[0] == ':')
            return Fail("overlayfs: cannot append lower layer");
        options.LowerText = value;
        if (quirks.RefusesDanglingBackslash && OptionText.HasDanglingBackslash(value))
            return Errno.EINVAL;
        var pieces = OptionText.Split(value, (byte)':');
        for (int i = 2; i < pieces.Count - 1; i++)
        {
            if (pieces[i].Length == 0 && pieces[i - 1].Length == 0)
                return Fail("overlayfs: only single ':' or double '::' sequences of unescaped colons in lowerdir mount option allowed.");
        }
        if (pieces[^1].Length == 0)
            return Fail("overlayfs: unescaped trailing colons in lowerdir mount option.");
        if (pieces.Count(static p => p.Length > 0) > MaxLayers)
            return Fail($"overlayfs: too many lower directories, limit is {MaxLayers}");
        return AddLowers(pieces);
    }

    // Each layer is looked at before it is asked what stands behind it: those in front of a wrong one stay.
    private Errno AddLowers(List<byte[]> pieces)
    {
        for (int i = 0; i < pieces.Count; i++)
        {
            if (pieces[i].Length == 0)
                continue;
            bool isData = i > 0 && pieces[i - 1].Length == 0;
            if (!isData && options.Lowers.Exists(static l => l.IsData))
                return Fail("overlayfs: regular lower layers cannot follow data lower layers");
            var error = AddLower(isData ? LayerRole.LowerData : LayerRole.Lower, OptionText.Unescape(pieces[i]), pieces[i]);
            if (error != Errno.OK)
                return error;
        }
        return Errno.OK;
    }

    private Errno Fail(string message)
    {
        log(message);
        return Errno.EINVAL;
    }

    private static string Text(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes);
}
