using System.Security.Cryptography;
using DriverLab.Block;
using DriverLab.Block.Devices;

namespace DriverLab.Nbd.Tests;

/// <summary>The clients that people use: libnbd's and QEMU's tools.</summary>
public class ClientTests
{
    [Test]
    public void Nbdinfo_sees_size_flags_and_context()
    {
        using var served = new Served();
        var (status, output, _) = Tools.Run("nbdinfo", "--json", served.Uri);
        Assert.That(status, Is.Zero);
        Assert.That(output, Does.Contain("\"export-size\": 67108864").And.Contain("\"structured\": true").And.Contain("base:allocation").And.Contain("\"description\": \"a RAM disk\""));
        Assert.That(output, Does.Contain("\"can_multi_conn\": true").And.Contain("\"can_fua\": true").And.Contain("\"can_df\": true").And.Contain("\"block_size_minimum\": 512"));
        Assert.That(served.Troubles, Is.Empty);
    }

    [Test]
    public void Nbdinfo_lists_exports_and_maps_holes()
    {
        using var served = new Served();
        Assert.That(Tools.Run("qemu-io", "-f", "raw", "-c", "write -P 7 1M 64k", served.Uri).Status, Is.Zero);
        Assert.That(Tools.Run("nbdinfo", "--list", $"nbd+unix://?socket={served.Socket}").Output, Does.Contain("export=\"disk\"").And.Contain("description: a RAM disk"));
        var lines = Tools.Run("nbdinfo", "--map", served.Uri).Output.Trim().Split('\n').Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries)));
        Assert.That(lines, Is.EqualTo((string[])["0 1048576 3 hole,zero", "1048576 65536 0 data", "1114112 65994752 3 hole,zero"]));
    }

    [Test]
    public void Nbdcopy_brings_a_file_in_and_out_over_several_connections()
    {
        using var served = new Served();
        string from = Path.GetTempFileName(), to = Path.GetTempFileName();
        try
        {
            byte[] content = new byte[64 << 20];
            for (int at = 0; at < content.Length; at += 3 << 20)
                RandomNumberGenerator.Fill(content.AsSpan(at, Math.Min(1 << 20, content.Length - at)));
            File.WriteAllBytes(from, content);
            Assert.That(Tools.Run("nbdcopy", from, served.Uri).Status, Is.Zero);
            Assert.That(Tools.Run("nbdcopy", served.Uri, to).Status, Is.Zero);
            Assert.That(SHA256.HashData(File.ReadAllBytes(to)), Is.EqualTo(SHA256.HashData(content)));
        }
        finally
        {
            File.Delete(from);
            File.Delete(to);
        }
    }

    [Test]
    public void Qemu_img_converts_and_compares()
    {
        using var served = new Served();
        using var other = new Served();
        Assert.That(Tools.Run("qemu-io", "-f", "raw", "-c", "write -P 1 0 3M", "-c", "write -P 2 5M 1M", "-c", "flush", served.Uri).Status, Is.Zero);
        Assert.That(Tools.Run("qemu-img", "convert", "-n", "--target-is-zero", "-f", "raw", "-O", "raw", served.Uri, other.Uri).Status, Is.Zero);
        Assert.That(Tools.Run("qemu-img", "compare", "-f", "raw", "-F", "raw", served.Uri, other.Uri).Output, Does.Contain("identical"));
        Assert.That(Tools.Run("qemu-img", "map", "--output=json", "-f", "raw", other.Uri).Output, Does.Contain("\"start\": 3145728, \"length\": 2097152, \"depth\": 0, \"present\": true, \"zero\": true, \"data\": false"));
    }

    [Test]
    public void Qemu_io_verifies_patterns_of_many_sizes()
    {
        using var served = new Served();
        string[] sizes = ["512", "4k", "65536", "65537", "1M", "17M"];
        List<string> commands = [];
        foreach (var (size, index) in sizes.Select((size, index) => (size, index)))
            commands.AddRange(["-c", $"write -P {index + 1} {index * 9}M {(index == 5 ? "17M" : size)}", "-c", $"read -P {index + 1} {index * 9}M {size}"]);
        var (status, output, _) = Tools.Run("qemu-io", ["-f", "raw", .. commands, served.Uri]);
        Assert.That((status, output.Contains("Pattern verification failed", StringComparison.Ordinal)), Is.EqualTo((0, false)));
    }

    /// <summary>fio keeps a checksum of each block in it, and reads all back; then it trims.</summary>
    [Test]
    public void Fio_verifies_what_it_wrote_at_depth_32_and_trims()
    {
        using var served = new Served();
        string[] common = ["--name=job", "--ioengine=nbd", $"--uri={served.Uri}", "--size=8m", "--bs=4k", "--iodepth=32", "--randseed=7", "--output-format=json"];
        var (status, output, _) = Tools.Run("fio", [.. common, "--rw=randwrite", "--verify=crc32c", "--verify_fatal=1", "--end_fsync=1"]);
        Assert.That((status, Number(output, "write"), Number(output, "read")), Is.EqualTo((0, 2048, 2048)));
        Assert.That(Tools.Run("nbdinfo", "--map", served.Uri).Output, Does.Match("^ *0 +8388608 +0 +data\n"));
        (status, output, _) = Tools.Run("fio", [.. common, "--rw=randtrim"]);
        Assert.That((status, Number(output, "trim")), Is.EqualTo((0, 2048)));
        Assert.That(Tools.Run("nbdinfo", "--map", served.Uri).Output, Does.Match("^ *0 +67108864 +3 +hole,zero\n$"));
        Assert.That(served.Troubles, Is.Empty);

        // Requests of one kind that ended.
        static int Number(string json, string kind)
        {
            using var result = System.Text.Json.JsonDocument.Parse(json[json.IndexOf('{', StringComparison.Ordinal)..]);
            return result.RootElement.GetProperty("jobs")[0].GetProperty(kind).GetProperty("total_ios").GetInt32();
        }
    }

    [Test]
    public void A_full_device_is_no_space_and_a_broken_one_is_an_input_output_error()
    {
        ToldDisk disk = null!;
        using var served = new Served(make: layer => disk = new ToldDisk(layer, 4096));
        disk.WriteStatus = BlkStatus.NoSpace;
        Assert.That(Tools.Run("qemu-io", "-f", "raw", "-c", "write 0 4k", served.Uri).Output, Does.Contain("No space left on device"));
        disk.WriteStatus = BlkStatus.IoError;
        Assert.That(Tools.Run("qemu-io", "-f", "raw", "-c", "write 0 4k", served.Uri).Output, Does.Contain("Input/output error"));
    }

    [Test]
    public void Flush_fua_trim_and_zeroes_reach_the_device()
    {
        ToldDisk disk = null!;
        using var served = new Served(make: layer => disk = new ToldDisk(layer, 131072));
        Assert.That(Tools.Run("qemu-io", "-f", "raw", "-d", "unmap", "-c", "write -f 0 4k", "-c", "flush", "-c", "discard 0 4M", "-c", "write -z 8M 4M", "-c", "write -z -u 16M 64k", served.Uri).Status, Is.Zero);
        Assert.That(disk.Counts.GetValueOrDefault("Write FUA"), Is.EqualTo(1));
        Assert.That(disk.Counts.GetValueOrDefault("Discard"), Is.EqualTo(4), "cut at the device's 1 MiB");
        Assert.That(disk.Counts.GetValueOrDefault("WriteZeroes no unmap"), Is.EqualTo(2), "cut at the device's 2 MiB");
        Assert.That(disk.Counts.GetValueOrDefault("WriteZeroes"), Is.EqualTo(1));
        Assert.That(disk.Counts.GetValueOrDefault("flush"), Is.GreaterThanOrEqualTo(1));
    }

    [Test]
    public void A_read_only_export_refuses_writes()
    {
        using var served = new Served(readOnly: true);
        var (status, _, error) = Tools.Run("qemu-io", "-f", "raw", "-c", "write 0 4k", served.Uri);
        Assert.That((status, error.Contains("read-only", StringComparison.OrdinalIgnoreCase) || error.Contains("Permission", StringComparison.Ordinal)), Is.EqualTo((1, true)));
        Assert.That(Tools.Run("nbdinfo", "--json", served.Uri).Output, Does.Contain("\"is_read_only\": true"));
    }
}
