using DriverLab.Conformance.Scenarios;
using DriverLab.Conformance.Verbs;
using DriverLab.Linux;

namespace DriverLab.Conformance.Tests;

/// <summary>Reading scenario texts: what is understood, and what a wrong text is told.</summary>
public class ParserTests
{
    [TestCase("mkdri /a", 3, 1, "unknown call 'mkdri' (did you mean 'mkdir'?)")]
    [TestCase("mkdir", 3, 1, "'mkdir' needs PATH")]
    [TestCase("rename /a /b RENAME_NOREPLACE /c", 3, 31, "one word too many")]
    [TestCase("open /a O_RDONLI", 3, 9, "'O_RDONLI' is no flag for FLAGS (did you mean 'O_RDONLY'?)")]
    [TestCase("chmod /a 0689", 3, 10, "'0689' is no octal mode")]
    [TestCase("read fd 10", 3, 6, "'fd' is no open file here")]
    [TestCase("fd = open /a O_RDONLY ; read fd ten", 3, 33, "'ten' is no number for COUNT")]
    [TestCase("fd = open /a O_RDONLY ; read fd -100", 3, 33, "-100 is out of range for COUNT of 'read'; expected 0 to 268435456")]
    [TestCase("loop add 4G", 3, 10, "4G is out of range for NUMBER of 'loop add'; expected -2147483648 to 2147483647")]
    [TestCase("write /a \"one", 3, 10, "a quoted word is not closed")]
    [TestCase("write /a \"o\\q\"", 3, 12, "is no escape")]
    [TestCase("write /a {zero:4X}", 3, 10, "'4X' is no length")]
    [TestCase("write /a {zero:4K", 3, 10, "a '{' is not closed")]
    [TestCase("write /a {x*1G}", 3, 10, "is too big")]
    [TestCase("write /a $b", 3, 10, "variable '$b' has no value here")]
    [TestCase("loop", 3, 1, "'loop' needs an operation; expected one of")]
    [TestCase("loop atach /a", 3, 6, "'loop' has no operation 'atach' (did you mean 'attach'?)")]
    [TestCase("x = mkdir /a", 3, 1, "'mkdir' gives no result that 'x' could hold")]
    [TestCase("cwd = open /a O_RDONLY", 3, 1, "cannot name a result")]
    [TestCase("alice(uid 1000: unlink /a", 3, 6, "the ids of actor 'alice' are not closed")]
    [TestCase("alice(user 1000): unlink /a", 3, 1, "are not understood")]
    [TestCase("alice:", 3, 7, "actor 'alice' does nothing here")]
    [TestCase("mkdir /a\nneeds overlay", 4, 1, "'needs' belongs before the first step")]
    [TestCase("kernels > 6.6\nmkdir /a", 3, 9, "'>' is no comparison")]
    [TestCase("kernels >= six\nmkdir /a", 3, 12, "'six' is no kernel version")]
    [TestCase("gap because\nmkdir /a", 3, 1, "expected 'gap \"reason\"'")]
    [TestCase("mknod /a pipe", 3, 10, "'pipe' is not known for TYPE of 'mknod'")]
    [TestCase("sleep 10", 3, 7, "'10' is no time span")]
    [TestCase("mkdir /a &", 3, 10, "'main' makes no calls in the background")]
    [TestCase("alice(userns 0:1000:1): mkdir /a &", 3, 34, "lives in a user namespace and makes no calls in the background")]
    [TestCase("alice: exit &", 3, 13, "'exit' is no call that could sleep")]
    [TestCase("alice: wait &", 3, 13, "'wait' is no call that could sleep")]
    [TestCase("alice: mkdir /a /b &", 3, 20, "an actor makes one in the background")]
    public void A_wrong_text_is_told_where_and_what(string steps, int line, int column, string problem)
    {
        var error = Assert.Throws<ScenarioException>(() => ScenarioParser.Parse("vfs/x", "x.scenario", $"# A test.\nsuite vfs\n{steps}\n"));
        Assert.Multiple(() =>
        {
            Assert.That((error.Line, error.Column), Is.EqualTo((line, column)), error.Message);
            Assert.That(error.Problem, Does.Contain(problem));
            Assert.That(error.Message, Does.StartWith($"x.scenario:{line}:{column}: "));
            Assert.That(error.Problem, Does.Not.Contain('\n'));
        });
    }

    [Test]
    public void A_scenario_needs_a_suite_steps_and_the_right_folder()
    {
        Assert.Multiple(() =>
        {
            Assert.That(() => ScenarioParser.Parse("vfs/x", "f", "mkdir /a"), Throws.TypeOf<ScenarioException>().With.Message.Contains("names no suite"));
            Assert.That(() => ScenarioParser.Parse("vfs/x", "f", "suite vfs"), Throws.TypeOf<ScenarioException>().With.Message.Contains("has no steps"));
            Assert.That(() => ScenarioParser.Parse("dm/x", "f", "suite vfs\nmkdir /a"), Throws.TypeOf<ScenarioException>().With.Message.Contains("does not match the folder 'dm'"));
        });
    }

