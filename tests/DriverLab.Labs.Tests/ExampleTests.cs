using DriverLab.Labs.Files;
using DriverLab.Labs.Running;
using DriverLab.Rig;
using DriverLab.Rig.Machines;
using DriverLab.Testing;

namespace DriverLab.Labs.Tests;

/// <summary>The example labs, each from its start to its last step.</summary>
[Category("rig")]
[NonParallelizable]
public class ExampleTests
{
    public static IEnumerable<string> Files => LabFileTests.Files;

    [TestCaseSource(nameof(Files))]
    public Task Every_step_shows_what_is_expected(string file) => RunAsync(LabFile.Read(Path.Combine(LabFileTests.Examples, file)));

    [TestCase("debian-ext4")]
    [TestCase("debian-btrfs")]
    [Category("long")]
    public async Task A_Debian_root_has_its_user_land_and_keeps_what_is_written_in_snapshots(string root)
    {
        var file = LabReader.Parse("root.yaml", $"""
            lab: root
            machines:
              box: {"{"}kernel: "6.1", root: {root}, disks: [{"{"}name: d, size: 64M{"}"}]{"}"}
            steps:
              - run: cat /etc/debian_version; findmnt -n -o FSTYPE /; mkfs.ext4 -q /dev/lab/d && mount /dev/lab/d /mnt && echo one > /root/file
                expect: {"{"}matches: ['^12', '^{root[7..]}']{"}"}
              - snapshot: s
              - run: rm /root/file; umount /mnt
              - revert: s
              - run: cat /root/file; findmnt -n -o FSTYPE /mnt
                expect: {"{"}output: "one\next4"{"}"}
            """);
        await RunAsync(file);
    }

    /// <summary>OpenZFS is built for the kernel the first time, which takes minutes. Its disks are files: without udev it does not take whole disks.</summary>
    [TestCase("6.1")]
    [TestCase("6.12")]
    [Category("long")]
    public async Task ZFS_mirrors_snapshots_and_heals(string kernel)
    {
        var file = LabReader.Parse("zfs.yaml", $"""
            lab: zfs
            machines:
              box: {"{"}kernel: "{kernel}", memory: 1G, tools: [zfs]{"}"}
            steps:
              - run: modprobe zfs && truncate -s 128M /a /b && zpool create -m /tank tank mirror /a /b && zfs create tank/layer && head -c 8000000 /dev/urandom > /tank/layer/file && sha256sum < /tank/layer/file > /sum
              - run: zfs snapshot tank/layer@one && zfs clone tank/layer@one tank/container && rm /tank/layer/file && sha256sum < /tank/container/file | cmp - /sum && zfs list -H -o name,origin tank/container
                expect: {"{"}output: "tank/container\ttank/layer@one"{"}"}
              - run: zpool export tank && head -c 60000000 /dev/zero | dd of=/b bs=1M seek=8 conv=notrunc iflag=fullblock 2> /dev/null; zpool import -d / tank && zpool scrub -w tank && zpool status tank | grep -E 'scrub repaired|errors:'
                expect: {"{"}matches: ['repaired [1-9]', 'No known data errors']{"}"}
            """);
        await RunAsync(file);
    }

    private static async Task RunAsync(LabFile file)
    {
        await using var lab = await StartAsync(file);
        var results = await lab.RunStepsAsync(step => TestContext.Out.WriteLine(StepText.Of(step)));
        Assert.That(results, Is.Not.Empty);
        Assert.That(results.Select(step => step.Fault), Has.All.Null);
    }

    internal static async Task<Lab> StartAsync(LabFile file)
    {
        try
        {
            return await Lab.StartAsync(file, null, new Told());
        }
        catch (RigException e) when (e is not MachineException and not RigUsageException && e.Message.Contains("not installed", StringComparison.Ordinal))
        {
            NoRig.Ignore(e);
            throw;
        }
    }

    private sealed class Told : IProgress<string>
    {
        public void Report(string value) => TestContext.Progress.WriteLine(value);
    }
}
