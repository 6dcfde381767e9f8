using System.Runtime.CompilerServices;
using DriverLab.Linux;

namespace DriverLab.Vfs;

/// <summary>Capabilities that file systems ask about, as bits.</summary>
/// <remarks>Linux include/uapi/linux/capability.h; bit n is capability n.</remarks>
[Flags]
public enum Capabilities : ulong
{
    None = 0,
    CAP_CHOWN = 1UL << 0,
    CAP_DAC_OVERRIDE = 1UL << 1,
    CAP_DAC_READ_SEARCH = 1UL << 2,
    CAP_FOWNER = 1UL << 3,
    CAP_FSETID = 1UL << 4,
    CAP_SETGID = 1UL << 6,
    CAP_SETUID = 1UL << 7,
    CAP_LINUX_IMMUTABLE = 1UL << 9,
    CAP_SYS_RAWIO = 1UL << 17,
    CAP_SYS_CHROOT = 1UL << 18,
    CAP_SYS_ADMIN = 1UL << 21,
    CAP_SYS_RESOURCE = 1UL << 24,
    CAP_MKNOD = 1UL << 27,
    CAP_SETFCAP = 1UL << 31,
    /// <summary>Everything the superuser has.</summary>
    All = (1UL << 41) - 1,
    /// <summary>What a file system operation may use: dropped and restored with the fsuid.</summary>
    Fs = CAP_CHOWN | CAP_DAC_OVERRIDE | CAP_DAC_READ_SEARCH | CAP_FOWNER | CAP_FSETID | CAP_LINUX_IMMUTABLE | CAP_MKNOD,
}

/// <summary>Who asks: file-system user and group, supplementary groups, effective capabilities. Immutable.</summary>
/// <remarks>Linux include/linux/cred.h: struct cred.</remarks>
public sealed class Credentials(uint fsuid, uint fsgid, uint[] groups, Capabilities capabilities)
{
    private readonly uint[] _groups = groups;

    /// <summary>The superuser with every capability; also what kernel threads run as.</summary>
    public static readonly Credentials Root = new(0, 0, [], Capabilities.All);

    /// <summary>User id that owns what is created and that owner permissions are compared with.</summary>
    public uint Fsuid { get; } = fsuid;

    /// <summary>Group id likewise.</summary>
    public uint Fsgid { get; } = fsgid;

    /// <summary>Effective capabilities.</summary>
    public Capabilities Effective { get; } = capabilities;

    /// <summary>Supplementary groups.</summary>
    public ReadOnlySpan<uint> Groups => _groups;

    /// <summary>True when all the given capabilities are held.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Capable(Capabilities capability) => (Effective & capability) == capability;

    /// <summary>True when the group is the fsgid or a supplementary one.</summary>
    public bool InGroup(uint gid) => gid == Fsgid || Array.IndexOf(_groups, gid) >= 0;

    /// <summary>The same groups and capabilities with another fsuid and fsgid, as overlayfs does while creating.</summary>
    public Credentials WithFsIds(uint fsuid, uint fsgid) => new(fsuid, fsgid, _groups, Effective);

    /// <summary>The same ids without some capabilities.</summary>
    public Credentials Without(Capabilities dropped) => new(Fsuid, Fsgid, _groups, Effective & ~dropped);

    /// <summary>The credentials of a task after setgroups, setresgid and setresuid.</summary>
    public static Credentials Of(in UserIds ids) =>
        new(ids.Uid, ids.Gid, ids.Groups.ToArray(), ids.Uid == 0 ? Capabilities.All : Capabilities.None);
}
