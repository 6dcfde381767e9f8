using System.Text;
using System.Text.RegularExpressions;
using DriverLab.Rig;
using DriverLab.Rig.Images;
using DriverLab.Rig.Machines;
using DriverLab.Testing;

namespace DriverLab.Cli.Tests;

/// <summary>
/// The same command lines given to Debian's dmsetup in a machine and to <c>driverlab dm</c>: the same output, the same complaints, the same exit code. The machine's loop devices are files
/// here; both have the numbers 7:0, 7:1 and 7:2, and mapped devices count from 254:0 in both, so that numbers are compared too. Wrong use is not compared: the sentences of
/// <c>driverlab</c> name what it knows.
/// </summary>
[Category("rig")]
[NonParallelizable]
public sealed partial class DmsetupTests
{
    private static readonly (string Name, int Bytes)[] s_files = [("/dev/loop0", 2 << 20), ("/dev/loop1", 4 << 20), ("/dev/loop2", 1 << 20)];

    /// <summary>Command lines, one a line, run in this order; quotes join words. A line of <c>&lt;</c> is the standard input of the command before it.</summary>
    private static readonly string[] s_lines = """
        info
        status
        table
        deps
        ls
        create a --table "0 8 zero"
        create a --table "0 8 zero"
        create b --table "0 8 linear /dev/none 0"
        create b --table "0 8 linear /dev/loop0"
        create b --table "0 8 nosuch"
        create b --notable
        info b
        table b
        status b
        deps b
        resume b
        load b --table "0 64 linear /dev/loop0 0"
        info b
        table b
        table --inactive b
        clear b
        table --inactive b
        reload b --table "0 64 linear /dev/loop0 8"
        suspend b
        info b
        resume b
        table b
        status b
        deps b
        deps
        deps -o blkdevname b
        deps -o devname b
        info a b
        info
        info -c
        info -c --noheadings
        info -c -o name,open,uuid
        info -C --noheadings -o name,major,minor,attr,tables_loaded,events
        info -c --separator : -o name,segments b
        table
        status
        ls
        ls --target linear
        ls --target thin
        table --target zero
        status --target linear
        info -c -o name,tables_loaded,devno,device_count,devnos_used,blkdevs_used,device_ref_count
        info -c -o name,devs_used,names_using_dev,devnos_using_dev,blkdevname,suspended,readonly
        info -c missing
        info -j 254 -m 1
        ls -o blkdevname
        ls -o devname
        target-version linear
        target-version nosuch
        targets
        wait b 7
        ls --tree -o ascii
        create c --uuid U-1 --table "0 64 linear /dev/mapper/b 0"
        create d --uuid U-1 --table "0 8 zero"
        info c
        info -u U-1
        table -u U-1
        info -c -o name,device_ref_count,devs_used,names_using_dev,devnos_using_dev
        ls --tree -o utf
        ls --tree -o ascii
        remove b
        remove missing
        info missing
        table missing
        status missing
        deps missing
        suspend missing
        resume missing
        clear missing
        reload missing --table "0 8 zero"
        message missing 0 hello
        rename missing x
        wait missing
        rename c c2
        rename c2 a
        rename b --setuuid U-2
        rename b --setuuid U-3
        info b
        ls
        message b 0 hello
        message b 0 @cancel_deferred_remove
        message a 100 hello
        remove --deferred b
        info b
        message b 0 @cancel_deferred_remove
        remove c2
        remove b
        create e
        < 0 8 zero
        < # a comment
        <
        < 8 8 error
        table e
        create f
        < 0 8 zero
        < 9 8 zero
        create f --table "0 0 zero"
        create f --table "0 8"
        create f --table "x 8 zero"
        create f --table "0 0x8 zero"
        create f --readonly --table "0 64 linear /dev/loop0 0"
        info f
        remove e f
        ls
        create pool --table "0 8192 thin-pool /dev/loop0 /dev/loop1 128 0"
        table pool
        status pool
        status --noflush pool
        deps pool
        message pool 0 create_thin 1
        message pool 0 create_thin 1
        message pool 0 "create_thin 2"
        message pool 0 odd
        message pool 0
        create t --table "0 2048 thin /dev/mapper/pool 1"
        create s --table "0 2048 thin /dev/mapper/pool 9"
        status
        table
        ls --target thin
        ls --tree -o utf
        ls --tree -o nodevice,ascii
        ls --tree -o ascii
        suspend t
        message pool 0 "create_snap 3 1"
        resume t
        status t
        remove pool
        info -c pool
        remove t
        remove --force pool
        create o --table "0 2048 snapshot-origin /dev/loop2"
        create s --table "0 2048 snapshot /dev/loop2 /dev/loop0 N 8"
        status s
        table s
        deps s
        remove s
        remove o
        remove a
        ls
        create st --table "0 4096 striped 2 128 /dev/loop0 0 /dev/loop1 0"
        status st
        table st
        create fl --table "0 64 flakey /dev/loop0 0 5 0 1 drop_writes"
        table fl
        create de --table "0 64 delay /dev/loop0 0 10"
        status de
        table de
        wipe_table st
        table
        wipe_table missing
        remove_all
        ls
        splitname vg-lv
        splitname vg-lv-layer
        splitname v--g-home
        splitname name
        splitname vg0-some--thing LVM
        """.Split('\n', StringSplitOptions.TrimEntries);

