using DriverLab.Vfs;

namespace DriverLab.FileSystems.Overlay;

/// <summary>The options as /proc/self/mountinfo shows them: those that differ from the kernel's defaults.</summary>
/// <remarks>Linux fs/overlayfs/params.c: ovl_show_options(); 6.1: fs/overlayfs/super.c.</remarks>
internal static class ShowOptions
{
    /// <summary>Appends <c>,option=value</c> for each option shown; xino is not shown with all layers on one file system (<paramref name="sameFs"/>).</summary>
    public static void Append(OverlayOptions options, OverlayQuirks quirks, bool sameFs, MountOptionWriter text)
    {
        var show = new Writer(text);
        if (options.LowerText is { } lowers)
            show.Path("lowerdir", lowers);
        else
            foreach (var lower in options.Lowers)
                show.Path(lower.IsData ? "datadir+" : "lowerdir+", lower.Path);
        if (options.UpperText is { } upper)
        {
            show.Path("upperdir", upper);
            show.Path("workdir", options.WorkText);
        }
        if (options.DefaultPermissions)
            show.Word("default_permissions");
        ShowRedirect(options, quirks, show);
        if (options.Index != quirks.IndexDefault)
            show.Word(options.Index ? "index=on" : "index=off");
        ShowUuid(options, quirks, show);
        if (options.NfsExport != quirks.NfsExportDefault)
            show.Word(options.NfsExport ? "nfs_export=on" : "nfs_export=off");
        if (options.Xino != (quirks.XinoAutoDefault ? XinoMode.Auto : XinoMode.Off) && !sameFs)
            show.Word(options.Xino == XinoMode.On ? "xino=on" : options.Xino == XinoMode.Auto ? "xino=auto" : "xino=off");
        if (options.Metacopy != quirks.MetacopyDefault)
            show.Word(options.Metacopy ? "metacopy=on" : "metacopy=off");
        ShowSync(options, quirks, show);
        if (options.UserXattr)
            show.Word("userxattr");
        if (options.Verity != VerityMode.Off)
            show.Word(options.Verity == VerityMode.On ? "verity=on" : "verity=require");
    }

    private static void ShowRedirect(OverlayOptions options, OverlayQuirks quirks, Writer show)
    {
        if (quirks.FsContext)
        {
            if (options.Redirect != options.RedirectDefault)
                show.Word("redirect_dir=" + OptionRules.ModeWord(options.Redirect));
        }
        else if (options.RedirectText != (quirks.RedirectDirDefault ? "on" : "off"))
        {
            show.Word("redirect_dir=" + options.RedirectText);
        }
    }

    private static void ShowUuid(OverlayOptions options, OverlayQuirks quirks, Writer show)
    {
        string? word = options.Uuid switch
        {
            UuidMode.Off => "uuid=off",
            UuidMode.Null => "uuid=null",
            UuidMode.On when quirks.PersistentUuid => "uuid=on",
            UuidMode.On or UuidMode.Auto => null,
        };
        if (word is not null)
            show.Word(word);
    }

    private static void ShowSync(OverlayOptions options, OverlayQuirks quirks, Writer show)
    {
        switch (options.Sync)
        {
            case SyncMode.Volatile:
                show.Word(quirks.FsyncOption ? "fsync=volatile" : "volatile");
                break;
            case SyncMode.Strict:
                show.Word("fsync=strict");
                break;
            case SyncMode.Auto:
                break;
        }
    }

    private readonly struct Writer(MountOptionWriter text)
    {
        public void Word(string word)
        {
            text.Text(",");
            text.Text(word);
        }

        /// <summary>A path: comma, blank, tab, newline and backslash as three octal digits.</summary>
        /// <remarks>Linux include/linux/seq_file.h: seq_show_option().</remarks>
        public void Path(string name, ReadOnlySpan<byte> value)
        {
            text.Text(",");
            text.Text(name);
            text.Text("=");
            text.Escaped(value, ", \t\n\\"u8);
        }
    }
}
