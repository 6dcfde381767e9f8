namespace DriverLab.StorageDrivers.Layers;

/// <summary>Names with a meaning inside a layer's tar, and the attributes by which overlayfs says the same.</summary>
/// <remarks>OCI image-spec layer.md, "Whiteouts"; the names are aufs's. Linux Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories".</remarks>
public static class Whiteouts
{
    /// <summary><c>.wh.NAME</c> deletes NAME of the layers below.</summary>
    public static ReadOnlySpan<byte> Prefix => ".wh."u8;

    /// <summary><c>.wh..wh.…</c>: names that aufs keeps for itself.</summary>
    public static ReadOnlySpan<byte> MetaPrefix => ".wh..wh."u8;

    /// <summary>Deletes all that the layers below have in its directory.</summary>
    public static ReadOnlySpan<byte> Opaque => ".wh..wh..opq"u8;

    /// <summary>overlayfs's attributes: a tar that carried them in would steer a later mount.</summary>
    public static bool IsOverlayPrivate(ReadOnlySpan<byte> xattr) => xattr.StartsWith("trusted.overlay."u8) || xattr.StartsWith("user.overlay."u8);

    /// <summary>Attributes that travel in layers: all but overlayfs's own and those that belong to the machine (labels, measurements).</summary>
    public static bool Travels(ReadOnlySpan<byte> xattr) =>
        !IsOverlayPrivate(xattr) && !xattr.SequenceEqual("security.selinux"u8) && !xattr.SequenceEqual("security.ima"u8)
        && !xattr.SequenceEqual("security.evm"u8) && !xattr.StartsWith("system.nfs4"u8);
}

/// <summary>How deletions stand in a directory tree on disk.</summary>
/// <param name="MarkPrefix">The namespace of overlayfs's marks, <c>trusted.overlay.</c> or <c>user.overlay.</c>; null for others.</param>
/// <param name="HidesByName">Deletions are files called as in a tar, aufs's way.</param>
public sealed record TreeFormat(string? MarkPrefix, bool HidesByName = false)
{
    /// <summary>What is deleted leaves a mark; otherwise it is gone.</summary>
    internal bool KeepsMarks => MarkPrefix is not null || HidesByName;

    /// <summary>A complete tree: a whiteout in a tar deletes.</summary>
    public static readonly TreeFormat Plain = new((string?)null);

    /// <summary>An upper directory of overlayfs.</summary>
    public static readonly TreeFormat Overlay = new("trusted.overlay.");

    /// <summary>An upper directory of overlayfs mounted with userxattr.</summary>
    public static readonly TreeFormat OverlayUser = new("user.overlay.");

    /// <summary>A branch of aufs.</summary>
    public static readonly TreeFormat Aufs = new(null, HidesByName: true);

    /// <summary>The attribute of an opaque directory.</summary>
    internal byte[] OpaqueXattr { get; } = ByteText.Bytes($"{MarkPrefix}opaque");
}
