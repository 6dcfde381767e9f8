using System.Globalization;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Aufs;

/// <summary>The options as /proc/mounts shows them: the union's number, then those that are not as they would be by themselves.</summary>
/// <remarks>aufs fs/aufs/super.c: aufs_show_options().</remarks>
internal static class ShowOptions
{
    public static void Append(AufsSuperBlock sb, MountOptionWriter text)
    {
        var options = sb.Options;
        void Word(bool isShown, string word)
        {
            if (isShown)
                text.Text("," + word);
        }
        void Number(int value, int usual, string name) => Word(value != usual, name + "=" + value.ToString(CultureInfo.InvariantCulture));
        Word(options.Acl, "acl");
        Word(true, "si=" + sb.IdText);
        Word(options.NoXino, "noxino");
        Word(options.TruncXino, "trunc_xino");
        Word(options.Udba == Udba.None, "udba=none");
        Word(options.ShowWhiteouts, "shwh");
        Word(options.NoPlink, "noplink");
        Word(options.Dio, "dio");
        Word(options.DirPerm1, "dirperm1");
        Word(options.Create != CreatePolicy.Tdp, "create=" + Name(options.Create) + options.CreateNumbers);
        Word(options.CopyUp != CopyUpPolicy.Tdp, "cpup=" + Name(options.CopyUp));
        Word(options.AlwaysOpaque, "diropq=a");
        Number(options.DirWh, AufsOptions.DefaultDirWh, "dirwh");
        Number(options.RdCacheSeconds, AufsOptions.DefaultRdCacheSeconds, "rdcache");
        Number(options.RdBlock, AufsOptions.DefaultRdBlock, "rdblk");
        Number(options.RdHash, AufsOptions.DefaultRdHash, "rdhash");
        Word(options.DirRen, "dirren");
        Word(options.Sum, "sum");
        Word(options.NoWarnPerm, "nowarn_perm");
        Word(options.Verbose, "verbose");
    }

    public static string Name<T>(T policy) where T : struct, Enum => policy.ToString().ToLowerInvariant();
}
