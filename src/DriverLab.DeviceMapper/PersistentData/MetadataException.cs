using DriverLab.Linux;

namespace DriverLab.DeviceMapper.PersistentData;

/// <summary>Metadata could not be read, written or allocated. It is caught where an operation on the metadata began; it never leaves the device-mapper.</summary>
/// <param name="error">EIO, EILSEQ, ENOTBLK (damaged), ENOSPC (no block is free), ENODATA (no such key), EPERM (read-only), EINVAL.</param>
internal sealed class MetadataException(Errno error) : Exception(error.ToString())
{
    public Errno Error { get; } = error;
}
