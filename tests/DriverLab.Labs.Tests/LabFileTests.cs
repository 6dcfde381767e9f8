using DriverLab.Labs.Files;

namespace DriverLab.Labs.Tests;

/// <summary>Lab files: what is wrong is told with line, column, what was found and what was expected.</summary>
public class LabFileTests
{
    internal static string Examples { get; } = Find("vm-images/labs");

    public static IEnumerable<string> Files => Directory.GetFiles(Examples, "*.yaml").Select(file => Path.GetFileName(file)!).Order(StringComparer.Ordinal);

    [TestCaseSource(nameof(Files))]
    public void Examples_are_right(string file)
    {
        var lab = LabFile.Read(Path.Combine(Examples, file));
        Assert.That(lab.Name, Is.EqualTo(Path.GetFileNameWithoutExtension(file)));
        Assert.That(lab.Steps, Is.Not.Empty);
    }

    [Test]
    public void The_published_schema_is_the_one_that_is_checked() =>
        Assert.That(File.ReadAllText(Path.Combine(Examples, "lab.schema.json")), Is.EqualTo(LabFile.JsonSchema), "write it anew with: driverlab lab schema > vm-images/labs/lab.schema.json");

    [TestCase("lab: x\nmachines:\n  a: {kernel: '6.1', memry: 1G}", "3:22: 'memry' is no field of machine 'a'; expected some of kernel, memory")]
    [TestCase("lab: x\nmachines:\n  a: {memory: 1G}", "3:6: machine 'a' has no 'kernel'; expected a kernel line")]
    [TestCase("lab: x\nmachines:\n  a: {kernel: '6.1', memory: lots}", "3:30: memory of machine 'a' is 'lots'; expected a size such as 65536, 64K")]
    [TestCase("lab: x\nmachines:\n  a: {kernel: '6.1', cpus: 0}", "3:28: cpus of machine 'a' is '0'; expected a number from 1 to 64")]
    [TestCase("lab: X y\nmachines:\n  a: {kernel: '6.1'}", "1:6: lab of the lab is 'X y'; expected at most 20 small letters")]
    [TestCase("lab: x\nmachines:\n  A: {kernel: '6.1'}", "3:3: 'A' is no name; expected at most 20")]
    [TestCase("lab: x\nmachines: []", "2:11: machines of the lab is a list; expected names")]
    [TestCase("lab: x\nmachines:\n  a: {kernel: '6.1', disks: [{name: d}]}", "3:30: disk 'd' has no 'size'")]
    [TestCase("lab: x\nmachines:\n  a: {kernel: '6.1', disks: [{name: d, size: 1000}]}", "3:30: disk 'd' has a size of 1000 bytes; expected whole sectors")]
    [TestCase("lab: x\nmachines:\n  a: {kernel: '6.1', disks: [{name: d, size: 1M}, {name: d, size: 1M}]}", "3:58: there are two devices named 'd'")]
    [TestCase("lab: x\nmachines:\n  a: {kernel: '6.1', disks: [{name: d, kind: tape}]}", "3:46: kind of a disk is 'tape'; expected one of file, ram, emulated")]
    [TestCase("lab: x\nmachines:\n  a: {kernel: '6.1', disks: [{name: d, kind: emulated}]}", "disk 'd' has no 'devices'")]
    [TestCase("lab: x\nmachines:\n  a: {kernel: '6.1', tools: [gimp]}", "3:30: a set of tools is 'gimp'; expected one of btrfs, dmsetup")]
    [TestCase("lab: x\nmachines:\n  a: {kernel: '6.1', root: arch}", "expected one of debian-btrfs, debian-ext4")]
    [TestCase("lab: x\nmachines:\n  a:\n    kernel: '6.1'\n    setup:\n      - dm: {name: m, table: '0 8 linear {none} 0'}", "6:30: the table names {none}, and there is no such device before it")]
    [TestCase("lab: x\nmachines:\n  a:\n    kernel: '6.1'\n    setup:\n      - mount: {source: nothing, type: ext4, at: /mnt, format: true}", "6:25: there is no device 'nothing' before this")]
    [TestCase("lab: x\nmachines:\n  a:\n    kernel: '6.1'\n    setup:\n      - {run: a, mount: {source: a, type: b, at: /c}}", "6:9: a setup item has 2 fields; expected exactly one of loop, dm")]
    [TestCase("lab: x\nmachines: {a: {kernel: '6.1'}, b: {kernel: '6.1'}}\nsteps:\n  - run: ls", "4:5: the step does not say on which machine it runs; expected 'on' with one of a, b")]
    [TestCase("lab: x\nmachines: {a: {kernel: '6.1'}}\nsteps:\n  - {run: ls, on: c}", "4:19: there is no machine 'c'; expected one of a")]
    [TestCase("lab: x\nmachines: {a: {kernel: '6.1'}}\nsteps:\n  - revert: never", "4:13: no step before this one takes a snapshot 'never'")]
    [TestCase("lab: x\nmachines: {a: {kernel: '6.1'}}\nsteps:\n  - {run: ls, expect: {matches: ['(']}}", "is no regular expression")]
    [TestCase("lab: x\nmachines: {a: {kernel: '6.1'}}\nsteps:\n  - {run: ls, expect: {status: many}}", "status of expect of a step is 'many'; expected a number from 0 to 255")]
    [TestCase("lab: x\nmachines: {a: {kernel: '6.1'", "this is no YAML")]
    [TestCase("lab: x\nlab: y\nmachines: {a: {kernel: '6.1'}}", "this is no YAML")]
    [TestCase("", "there are 0 documents")]
    public void Wrong_files_get_line_column_and_a_sentence(string text, string sentence)
    {
        var wrong = Assert.Throws<LabFileException>(() => LabReader.Parse("lab.yaml", text))!;
        TestContext.Out.WriteLine(wrong.Message);
        Assert.That(wrong.Message, Does.StartWith("lab.yaml:").And.Contain(sentence));
    }

    internal static string Find(string relative)
    {
        string root = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(root, "DriverLab.sln")))
            root = Path.GetDirectoryName(root)!;
        return Path.Combine(root, relative);
    }
}
