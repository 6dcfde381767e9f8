using DriverLab.Linux;
using DriverLab.Linux.Abi;
using static DriverLab.Contracts.Tests.Calls;

namespace DriverLab.Contracts.Tests;

/// <summary>getdents64(2) and the positions in a directory.</summary>
public sealed class ReadDirContract(KernelKind kind) : Contract(kind)
{
    [Test]
    public void Gives_every_name_once()
    {
        MakeDir("d");
        var names = Enumerable.Range(0, 300).Select(i => $"name-{i:d3}").ToArray();
        foreach (string name in names)
            MakeFile($"d/{name}");
        Assert.That(Names("d"), Is.EqualTo(names));
    }

    [Test]
    public void Begins_with_dot_and_dotdot()
    {
        MakeDir("d");
        MakeFile("d/f");
        Assert.That(Entries(Opened("d", OpenFlags.O_RDONLY), 4096).Take(2).Select(e => e.Name), Is.EqualTo(new[] { ".", ".." }));
    }

    [Test]
    public void Tells_types_and_inode_numbers()
    {
        MakeDir("d");
        MakeFile("d/f");
        MakeDir("d/s");
        K.Symlink("x", "d/l");
        K.Mknod("d/p", Mode.S_IFIFO | Oct(600));
        var entries = Entries(Opened("d", OpenFlags.O_RDONLY), 4096).Where(e => e.Name[0] != '.').OrderBy(e => e.Name, StringComparer.Ordinal);
        var expected = new[] { "f", "l", "p", "s" }.Zip([DirentType.DT_REG, DirentType.DT_LNK, DirentType.DT_FIFO, DirentType.DT_DIR])
            .Select(pair => (pair.First, pair.Second, Attributes($"d/{pair.First}").Ino));
        Assert.That(entries.Select(e => (e.Name, e.Type, e.Ino)), Is.EqualTo(expected));
    }

    [Test]
    public void Small_buffer_gives_the_same_entries_in_pieces()
    {
        MakeDir("d");
        for (int i = 0; i < 20; i++)
            MakeFile($"d/f{i}");
        var whole = Entries(Opened("d", OpenFlags.O_RDONLY), 4096);
        Assert.That(Entries(Opened("d", OpenFlags.O_RDONLY), 64).Select(e => e.Name), Is.EqualTo(whole.Select(e => e.Name)));
    }

    [Test]
    public void Offset_of_an_entry_leads_to_the_next()
    {
        MakeDir("d");
        for (int i = 0; i < 10; i++)
            MakeFile($"d/f{i}");
        var fd = Opened("d", OpenFlags.O_RDONLY);
        var entries = Entries(fd, 4096);
        K.LSeek(fd, entries[4].Offset, SeekWhence.SEEK_SET);
        Assert.That(Entries(fd, 4096).Select(e => e.Name), Is.EqualTo(entries.Skip(5).Select(e => e.Name)));
    }

    [Test]
    public void Rewinding_starts_again()
    {
        MakeDir("d");
        MakeFile("d/f");
        var fd = Opened("d", OpenFlags.O_RDONLY);
        int first = Entries(fd, 4096).Count;
        K.LSeek(fd, 0, SeekWhence.SEEK_SET);
        Assert.That(Entries(fd, 4096), Has.Count.EqualTo(first));
    }

    [Test]
    public void Removing_what_was_read_skips_nothing()
    {
        MakeDir("d");
        for (int i = 0; i < 50; i++)
            MakeFile($"d/f{i:d2}");
        var fd = Opened("d", OpenFlags.O_RDONLY);
        var seen = new List<string>();
        byte[] buffer = new byte[128];
        while (K.GetDents(fd, buffer) is { IsOk: true, Value: > 0 and var bytes })
        {
            foreach (var entry in Decode(buffer.AsSpan(0, bytes)).Where(e => e.Name[0] == 'f'))
            {
                seen.Add(entry.Name);
                K.Unlink($"d/{entry.Name}");
            }
        }
        Assert.That(seen.Distinct().Count(), Is.EqualTo(50));
    }

    [Test]
    public void End_is_0()
    {
        MakeDir("d");
        var fd = Opened("d", OpenFlags.O_RDONLY);
        _ = Entries(fd, 4096);
        Assert.That(K.GetDents(fd, new byte[100]).Value, Is.Zero);
    }

