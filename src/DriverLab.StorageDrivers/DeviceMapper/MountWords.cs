using System.Collections.Frozen;
using DriverLab.Linux.Abi;

namespace DriverLab.StorageDrivers.DeviceMapper;

/// <summary>Words of mount(8): those that are flags of mount(2), and the file system's own.</summary>
internal static class MountWords
{
    private static readonly FrozenDictionary<string, (MountFlags Set, MountFlags Clear)> s_flags = new Dictionary<string, (MountFlags, MountFlags)>
    {
        ["defaults"] = default,
        ["ro"] = (MountFlags.MS_RDONLY, default),
        ["rw"] = (default, MountFlags.MS_RDONLY),
        ["nosuid"] = (MountFlags.MS_NOSUID, default),
        ["suid"] = (default, MountFlags.MS_NOSUID),
        ["nodev"] = (MountFlags.MS_NODEV, default),
        ["dev"] = (default, MountFlags.MS_NODEV),
        ["noexec"] = (MountFlags.MS_NOEXEC, default),
        ["exec"] = (default, MountFlags.MS_NOEXEC),
        ["sync"] = (MountFlags.MS_SYNCHRONOUS, default),
        ["dirsync"] = (MountFlags.MS_DIRSYNC, default),
        ["noatime"] = (MountFlags.MS_NOATIME, default),
        ["nodiratime"] = (MountFlags.MS_NODIRATIME, default),
        ["relatime"] = (MountFlags.MS_RELATIME, default),
        ["strictatime"] = (MountFlags.MS_STRICTATIME, default),
    }.ToFrozenDictionary();

    /// <summary>Splits words between commas.</summary>
    public static (MountFlags Flags, string Data) Split(string words)
    {
        var flags = MountFlags.None;
        var data = new List<string>();
        foreach (string word in words.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            if (s_flags.TryGetValue(word, out var flag))
                flags = (flags | flag.Set) & ~flag.Clear;
            else
                data.Add(word);
        }
        return (flags, string.Join(',', data));
    }
}
