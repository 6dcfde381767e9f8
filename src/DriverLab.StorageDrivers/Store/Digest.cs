using System.Security.Cryptography;
using System.Text;
using DriverLab.Linux;

namespace DriverLab.StorageDrivers.Store;

/// <summary>Digests as images write them, <c>sha256:</c> and 64 hex digits, and the chain ids made from them.</summary>
public static class Digest
{
    private const string Prefix = "sha256:";

    /// <summary>EINVAL for what is no sha256 digest. Checked before a digest becomes a path (CVE-2014-8178).</summary>
    public static DriverError? Check(string call, string digest)
    {
        bool good = digest.Length == Prefix.Length + 64 && digest.StartsWith(Prefix, StringComparison.Ordinal);
        for (int i = Prefix.Length; good && i < digest.Length; i++)
            good = char.IsAsciiHexDigitLower(digest[i]) || char.IsAsciiDigit(digest[i]);
        return good ? null : new(call, ByteText.Show(ByteText.Bytes(digest.Length > 80 ? digest[..80] + "…" : digest)), Errno.EINVAL, "expected sha256: and 64 hex digits");
    }

    /// <summary>The 64 hex digits of a good digest.</summary>
    public static string Hex(string digest) => digest[Prefix.Length..];

    /// <summary>The digest of bytes.</summary>
    public static string Of(ReadOnlySpan<byte> data) => FromHash(SHA256.HashData(data));

    /// <summary>A digest from a hash.</summary>
    public static string FromHash(ReadOnlySpan<byte> hash) => Prefix + Convert.ToHexStringLower(hash);

    /// <summary>A digest from its hex digits.</summary>
    public static string FromHex(string hex) => Prefix + hex;

    /// <summary>The chain id of a layer: its diff id for a base layer, otherwise the digest of <c>PARENT DIFF</c>.</summary>
    /// <remarks>OCI image-spec config.md, "Layer ChainID".</remarks>
    public static string Chain(string parentChain, string diffId) => parentChain.Length == 0 ? diffId : Of(Encoding.ASCII.GetBytes($"{parentChain} {diffId}"));
}
