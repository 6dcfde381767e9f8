using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers;
using DriverLab.StorageDrivers.Files;

namespace DriverLab.Images;

/// <summary>Small files of the image store, through the kernel; written durably.</summary>
internal static class StoreFiles
{
    private const int Largest = 4 << 20;

    public static DriverError? MakeDirectories(IKernel kernel, string path, Mode mode) => DriverError.Of(kernel.MakeDirectories(ByteText.Bytes(path), mode), "mkdir", ByteText.Bytes(path));

    public static IEnumerable<string> Names(IKernel kernel, string directory)
    {
        var listed = kernel.ListPath(directory);
        return listed.IsOk ? listed.Value.ConvertAll(static e => ByteText.Show(e.Name)) : [];
    }

    public static DriverResult<byte[]> Read(IKernel kernel, string path)
    {
        var content = kernel.ReadWhole(ByteText.Bytes(path), Largest);
        return content.IsOk ? content.Value : DriverError.Of(content.Error, "open", ByteText.Bytes(path))!;
    }

    public static DriverError? Write(IKernel kernel, string directory, string name, byte[] content, Mode mode) => kernel.ReplaceFile(directory, name, content, mode, syncDirectory: true);

    public static DriverError? Remove(IKernel kernel, string directory, string name)
    {
        byte[] path = ByteText.Bytes($"{directory}/{name}");
        return DriverError.Of(kernel.UnlinkAt(Fd.Cwd, path, AtFlags.None), "unlink", path) ?? kernel.SyncDirectory(directory);
    }
}
