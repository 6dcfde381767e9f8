namespace DriverLab.StorageDrivers.Store;

/// <summary>A read-only layer of the store.</summary>
/// <param name="ChainId">Names it: the digest over its diff id and all below it.</param>
/// <param name="DiffId">The digest of its archive, uncompressed.</param>
/// <param name="Parent">The chain id below; empty for a base layer.</param>
/// <param name="CacheId">The driver's id for it.</param>
/// <param name="SizeBytes">Bytes of file content that its archive brought.</param>
public sealed record LayerRecord(string ChainId, string DiffId, string Parent, string CacheId, long SizeBytes);

/// <summary>A container's writable layer.</summary>
/// <param name="Name">Its name, an id as <see cref="LayerId"/> wants it.</param>
/// <param name="MountId">The driver's id for it.</param>
/// <param name="Parent">The chain id that it stands on; empty for none.</param>
public sealed record MountRecord(string Name, string MountId, string Parent);

/// <summary>Something wrong with a store.</summary>
/// <param name="Kind">What, in two or three words: the same words for the same fault.</param>
/// <param name="Subject">The entry, layer or file.</param>
/// <param name="Detail">What was found, and what was expected.</param>
/// <param name="Repair">What a repair does about it; empty where it cannot do anything.</param>
public sealed record StoreFault(string Kind, string Subject, string Detail, string Repair)
{
    /// <summary>For example <c>orphan layer 5f3a…: no entry of the store names it (repair removes it)</c>.</summary>
    public override string ToString() => $"{Kind} {Subject}: {Detail} ({(Repair.Length > 0 ? "repair " + Repair : "no repair")})";
}
