using DriverLab.Cli.Fuzzing;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Cli.Tests;

/// <summary>Variations of a scenario know the names that are in it: on this machine's own kernel none may be the machine's.</summary>
public class VariationBoundsTests
{
    private static Scenario Of(string steps, string header = "") => ScenarioParser.Parse("vfs/test", "test.scenario", $"suite vfs\n{header}\n{steps}\n");

    [TestCase("chmod /dev/null 0700")]
    [TestCase("write /proc/sys/vm/drop_caches 1")]
    [TestCase("mkdir /m\nmount proc /m")]
    [TestCase("mkdir /u /w /m\nmount overlay /m lowerdir=/sys upperdir=/u workdir=/w")]
    [TestCase("mknod /x blk 0600 7 0")]
    [TestCase("mknod /x chr 0600 1 3")]
    [TestCase("mkdir /r\nchroot /r\nstat ..")]
    [TestCase("loop add 7")]
    [TestCase("stat /a/../..")]
    public void What_names_something_of_the_machine_is_not_varied_on_it(string steps) => Assert.That(VariationBounds.IsForHost(Of(steps)), Is.False);

    [TestCase("loop")]
    [TestCase("dm")]
    [TestCase("proc")]
    public void What_needs_devices_or_processes_is_not_varied_on_it(string need) => Assert.That(VariationBounds.IsForHost(Of("mkdir /a", $"needs {need}")), Is.False);

    [Test]
    public void Files_and_unions_are_varied_on_it() => Assert.That(VariationBounds.IsForHost(Of("mkdir /l /u /w /m\nmount overlay /m lowerdir=/l upperdir=/u workdir=/w\nwrite /m/f x", "needs overlay, tmpfs")), Is.True);

    [TestCase("kmsg", "", false)]
    [TestCase("statfs / space", "", false)]
    [TestCase("statfs /", "slow", false)]
    [TestCase("f = open /dev/urandom O_RDONLY", "", false)]
    [TestCase("f = open /proc/self/mountinfo O_RDONLY", "", false)]
    [TestCase("f = open /proc/filesystems O_RDONLY", "", true)]
    [TestCase("statfs /", "", true)]
    public void What_is_slow_or_the_machines_is_not_varied_on_any_kernel(string steps, string header, bool expected) => Assert.That(VariationBounds.IsForMany(Of(steps, header)), Is.EqualTo(expected));

    [Test]
    public async Task A_suite_with_nothing_to_vary_is_named()
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        int code = await CommandLine.RunAsync(["fuzz", "--vary", "--suite", "waits", "--kernel", "emulated:6.12", "--list"], output, error);
        Assert.That(code, Is.EqualTo(ExitCode.Usage), error.ToString());
        Assert.That(error.ToString(), Does.Contain("suite 'waits' has no scenario that can be varied on emulated:6.12"));
    }
}
