using DriverLab.Linux;

namespace DriverLab.FileSystems.Overlay;

/// <summary>How options depend on each other: conflicts, implications and quiet downgrades, in the kernel's order.</summary>
/// <remarks>Linux 6.12 fs/overlayfs/params.c: ovl_fs_params_verify(); Linux 6.1 fs/overlayfs/super.c: the second half of ovl_parse_opt().</remarks>
internal static class OptionRules
{
    /// <summary>Makes the options consistent.</summary>
    /// <returns>EINVAL when explicit options contradict each other, EPERM when they need what only the superuser of the initial user name space may do.</returns>
    public static Errno Verify(OverlayOptions options, OverlayQuirks quirks, Action<string> log, bool isPrivileged)
    {
        var reporter = new Reporter(log);
        if (options.UpperText is null)
            DropUselessOptions(options, quirks, reporter);
        var error = quirks.FsContext ? Errno.OK : ResolveRedirectWord(options, quirks, reporter);
        if (error == Errno.OK)
            error = ResolveUuidAndVerity(options, quirks, reporter);
        if (error == Errno.OK)
            error = ResolveMetacopy(options, quirks, reporter);
        if (error == Errno.OK)
            error = ResolveNfsExport(options, reporter);
        if (error == Errno.OK)
            error = ResolveNfsExportWithMetacopy(options, quirks, reporter);
        if (error == Errno.OK)
            error = ResolveUserXattr(options, quirks, reporter);
        if (error == Errno.OK && !options.UserXattr && !isPrivileged && quirks.UnprivilegedOptionsAreChecked)
            error = CheckUnprivileged(options, reporter);
        if (error != Errno.OK || !quirks.DataLayersNeedMetacopy || options.Metacopy || !options.Lowers.Exists(static l => l.IsData))
            return error;
        reporter.Info("lower data-only dirs require metacopy support.");
        return Errno.EINVAL;
    }

    private readonly struct Reporter(Action<string> log)
    {
        public void Info(string message) => log("overlayfs: " + message);

        public Errno Conflict(string what)
        {
            log("overlayfs: conflicting options: " + what);
            return Errno.EINVAL;
        }
    }

    private static void DropUselessOptions(OverlayOptions options, OverlayQuirks quirks, Reporter report)
    {
        if (options.WorkText is { } work)
        {
            report.Info($"option \"workdir={System.Text.Encoding.Latin1.GetString(work)}\" is useless in a non-upper mount, ignore");
            options.WorkText = null;
        }
        if (options.Index && options.IndexGiven)
        {
            report.Info("option \"index=on\" is useless in a non-upper mount, ignore");
            options.IndexGiven = false;
        }
        options.Index = false;
        if (options.Sync == SyncMode.Volatile)
        {
            report.Info("option \"volatile\" is meaningless in a non-upper mount, ignoring it.");
            options.Sync = SyncMode.Auto;
        }
        if (quirks.PersistentUuid && options.Uuid == UuidMode.On)
        {
            report.Info("option \"uuid=on\" requires an upper fs, falling back to uuid=null.");
            options.Uuid = UuidMode.Null;
        }
        // Nothing below can be renamed, so the two modes are one; the shown text follows.
        if (quirks.FsContext && options.Redirect == RedirectMode.Follow)
            options.Redirect = RedirectMode.On;
    }

    private static Errno ResolveRedirectWord(OverlayOptions options, OverlayQuirks quirks, Reporter report)
    {
        switch (options.RedirectText)
        {
            case "on":
                options.Redirect = RedirectMode.On;
                break;
            case "follow":
                options.Redirect = RedirectMode.Follow;
                break;
            case "off":
                options.Redirect = OverlayOptions.OffMode(quirks);
                break;
            case "nofollow":
                options.Redirect = RedirectMode.NoFollow;
                break;
            default:
                report.Info($"bad mount option \"redirect_dir={options.RedirectText}\"");
                return Errno.EINVAL;
        }
        return Errno.OK;
    }

    private static Errno ResolveUuidAndVerity(OverlayOptions options, OverlayQuirks quirks, Reporter report)
    {
        if (!VerityCounts(options, quirks) || options.Metacopy)
            return Errno.OK;
        if (options.MetacopyGiven)
            return report.Conflict($"metacopy=off,{VerityWord(options)}");
        options.Metacopy = true;
        return Errno.OK;
    }

    /// <summary>verity= rules over the other options.</summary>
    private static bool VerityCounts(OverlayOptions options, OverlayQuirks quirks) => options.Verity != VerityMode.Off && quirks.DataLayersNeedMetacopy;

