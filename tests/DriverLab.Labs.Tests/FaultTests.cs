using DriverLab.Block.Faults;
using DriverLab.Labs.Files;
using DriverLab.Labs.Running;

namespace DriverLab.Labs.Tests;

/// <summary>One plan of faults on both sides of a real kernel: in an emulated disk that it reaches over NBD, and as a table of its own device-mapper. It must see the same.</summary>
[Category("rig")]
[NonParallelizable]
public class FaultTests
{
    private const string Probe = """
        probe() { for i in 0 1 2 3 4 5 6 7; do
          xfs_io -d -c "pwrite -q -S 0x61 $((i * 4096)) 4096" $1 > /dev/null 2>&1 && w=w || w=-
          dd if=$1 of=/tmp/s bs=4096 skip=$i count=1 2>/dev/null && r=$(tr -d '\0' < /tmp/s | head -c 1) || r=-
          echo -n "$s$w${r:-0}"; s=" "; done; s=; echo; }
        """;

    [TestCase("io fails EIO zone=16+24", "wa wa -- -- -- wa wa wa")]
    [TestCase("write fails EIO zone=8+16; read fails EIO zone=48+8", "wa -0 -0 wa wa wa w- wa")]
    [TestCase("write lost zone=32+100", "wa wa wa wa w0 w0 w0 w0")]
    public async Task A_real_kernel_sees_the_same_faults_over_NBD_and_in_its_own_table(string plan, string seen)
    {
        string table = FaultTable.Of(FaultPlan.Parse(plan), "{l}", 64);
        await RunAsync($"""
            lab: faults
            machines:
              box:
                kernel: "6.12"
                tools: [dmsetup, xfsprogs]
                disks: [{"{"}name: d, kind: emulated, devices: [{"{"}name: ram, ram: 32K, faults: "{plan}"{"}"}]{"}"}]
                setup:
                  - loop: {"{"}name: l, file: /l, size: 32K{"}"}
                  - dm: {"{"}name: m, table: "{table.TrimEnd().Replace("\n", "\\n", StringComparison.Ordinal)}"{"}"}
            steps:
              - run: |
            {Indented(Probe)}
                  probe /dev/lab/d; probe /dev/mapper/m
                expect: {"{"}output: "{seen}\n{seen}\n"{"}"}
            """);
    }

    [Test]
    public async Task What_no_table_says_is_seen_over_NBD()
        => await RunAsync($"""
            lab: faults
            machines:
              box:
                kernel: "6.12"
                tools: [xfsprogs]
                disks:
                  - {"{"}name: nth, kind: emulated, devices: [{"{"}name: ram, ram: 32K, faults: "write fails ENOSPC nth=3"{"}"}]{"}"}
                  - {"{"}name: far, kind: emulated, devices: [{"{"}name: ram, ram: 32K, faults: "write astray nth=2 by=32"{"}"}]{"}"}
            steps:
              - run: |
            {Indented(Probe)}
                  probe /dev/lab/nth; probe /dev/lab/far; dd if=/dev/lab/far bs=4096 skip=5 count=1 2>/dev/null | head -c 1
                expect: {"{"}output: "wa wa -0 wa wa wa wa wa\nwa w0 wa wa wa wa wa wa\na"{"}"}
            """);

    [Test]
    public void A_plan_with_a_mistake_is_refused_where_it_stands()
    {
        var wrong = Assert.Throws<LabFileException>(() => LabReader.Parse("faults.yaml", """
            lab: faults
            machines:
              box:
                kernel: "6.12"
                disks: [{name: d, kind: emulated, devices: [{name: ram, ram: 32K, faults: "write burns"}]}]
            """));
        Assert.That(wrong!.Message, Does.Contain("faults.yaml:5:").And.Contain("device 'ram': fault 'write burns': 'burns' is not known"));
    }

    private static string Indented(string text) => string.Join('\n', text.Split('\n').Select(line => "      " + line));

    private static async Task RunAsync(string text)
    {
        await using var lab = await ExampleTests.StartAsync(LabReader.Parse("faults.yaml", text));
        var results = await lab.RunStepsAsync(step => TestContext.Out.WriteLine(StepText.Of(step)));
        Assert.That(results, Is.Not.Empty);
        Assert.That(results.Select(step => step.Fault), Has.All.Null);
    }
}