    private string _folder = "";

    [SetUp]
    public void SetUp()
    {
        _folder = Directory.CreateTempSubdirectory("driverlab-dmsetup-").FullName;
        foreach (var (name, bytes) in s_files)
            File.WriteAllBytes(FileOf(name), new byte[bytes]);
    }

    [TearDown]
    public void TearDown() => Directory.Delete(_folder, recursive: true);

    private string FileOf(string device) => Path.Combine(_folder, Path.GetFileName(device));

    [Test]
    public async Task Commands_say_what_dmsetup_says([Values("6.1", "6.12")] string line)
    {
        await using var machine = await StartAsync(line);
        var setup = await machine.RunAsync("set -e; i=0; " + string.Concat(s_files.Select(static f => $"truncate -s {f.Bytes} /tmp/{Path.GetFileName(f.Name)}; losetup {f.Name} /tmp/{Path.GetFileName(f.Name)}; ")));
        Assert.That((setup.Status, setup.Errors), Is.EqualTo((0, "")));
        var differences = new StringBuilder();
        int count = 0;
        for (int i = 0; i < s_lines.Length; i++)
        {
            if (s_lines[i].StartsWith('<') || s_lines[i].Length == 0)
                continue;
            string[] words = [.. Word().Matches(s_lines[i]).Select(static m => m.Value.Trim('"'))];
            string input = string.Concat(s_lines.Skip(i + 1).TakeWhile(static l => l.StartsWith('<')).Select(static l => l[1..].TrimStart() + "\n"));
            string theirs = await TheirsAsync(machine, words, input), ours = await OursAsync(line, words, input);
            count++;
            if (ours != theirs)
                _ = differences.Append($"--- {s_lines[i]}\n{theirs}+++ driverlab dm\n{ours}");
        }
        TestContext.Out.WriteLine($"{count} command lines on {line}");
        Assert.That(differences.ToString(), Is.Empty);
    }

    private static async Task<string> TheirsAsync(Machine machine, string[] words, string input)
    {
        using var output = new MemoryStream();
        using var errors = new MemoryStream();
        int code = await machine.ExecAsync(["env", "DM_DISABLE_UDEV=1", "/sbin/dmsetup", .. words], new ExecStreams(bytes => output.Write(bytes)) { OnErrors = bytes => errors.Write(bytes), Input = new MemoryStream(Encoding.UTF8.GetBytes(input)) }, default);
        return Text(code, Encoding.UTF8.GetString(output.ToArray()), Encoding.UTF8.GetString(errors.ToArray()));
    }

    private async Task<string> OursAsync(string line, string[] words, string input)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        string[] local = [.. words.Select(w => s_files.Aggregate(w, (text, f) => text.Replace(f.Name, FileOf(f.Name), StringComparison.Ordinal)))];
        var console = Console.In;
        Console.SetIn(new StringReader(input));
        int code = await CommandLine.RunAsync(["dm", "--state", Path.Combine(_folder, "state"), "--kernel", line, .. local], output, error);
        Console.SetIn(console);
        return Text(code, output.ToString(), error.ToString());
    }

    /// <summary>
    /// Left out, as belonging to the machine alone: the complaint that a device without a table has no node yet (udev would have made one), and the target log-writes, which is no part of
    /// the emulator.
    /// </summary>
    private static bool IsOfTheMachine(string line) => (line.StartsWith("/dev/mapper/", StringComparison.Ordinal) && line.Contains(": open failed", StringComparison.Ordinal)) || line.StartsWith("log-writes ", StringComparison.Ordinal);

    private static string Text(int code, string output, string errors) => 
        $"code {code}\n{string.Join('\n', output.Split('\n').Where(static l => !IsOfTheMachine(l)))}{string.Concat(errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(static l => !IsOfTheMachine(l)).Select(static l => $"! {l}\n"))}";

    private static async Task<Machine> StartAsync(string line)
    {
        try
        {
            return await Machine.StartAsync(line, new() { Recipe = new ImageRecipe { Tools = ["dmsetup"] } });
        }
        catch (RigException e) when (e is not MachineException)
        {
            NoRig.Ignore(e);
            throw;
        }
    }

    [GeneratedRegex("\"[^\"]*\"|[^ ]+")]
    private static partial Regex Word();
}