    [Test]
    public void Buffer_too_small_for_one_entry_is_EINVAL()
    {
        MakeDir("d");
        Assert.That(K.GetDents(Opened("d", OpenFlags.O_RDONLY), new byte[23]), Does.FailWith(Errno.EINVAL));
    }

    [Test]
    public void Buffer_of_24_bytes_holds_dot()
    {
        MakeDir("d");
        Assert.That(K.GetDents(Opened("d", OpenFlags.O_RDONLY), new byte[24]).Value, Is.EqualTo(24));
    }

    [Test]
    public void File_is_ENOTDIR()
    {
        MakeFile("f");
        Assert.That(K.GetDents(Opened("f", OpenFlags.O_RDONLY), new byte[100]), Does.FailWith(Errno.ENOTDIR));
    }

    [Test]
    public void Closed_descriptor_is_EBADF() => Assert.That(K.GetDents(Fd.None, new byte[100]), Does.FailWith(Errno.EBADF));

    [Test]
    public void Path_descriptor_is_EBADF()
    {
        MakeDir("d");
        Assert.That(K.GetDents(Opened("d", OpenFlags.O_PATH), new byte[100]), Does.FailWith(Errno.EBADF));
    }

    [Test]
    public void Removed_directory_is_ENOENT()
    {
        MakeDir("d");
        var fd = Opened("d", OpenFlags.O_RDONLY);
        K.Rmdir("d");
        Assert.That(K.GetDents(fd, new byte[100]), Does.FailWith(Errno.ENOENT));
    }

    [Test]
    public void Removed_directory_comes_before_a_small_buffer()
    {
        MakeDir("d");
        var fd = Opened("d", OpenFlags.O_RDONLY);
        K.Rmdir("d");
        Assert.That(K.GetDents(fd, new byte[1]), Does.FailWith(Errno.ENOENT));
    }

    private List<Entry> Entries(Fd fd, int room)
    {
        var entries = new List<Entry>();
        byte[] buffer = new byte[room];
        while (K.GetDents(fd, buffer) is { IsOk: true, Value: > 0 and var bytes })
            entries.AddRange(Decode(buffer.AsSpan(0, bytes)));
        return entries;
    }

    private static List<Entry> Decode(ReadOnlySpan<byte> bytes)
    {
        var entries = new List<Entry>();
        var reader = new DirentReader(bytes);
        while (reader.MoveNext())
            entries.Add(new Entry(System.Text.Encoding.Latin1.GetString(reader.Name), reader.Type, reader.Ino, reader.Offset));
        return entries;
    }

    private sealed record Entry(string Name, DirentType Type, ulong Ino, long Offset);
}

/// <summary>ioctl(2): what holds for every descriptor; the block and device-mapper requests have suites of their own.</summary>
public sealed class IoctlContract(KernelKind kind) : Contract(kind)
{
    private const uint Unknown = 0x5BAD;

    [Test]
    public void Closed_descriptor_is_EBADF() => Assert.That(K.Ioctl(Fd.None, Unknown, 0), Does.FailWith(Errno.EBADF));

    [Test]
    public void Path_descriptor_is_EBADF()
    {
        MakeFile("f");
        Assert.That(K.Ioctl(Opened("f", OpenFlags.O_PATH), Unknown, 0), Does.FailWith(Errno.EBADF));
    }

    [Test]
    public void Unknown_request_of_a_file_is_ENOTTY()
    {
        MakeFile("f");
        Assert.That(K.Ioctl(Opened("f", OpenFlags.O_RDONLY), Unknown, new byte[8]), Does.FailWith(Errno.ENOTTY));
    }

    [Test]
    public void Unknown_request_of_a_directory_is_ENOTTY()
    {
        MakeDir("d");
        Assert.That(K.Ioctl(Opened("d", OpenFlags.O_RDONLY), Unknown, 0), Does.FailWith(Errno.ENOTTY));
    }

    [Test]
    public void Block_request_of_a_file_is_ENOTTY()
    {
        MakeFile("f");
        Assert.That(K.Ioctl(Opened("f", OpenFlags.O_RDONLY), DriverLab.Linux.Ioctl.Blk.BLKGETSIZE64, new byte[8]), Does.FailWith(Errno.ENOTTY));
    }
}
