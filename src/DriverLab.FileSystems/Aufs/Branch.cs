using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.FileSystems.Aufs;

/// <summary>What a branch is for.</summary>
internal enum BranchPermission
{
    /// <summary>Written to.</summary>
    Rw,
    /// <summary>Never written to.</summary>
    Ro,
    /// <summary>Never written to by anybody: a file system that is read-only by nature.</summary>
    Rr,
}

/// <summary>Attributes of a branch, in the order in which they are shown.</summary>
[Flags]
internal enum BranchAttributes
{
    None = 0,
    /// <summary>A regular file is copied up when it is opened.</summary>
    CooReg = 1 << 0,
    /// <summary>A directory too.</summary>
    CooAll = 1 << 1,
    /// <summary>A file is moved up when it is opened.</summary>
    Moo = 1 << 2,
    Fhsm = 1 << 3,
    Unpin = 1 << 4,
    /// <summary>Copy-up onto this branch goes on when an xattr of the namespace cannot be set.</summary>
    IcexSec = 1 << 5,
    IcexSys = 1 << 6,
    IcexTr = 1 << 7,
    IcexUsr = 1 << 8,
    IcexOth = 1 << 9,
    Icex = IcexSec | IcexSys | IcexTr | IcexUsr | IcexOth,
    /// <summary>Whiteouts of a read-only branch count.</summary>
    Wh = 1 << 10,
    /// <summary>Whiteouts are files of their own, no links.</summary>
    NoLinkWh = 1 << 11,
}

/// <summary>One directory tree of the union.</summary>
/// <remarks>aufs fs/aufs/branch.h: struct au_branch. An overlay's <c>Layer</c> differs: it has a mount of its own and a fixed place.</remarks>
internal sealed class Branch(int id, VfsPath path, BranchPermission permission, BranchAttributes attributes)
{
    /// <summary>Number that stays with the branch while its index moves; from 64 on.</summary>
    public int Id { get; } = id;

    /// <summary>The root of the branch, through the mount that it was named by.</summary>
    public VfsPath Path { get; } = path;

    public Dentry Root => Path.Dentry;

    public BranchPermission Permission { get; set; } = permission;

    public BranchAttributes Attributes { get; set; } = attributes;

    /// <summary>What whiteouts are links of; null with <c>nolwh</c>, on a read-only branch, or after the link limit was hit.</summary>
    public Dentry? WhiteoutBase { get; set; }

    /// <summary>Where pseudo-links are kept; null with <c>noplink</c> and on read-only branches.</summary>
    public Dentry? PlinkDirectory { get; set; }

    /// <summary>Taken out of the union.</summary>
    public bool IsGone { get; set; }

    /// <summary>Changes can be made here.</summary>
    public bool IsWritable => Permission == BranchPermission.Rw && !Path.Mount.Sb.IsReadOnly;

    /// <summary>Whiteouts and opaque marks in it count.</summary>
    public bool HasWhiteouts => Permission == BranchPermission.Rw || (Attributes & BranchAttributes.Wh) != 0;

    /// <summary>A place of this branch.</summary>
    public VfsPath At(Dentry dentry) => new(Path.Mount, dentry);

    /// <summary>Permission and attributes as sysfs shows them.</summary>
    public string PermissionText => BranchWords.Show(Permission, Attributes);
}

/// <summary>An entry in one branch.</summary>
internal readonly record struct BranchEntry(Branch Branch, Dentry Dentry)
{
    public Inode Inode => Dentry.Inode!;
    public VfsPath Path => Branch.At(Dentry);
}

/// <summary>Permission words: <c>ro+coo_reg+wh</c>.</summary>
/// <remarks>aufs fs/aufs/opts.c: br_perm_val(), br_attr_val().</remarks>
internal static class BranchWords
{
    private static readonly (string Word, BranchAttributes Attribute)[] s_attributes =
    [
        ("coo_reg", BranchAttributes.CooReg), ("coo_all", BranchAttributes.CooAll), ("moo", BranchAttributes.Moo), ("fhsm", BranchAttributes.Fhsm), ("unpin", BranchAttributes.Unpin),
        ("icex", BranchAttributes.Icex), ("icexsec", BranchAttributes.IcexSec), ("icexsys", BranchAttributes.IcexSys), ("icextr", BranchAttributes.IcexTr),
        ("icexusr", BranchAttributes.IcexUsr), ("icexoth", BranchAttributes.IcexOth), ("wh", BranchAttributes.Wh), ("nolwh", BranchAttributes.NoLinkWh),
    ];

    /// <summary>Reads the words. What is not known or not allowed is dropped with a line in the log: an unknown attribute takes all that follow it along.</summary>
    public static (BranchPermission Permission, BranchAttributes Attributes) Parse(string text, Action<string> log)
    {
        var words = text.Split('+', 2);
        BranchPermission permission;
        switch (words[0])
        {
            case "rw": permission = BranchPermission.Rw; break;
            case "ro": permission = BranchPermission.Ro; break;
            case "rr": permission = BranchPermission.Rr; break;
            default:
                log($"aufs br_perm_val: ignored branch permission {words[0]}");
                return (BranchPermission.Ro, BranchAttributes.None);
        }
        var attributes = BranchAttributes.None;
        for (string rest = words.Length > 1 ? words[1] : ""; rest.Length > 0;)
        {
            string word = rest.Split('+', 2)[0];
            var known = Array.Find(s_attributes, a => a.Word == word);
            if (known.Word is null)
            {
                log($"aufs br_attr_val: ignored branch attribute {rest}");
                break;
            }
            attributes |= known.Attribute;
            rest = rest.Length > word.Length ? rest[(word.Length + 1)..] : "";
        }
        return (permission, Allowed(permission, attributes, log));
    }

    private static BranchAttributes Allowed(BranchPermission permission, BranchAttributes attributes, Action<string> log)
    {
        const BranchAttributes copying = BranchAttributes.CooReg | BranchAttributes.CooAll;
        var wrong = permission == BranchPermission.Rw ? BranchAttributes.Wh : BranchAttributes.NoLinkWh | BranchAttributes.Moo;
        wrong |= BranchAttributes.Unpin; // without meaning since 3.18
        foreach (var (word, attribute) in s_attributes)
        {
            if ((attributes & wrong & attribute) != 0)
                log($"aufs br_attr_val: ignored branch attribute {word}");
        }
        attributes &= ~wrong;
        // Of moving up and copying up on open only one can be: the last kind in the table wins.
        if ((attributes & BranchAttributes.Moo) != 0)
            attributes &= ~copying;
        else if ((attributes & BranchAttributes.CooAll) != 0)
            attributes &= ~BranchAttributes.CooReg;
        return attributes;
    }

    /// <summary>Writes the words.</summary>
    public static string Show(BranchPermission permission, BranchAttributes attributes)
    {
        string text = permission switch { BranchPermission.Rw => "rw", BranchPermission.Ro => "ro", _ => "rr" };
        foreach (var (word, attribute) in s_attributes)
        {
            bool isPartOfAll = (attribute & BranchAttributes.Icex) != 0 && attribute != BranchAttributes.Icex && (attributes & BranchAttributes.Icex) == BranchAttributes.Icex;
            if (!isPartOfAll && (attributes & attribute) == attribute)
                text += "+" + word;
        }
        return text;
    }
}