    [Test]
    public void Header_and_comment_are_read()
    {
        var scenario = ScenarioParser.Parse("overlay/a", "f", "# overlay/a.scenario\n# Is it so?\n# And so?\nsuite overlay\nneeds overlay, tmpfs\nkernels >= 5.10 < 6.6\ngap \"not yet\"\ntimes\nmkdir /a\n");
        Assert.Multiple(() =>
        {
            Assert.That(scenario.Description, Is.EqualTo("Is it so? And so?"));
            Assert.That(scenario.Needs, Is.EqualTo(["overlay", "tmpfs"]));
            Assert.That(scenario.Kernels.ToString(), Is.EqualTo(">= 5.10 < 6.6"));
            Assert.That(scenario.Gap, Is.EqualTo("not yet"));
            Assert.That(scenario.Times, Is.True);
        });
    }

    [Test]
    public void Words_stand_for_bytes()
    {
        var words = Texts.Scenario("write /a \"a\\n\\x41\\0 b\"{x*3}{zero:2}").Steps[0].Arguments;
        Assert.That(words[1].Expand(), Is.EqualTo("a\nA\0 bxxx\0\0"u8.ToArray()));
    }

    [Test]
    public void Random_data_depends_on_the_seed_alone()
    {
        static byte[] Of(string word) => Texts.Scenario($"write /a {word}").Steps[0].Arguments[1].Expand();
        var once = Of("{rand:7:100}");
        Assert.Multiple(() =>
        {
            Assert.That(Of("{rand:7:100}"), Is.EqualTo(once));
            Assert.That(Of("{rand:7:100}"), Is.Not.EqualTo(Of("{rand:8:100}")));
            Assert.That(Of("{rand:7:4K}"), Has.Length.EqualTo(4096));
        });
    }

    [Test]
    public void A_call_with_several_last_arguments_is_several_steps()
    {
        var scenario = Texts.Scenario("mkdir /a /b mode=0700 ; alice(uid 5 gid 6 groups 7,8): rmdir /a");
        Assert.Multiple(() =>
        {
            Assert.That(scenario.Steps.Select(s => s.Text), Is.EqualTo(["mkdir /a mode=0700", "mkdir /b mode=0700", "rmdir /a"]));
            Assert.That(scenario.Steps[2].Actor.Ids!.Value.Groups.ToArray(), Is.EqualTo([7u, 8u]));
        });
    }

    [Test]
    public void An_actor_may_live_in_a_user_namespace()
    {
        var scenario = Texts.Scenario("carol(userns 0:1000:10,20:5:1 gids 0:7:2 uid 3 gid 1): mkdir /x\nbob(userns 0:9:1): mkdir /y");
        var (carol, bob) = (scenario.Steps[0].Actor, scenario.Steps[1].Actor);
        Assert.Multiple(() =>
        {
            Assert.That(carol.Maps!.Value.Uids.ToArray(), Is.EqualTo([new IdMapExtent(0, 1000, 10), new IdMapExtent(20, 5, 1)]));
            Assert.That(carol.Maps.Value.Gids.ToArray(), Is.EqualTo([new IdMapExtent(0, 7, 2)]));
            Assert.That((carol.Ids!.Value.Uid, carol.Ids.Value.Gid), Is.EqualTo((3u, 1u)));
            Assert.That((bob.Maps!.Value.Gids.Length, bob.Ids!.Value.Uid), Is.EqualTo((1, 0u)));
        });
    }

    [TestCase("carol(userns 0:1000): mkdir /x")]
    [TestCase("carol(gids 0:1000:1 uid 3): mkdir /x")]
    public void Maps_that_are_none_are_refused(string text) => Assert.That(() => Texts.Scenario(text), Throws.TypeOf<ScenarioException>());

    [Test]
    public void Mount_takes_any_option()
    {
        var step = Texts.Scenario("mount overlay /m ro lowerdir=/l:/k,upperdir=/u source=none").Steps[0];
        Assert.That(step.Options.Select(o => (o.Key, o.Value?.Text)), Is.EqualTo(new[] { ("ro", null), ("lowerdir", "/l:/k,upperdir=/u"), ("source", "none") }));
    }

    [TestCase("4K", 4096)]
    [TestCase("-1", -1)]
    [TestCase("0x10", 16)]
    [TestCase("0o17", 15)]
    [TestCase("1G", 1L << 30)]
    [TestCase("9223372036854775807", long.MaxValue)]
    public void Numbers_are_read(string text, long value)
    {
        Assert.That(Numbers.TryParse(text, out long read), Is.True);
        Assert.That(read, Is.EqualTo(value));
    }

    [TestCase("")]
    [TestCase("K")]
    [TestCase("1.5")]
    [TestCase("1e3")]
    [TestCase("0xg")]
    [TestCase("9999999999T")]
    public void Other_words_are_no_numbers(string text) => Assert.That(Numbers.TryParse(text, out _), Is.False);

    [Test]
    public void The_documentation_lists_every_call_as_the_code_has_it()
    {
        string readme = File.ReadAllText(Path.Combine(Texts.Root, "tests/Scenarios/README.md"));
        Assert.That(readme[readme.IndexOf("### Tasks", StringComparison.Ordinal)..], Is.EqualTo(VerbTable.Document()), "replace the list by the output of 'driverlab scenario verbs'");
    }

    [TestCase("vfs/rename/a", "vfs/*", true)]
    [TestCase("vfs/rename/a", "*rename*", true)]
    [TestCase("vfs/rename/a", "vfs/rename/?", true)]
    [TestCase("vfs/rename/ab", "vfs/rename/?", false)]
    [TestCase("vfs/rename/a", "dm/*", false)]
    public void Patterns_match_names(string name, string pattern, bool expected) => Assert.That(ScenarioStore.Matches(name, pattern), Is.EqualTo(expected));
}
