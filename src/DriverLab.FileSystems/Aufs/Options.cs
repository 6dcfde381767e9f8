namespace DriverLab.FileSystems.Aufs;

/// <summary>How changes made directly on the branches are noticed.</summary>
internal enum Udba
{
    None,
    Reval,
}

/// <summary>Where new objects go.</summary>
internal enum CreatePolicy
{
    Tdp,
    Rr,
    Mfs,
    Mfsrr,
    Tdmfs,
    Tdmfsrr,
    Pmfs,
    Pmfsrr,
}

/// <summary>Where objects are copied up to.</summary>
internal enum CopyUpPolicy
{
    Tdp,
    Bup,
    Bu,
}

/// <summary>What a mount was told, apart from its branches.</summary>
/// <remarks>aufs fs/aufs/opts.c: the option words; fs/aufs/super.h: struct au_sbinfo.</remarks>
internal sealed class AufsOptions
{
    public const int DefaultRdCacheSeconds = 10, DefaultDirWh = 3, DefaultRdBlock = 512, DefaultRdHash = 32, DefaultMfsSeconds = 30;

    public bool NoXino { get; set; }
    public bool TruncXino { get; set; }
    public Udba Udba { get; set; } = Udba.Reval;
    public bool ShowWhiteouts { get; set; }
    public bool NoPlink { get; set; }
    public bool Dio { get; set; }
    public bool DirPerm1 { get; set; }
    public CreatePolicy Create { get; set; }

    /// <summary>The numbers of the policy as they are shown after it.</summary>
    public string CreateNumbers { get; set; } = "";

    /// <summary>Free bytes that a branch must have for the policies with a watermark.</summary>
    public long CreateLow { get; set; }

    /// <summary>Seconds that a measured choice holds.</summary>
    public int CreateSeconds { get; set; } = DefaultMfsSeconds;
    public CopyUpPolicy CopyUp { get; set; }
    public bool AlwaysOpaque { get; set; }
    public int DirWh { get; set; } = DefaultDirWh;
    public int RdCacheSeconds { get; set; } = DefaultRdCacheSeconds;

    /// <summary>Bytes of a block of a directory's list; 0 goes by the directory's size.</summary>
    public int RdBlock { get; set; } = DefaultRdBlock;
    public int RdHash { get; set; } = DefaultRdHash;
    public bool DirRen { get; set; }
    public bool Sum { get; set; }
    public bool NoWarnPerm { get; set; }
    public bool Verbose { get; set; }
    public bool Acl { get; set; }
}