    private static string VerityWord(OverlayOptions options) => options.Verity == VerityMode.On ? "verity=on" : "verity=require";

    private static Errno ResolveMetacopy(OverlayOptions options, OverlayQuirks quirks, Reporter report)
    {
        // Before 6.5 the mode is shown as it was given, but works without an upper layer as "on" all the same.
        bool isOn = options.Redirect == RedirectMode.On || !quirks.FsContext && options.UpperText is null && options.Redirect == RedirectMode.Follow;
        if (!options.Metacopy || isOn)
            return Errno.OK;
        if (options.MetacopyGiven && options.RedirectGiven)
            return report.Conflict($"metacopy=on,redirect_dir={RedirectWord(options, quirks)}");
        if (VerityCounts(options, quirks) && options.RedirectGiven)
            return report.Conflict($"{VerityWord(options)},redirect_dir={RedirectWord(options, quirks)}");
        if (options.RedirectGiven)
        {
            report.Info($"disabling metacopy due to redirect_dir={RedirectWord(options, quirks)}");
            options.Metacopy = false;
            return Errno.OK;
        }
        options.Redirect = RedirectMode.On;
        return Errno.OK;
    }

    private static Errno ResolveNfsExport(OverlayOptions options, Reporter report)
    {
        if (!options.NfsExport || options.Index)
            return Errno.OK;
        if (options.UpperText is null && options.FollowsRedirects)
        {
            report.Info("NFS export requires \"redirect_dir=nofollow\" on non-upper mount, falling back to nfs_export=off.");
            options.NfsExport = false;
            return Errno.OK;
        }
        if (options.NfsExportGiven && options.IndexGiven)
            return report.Conflict("nfs_export=on,index=off");
        if (options.IndexGiven)
        {
            report.Info("disabling nfs_export due to index=off");
            options.NfsExport = false;
            return Errno.OK;
        }
        options.Index = true;
        return Errno.OK;
    }

    private static Errno ResolveNfsExportWithMetacopy(OverlayOptions options, OverlayQuirks quirks, Reporter report)
    {
        if (!options.NfsExport || !options.Metacopy)
            return Errno.OK;
        if (options.NfsExportGiven && options.MetacopyGiven)
            return report.Conflict("nfs_export=on,metacopy=on");
        if (options.MetacopyGiven || VerityCounts(options, quirks))
        {
            report.Info("disabling nfs_export due to " + (options.MetacopyGiven ? "metacopy=on" : VerityWord(options)));
            options.NfsExport = false;
            return Errno.OK;
        }
        report.Info("disabling metacopy due to nfs_export=on");
        options.Metacopy = false;
        return Errno.OK;
    }

    private static Errno ResolveUserXattr(OverlayOptions options, OverlayQuirks quirks, Reporter report)
    {
        if (!options.UserXattr)
            return Errno.OK;
        if (options.RedirectGiven && options.Redirect != RedirectMode.NoFollow)
            return report.Conflict($"userxattr,redirect_dir={RedirectWord(options, quirks)}");
        if (options.MetacopyGiven && options.Metacopy)
            return report.Conflict("userxattr,metacopy=on");
        if (VerityCounts(options, quirks))
            return report.Conflict("userxattr," + VerityWord(options));
        options.Redirect = RedirectMode.NoFollow;
        options.Metacopy = false;
        return Errno.OK;
    }

    /// <summary>What needs trusted attributes is refused when it is asked for by name; the rest is given up without a word when the first attribute cannot be set.</summary>
    private static Errno CheckUnprivileged(OverlayOptions options, Reporter report)
    {
        string? what = options.RedirectGiven && options.Redirect != RedirectMode.NoFollow ? "redirect_dir"
            : options.MetacopyGiven && options.Metacopy ? "metacopy"
            : options.Verity != VerityMode.Off ? "verity"
            : options.Lowers.Exists(static l => l.IsData) ? "lower data-only dirs" : null;
        if (what is null)
            return Errno.OK;
        report.Info($"{what} require{(what[^1] == 's' ? "" : "s")} permission to access trusted xattrs");
        return Errno.EPERM;
    }

    private static string RedirectWord(OverlayOptions options, OverlayQuirks quirks) =>
        quirks.FsContext ? ModeWord(options.Redirect) : options.RedirectText;

    /// <summary>The word of a redirect mode.</summary>
    public static string ModeWord(RedirectMode mode) => mode switch
    {
        RedirectMode.Off => "off",
        RedirectMode.NoFollow => "nofollow",
        RedirectMode.Follow => "follow",
        RedirectMode.On => "on",
    };
}
