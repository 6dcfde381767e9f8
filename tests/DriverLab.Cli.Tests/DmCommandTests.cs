namespace DriverLab.Cli.Tests;

/// <summary>dmsetup's command line on an emulated kernel that lives in a folder.</summary>
public sealed class DmCommandTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder()
    {
        _folder = Directory.CreateTempSubdirectory("driverlab-dm-").FullName;
        foreach (var (name, bytes) in ((string, int)[])[("meta.img", 2 << 20), ("data.img", 4 << 20)])
            File.WriteAllBytes(Path.Combine(_folder, name), new byte[bytes]);
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    private async Task<(int Code, string Output, string Error)> Dm(params string[] arguments)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        int code = await CommandLine.RunAsync(["dm", "--state", Path.Combine(_folder, "state"), .. arguments], output, error);
        return (code, output.ToString(), error.ToString());
    }

    private async Task<string> Succeeds(params string[] arguments)
    {
        var (code, output, error) = await Dm(arguments);
        Assert.That(code, Is.Zero, error);
        return output;
    }

    private string Image(string name) => Path.Combine(_folder, name);

    [Test]
    public async Task A_pool_lives_on_from_one_command_to_the_next()
    {
        _ = await Succeeds("create", "pool", "--table", $"0 8192 thin-pool {Image("meta.img")} {Image("data.img")} 128 0");
        _ = await Succeeds("message", "pool", "0", "create_thin", "1");
        _ = await Succeeds("create", "t", "--uuid", "U-1", "--table", "0 2048 thin /dev/mapper/pool 1");
        string status = await Succeeds("status");
        string table = await Succeeds("table", "pool");
        string info = await Succeeds("info", "t");
        string tree = await Succeeds("ls", "--tree", "-o", "utf");
        Assert.Multiple(() =>
        {
            Assert.That(status, Does.Match(@"^pool: 0 8192 thin-pool 0 \d+/512 0/64 - rw discard_passdown queue_if_no_space - 128 \nt: 0 2048 thin 0 -\n$"));
            Assert.That(table, Is.EqualTo("0 8192 thin-pool 7:0 7:1 128 0 0 \n"));
            Assert.That(info, Is.EqualTo("Name:              t\nState:             ACTIVE\nRead Ahead:        256\nTables present:    LIVE\nOpen count:        0\nEvent number:      0\n"
                + "Major, minor:      254, 1\nNumber of targets: 1\nUUID: U-1\n\n"));
            Assert.That(tree, Is.EqualTo("t (254:1)\n └─pool (254:0)\n    ├─ (7:1)\n    └─ (7:0)\n"));
        });
    }

    [Test]
    public async Task Suspension_inactive_tables_and_removal_are_kept()
    {
        _ = await Succeeds("create", "a", "--table", "0 8 zero");
        _ = await Succeeds("load", "a", "--table", "0 16 error");
        _ = await Succeeds("suspend", "a");
        Assert.That(await Succeeds("info", "a"), Does.Contain("SUSPENDED").And.Contain("LIVE & INACTIVE"));
        Assert.That(await Succeeds("table", "--inactive", "a"), Is.EqualTo("0 16 error \n"));
        _ = await Succeeds("resume", "a");
        Assert.That(await Succeeds("table", "a"), Is.EqualTo("0 16 error \n"));
        _ = await Succeeds("rename", "a", "b");
        Assert.That(await Succeeds("ls"), Is.EqualTo("b\t(254:0)\n"));
        _ = await Succeeds("remove", "b");
        Assert.That(await Succeeds("ls"), Is.EqualTo("No devices found\n"));
    }

    [Test]
    public async Task What_fails_says_so_as_dmsetup_does()
    {
        _ = await Succeeds("create", "a", "--notable");
        var again = await Dm("create", "a", "--notable");
        var missing = await Dm("remove", "nothing");
        var bad = await Dm("create", "b", "--table", "0 8 linear /dev/none 0");
        Assert.Multiple(() =>
        {
            Assert.That(again, Is.EqualTo((1, "", "device-mapper: create ioctl on a  failed: Device or resource busy\nCommand failed.\n")));
            Assert.That(missing, Is.EqualTo((1, "", "device-mapper: remove ioctl on nothing  failed: No such device or address\nCommand failed.\n")));
            Assert.That(bad.Code, Is.EqualTo(1));
            Assert.That(bad.Error, Does.StartWith("device-mapper: reload ioctl on b (254:1) failed: "));
        });
        Assert.That(await Succeeds("ls"), Is.EqualTo("a\t(254:0)\n"));
    }

    [TestCase("dm: 'creat' is no command", "creat")]
    [TestCase("'--odd' is no option", "create", "a", "--odd")]
    [TestCase("which device?", "remove")]
    public async Task Wrong_words_get_one_sentence_and_code_2(string sentence, params string[] arguments)
    {
        var (code, _, error) = await Dm(arguments);
        Assert.That(code, Is.EqualTo(2), error);
        Assert.That(error, Does.Contain(sentence));
    }

    [Test]
    public async Task Names_split_as_lvm_joins_them() => Assert.That(await Succeeds("splitname", "v--g-home-cow"), Is.EqualTo("VG   LV   LVLayer\nv-g  home cow    \n"));
}
