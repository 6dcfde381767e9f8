using System.Buffers.Binary;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.StorageDrivers.DeviceMapper;

/// <summary>What a device's first blocks say of its file system.</summary>
/// <param name="Type"><c>ext4</c> or <c>xfs</c>.</param>
/// <param name="Uuid">Its identity in the usual form, 36 characters.</param>
internal readonly record struct FileSystemProbe(string Type, string Uuid)
{
    private const int Length = 4096;

    /// <summary>Looks at a device.</summary>
    /// <returns>What open(2) and read(2) say; EINVAL when it is neither.</returns>
    public static DriverResult<FileSystemProbe> Of(IKernel kernel, string path)
    {
        byte[] name = ByteText.Bytes(path);
        var opened = kernel.OpenAt(Fd.Cwd, name, OpenFlags.O_RDONLY | OpenFlags.O_CLOEXEC, Mode.None);
        if (!opened.IsOk)
            return DriverError.Of(opened.Error, "open", name)!;
        var head = new byte[Length];
        var read = kernel.PRead(opened.Value, head, 0);
        _ = kernel.Close(opened.Value); // nothing was written
        if (!read.IsOk)
            return DriverError.Of(read.Error, "read", name)!;
        const int ext4 = 1024, ext4Magic = ext4 + 0x38, ext4Uuid = ext4 + 0x68, xfsUuid = 32;
        if (BinaryPrimitives.ReadUInt16LittleEndian(head.AsSpan(ext4Magic)) == 0xEF53)
            return new FileSystemProbe("ext4", Text(head.AsSpan(ext4Uuid, 16)));
        return head.AsSpan().StartsWith("XFSB"u8)
            ? new FileSystemProbe("xfs", Text(head.AsSpan(xfsUuid, 16)))
            : new DriverError("probe", path, Errno.EINVAL, "the device holds neither ext4 nor xfs");
    }

    private static string Text(ReadOnlySpan<byte> uuid) => new Guid(uuid, bigEndian: true).ToString();
}
