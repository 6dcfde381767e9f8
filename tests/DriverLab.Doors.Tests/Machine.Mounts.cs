namespace DriverLab.Doors.Tests;

public sealed partial class Machine
{
    private readonly List<string> _mounts = [];

    /// <summary>Mounts an empty btrfs on a directory, in a sparse file on a loop device that goes with the mount.</summary>
    public void MountBtrfs(string directory)
    {
        Needs("mkfs.btrfs");
        if (!File.ReadAllText("/proc/filesystems").Contains("btrfs", StringComparison.Ordinal))
            throw new IgnoreException("this machine's kernel has no btrfs");
        string image = At("btrfs.img");
        using (var file = File.Create(image))
            file.SetLength(1L << 30);
        _ = Run("mkfs.btrfs", "-q", image);
        _ = Directory.CreateDirectory(directory);
        _ = Run("mount", "-o", "loop", image, directory);
        _mounts.Add(directory);
    }

    /// <summary>A directory that is a shared mount of its own. Where the mount that it lies in is not shared, as in a bare root without an init, dockerd makes one of its data, and leaves it.</summary>
    public void MountShared(string directory)
    {
        _ = Directory.CreateDirectory(directory);
        _ = Run("mount", "--bind", directory, directory);
        _mounts.Add(directory);
        _ = Run("mount", "--make-shared", directory);
    }
}
