using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Layers;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>A tree as text, one line an entry: type, mode, owner, size, device, link target or content, attributes, hard-link groups; times when asked for.</summary>
internal static class TreeManifest
{
    /// <param name="kernel">The task.</param>
    /// <param name="root">The tree.</param>
    /// <param name="times">With times of modification.</param>
    /// <param name="directoryTimes">False leaves out those of directories, which change when what is in them does.</param>
    public static string Of(IKernel kernel, string root, bool times = false, bool directoryTimes = true)
    {
        using var task = kernel.Fork();
        var lines = new List<string>();
        var groups = new Dictionary<InodeKey, int>();
        Walk(task, ByteText.Bytes(root), "", lines, groups, stat => times && (directoryTimes || !stat.IsDirectory));
        return string.Join('\n', lines);
    }

    private static void Walk(IKernel task, byte[] directory, string shown, List<string> lines, Dictionary<InodeKey, int> groups, Predicate<Statx> times)
    {
        var opened = task.OpenAt(Fd.Cwd, directory, KernelFiles.Listing, Mode.None);
        Assert.That(opened.Error, Is.EqualTo(Errno.OK), ByteText.Show(directory));
        var listed = task.List(opened.Value);
        Assert.That(listed.Error, Is.EqualTo(Errno.OK), ByteText.Show(directory));
        _ = task.Close(opened.Value);
        foreach (var entry in listed.Value)
        {
            byte[] path = ByteText.Join(directory, entry.Name);
            string name = $"{shown}/{ByteText.Show(entry.Name)}";
            var error = task.LStatAt(Fd.Cwd, path, out var stat);
            if (error == Errno.ENAMETOOLONG)
            {
                lines.Add($"{name} {error}"); // aufs lists names that it does not look up
                continue;
            }
            Assert.That(error, Is.EqualTo(Errno.OK), name);
            lines.Add(Line(task, path, name, stat, groups, times));
            if (stat.IsDirectory)
                Walk(task, path, name, lines, groups, times);
        }
    }

    private static string Line(IKernel task, byte[] path, string name, in Statx stat, Dictionary<InodeKey, int> groups, Predicate<Statx> times)
    {
        var line = new StringBuilder($"{name} {Convert.ToString((int)stat.Mode, 8)} {stat.Uid}:{stat.Gid}");
        if (stat.IsRegular)
            line.Append($" {stat.Size} {Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(task.ReadWhole(path, 1 << 26).Value))[..12]}");
        if (stat.IsSymlink)
            line.Append($" -> {ByteText.Show(task.ReadLink(Fd.Cwd, path).Value)}");
        if (stat.Type is Mode.S_IFCHR or Mode.S_IFBLK)
            line.Append($" {stat.Rdev}");
        if (!stat.IsDirectory && stat.Nlink > 1)
        {
            if (!groups.TryGetValue(stat.Key, out int group))
                groups.Add(stat.Key, group = groups.Count);
            line.Append($" nlink={stat.Nlink} group={group}");
        }
        if (times(stat))
            line.Append($" {stat.Mtime.Seconds}.{stat.Mtime.Nanoseconds:d9}");
        foreach (byte[] xattr in task.XattrNames(path).Value)
            if (Whiteouts.Travels(xattr))
                line.Append($" {ByteText.Show(xattr)}={Convert.ToHexStringLower(task.XattrValue(path, xattr).Value)}");
        return line.ToString();
    }
}
