using System.Globalization;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Aufs;

/// <summary>What a union works with, and what is dangerous about it; for people and tools, no part of the kernel.</summary>
public static class AufsExplanation
{
    /// <summary>The branches and the options in effect, each as name and value; empty for a super block that is no union.</summary>
    public static IReadOnlyList<(string Name, string Value)> Effective(SuperBlock sb)
    {
        if (sb is not AufsSuperBlock union)
            return [];
        var options = union.Options;
        var effective = new List<(string, string)>();
        for (int i = 0; i < union.Branches.Count; i++)
        {
            var branch = union.Branches[i];
            effective.Add(($"br{i}", $"{System.Text.Encoding.UTF8.GetString(Whiteouts.PathOf(union, branch))}={branch.PermissionText}"));
        }
        effective.AddRange(
        [
            ("create", ShowOptions.Name(options.Create) + options.CreateNumbers),
            ("cpup", ShowOptions.Name(options.CopyUp)),
            ("udba", ShowOptions.Name(options.Udba)),
            ("plink", options.NoPlink ? "off" : "on"),
            ("xino", options.NoXino ? "off" : System.Text.Encoding.UTF8.GetString(union.XinoPath)),
            ("diropq", options.AlwaysOpaque ? "always" : "whiteouted"),
            ("dirwh", options.DirWh.ToString(CultureInfo.InvariantCulture)),
            ("rdcache", options.RdCacheSeconds.ToString(CultureInfo.InvariantCulture) + " s"),
            ("dirperm1", OnOff(options.DirPerm1)),
            ("shwh", OnOff(options.ShowWhiteouts)),
            ("dirren", OnOff(options.DirRen)),
            ("dio", OnOff(options.Dio)),
            ("sum", OnOff(options.Sum)),
            ("acl", OnOff(options.Acl)),
        ]);
        return effective;
    }

    /// <summary>What about these branches and options loses data, shows deleted files again, or crashes the kernel: a sentence each, the worst first.</summary>
    public static IReadOnlyList<string> Warnings(SuperBlock sb)
    {
        if (sb is not AufsSuperBlock union)
            return [];
        var options = union.Options;
        var warnings = new List<string>();
        void Warn(bool applies, string text)
        {
            if (applies)
                warnings.Add(text);
        }
        int writable = union.Branches.Count(static b => b.IsWritable);
        bool hasDeaf = union.Branches.Any(static b => !b.HasWhiteouts);
        Warn(writable > 0 && union.Branches.Count > 1,
            "crash: a lower file that is open while its name and its directory are removed crashes the kernel at the next write");
        Warn(writable > 0 && union.Branches.Count > 1,
            "data loss: RENAME_EXCHANGE onto a lower directory that is not empty says ok, and what was in it is not seen again");
        Warn(writable > 1 && !options.NoPlink,
            "crash: mod:BRANCH=ro on a branch with live pseudo-links; the next stat of a name that was not linked crashes the kernel");
        Warn(writable > 0 && !options.NoPlink,
            "hard links: names of a changed lower file that were not used before umount are the old file again; run auplink flush before");
        Warn(writable > 0 && options.NoPlink,
            "hard links: after one name of a lower file was changed the others show its attributes with the old content, and writing them is EIO");
        Warn(options.NoXino, "noxino: inode numbers change when the cache is dropped, and hard links of lower files are separate files");
        Warn(options.Udba == Udba.None, "udba=none: what is changed on a branch directly is not noticed; unlink can say ok and remove nothing");
        Warn(hasDeaf && union.Branches.Count > 1,
            "whiteouts: branches that are ro or rr without +wh do not hide anything; what was deleted in such a layer shows again");
        Warn(writable == 0, "read-only: no branch is writable, every change is EROFS");
        Warn(writable > 0 && !union.Branches[0].IsWritable,
            "first branch: it is not writable, so nothing can be made, removed or renamed in a directory that is on it, the root among them");
        Warn(options.Create is not (CreatePolicy.Tdp or CreatePolicy.Pmfs or CreatePolicy.Pmfsrr) && writable > 1,
            $"create={ShowOptions.Name(options.Create)}: one directory's files are spread over branches, and such a directory cannot be renamed (EXDEV)");
        Warn(options.DirPerm1, "dirperm1: a directory's rights are those of its top branch, so that a lower one which lets nobody in can be entered");
        Warn(options.ShowWhiteouts && writable > 0, "shwh: whiteouts are shown and can be reached; meant for read-only mounts");
        Warn(options.DirRen, "dirren: renamed directories need the option at every later mount, without it what is in them vanishes (not modelled here)");
        Warn(writable > 0, "removexattr: says ok and leaves the attribute with an empty value");
        return warnings;
    }

    private static string OnOff(bool on) => on ? "on" : "off";
}
