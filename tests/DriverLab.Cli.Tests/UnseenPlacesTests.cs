using System.Text.Json;
using DriverLab.Cli.Mutating;

namespace DriverLab.Cli.Tests;

/// <summary>The list of places of the emulator's code whose faults no program can see.</summary>
public sealed class UnseenPlacesTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => Directory.CreateDirectory(Path.Combine(_folder = Directory.CreateTempSubdirectory("unseen-").FullName, "Scenarios"));

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    private async Task<(string[] Lines, string Error)> List(string list, params string[] arguments)
    {
        Directory.CreateDirectory(Path.Combine(_folder, "Mutation"));
        await File.WriteAllTextAsync(Path.Combine(_folder, "Mutation", "unseen.txt"), list);
        var (output, error) = (new StringWriter(), new StringWriter());
        _ = await CommandLine.RunAsync(["mutate", "--list", "--json", "--named", "false", "--drawn", "60", "--data", _folder, .. arguments], output, error);
        return (output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries), error.ToString());
    }

    private static string PlaceOf(string line) => JsonDocument.Parse(line).RootElement.GetProperty("fault").GetProperty("place").GetString()!;

    private static DrawnFault Place(string method, string what, int number = 0) => new("vfs", "DriverLab.Vfs", 0, [], 0, [], what, method, "src/DriverLab.Vfs/Namei.cs:70", number);

    [Test]
    public void An_entry_is_known_by_file_method_and_what_whatever_the_line()
    {
        var places = UnseenPlaces.Parse("unseen.txt", """
            # How much room a list has.

            src/DriverLab.Vfs/Namei.cs | Namei.FindCached | 0 is 1 #2 | only faster
            """);
        Assert.That(places.Entries.Select(static e => (e.Key, e.Reason, e.Where)), Is.EqualTo(new[] { ("src/DriverLab.Vfs/Namei.cs | Namei.FindCached | 0 is 1 #2", "only faster", "unseen.txt:3") }));
        Assert.That(places.Find(Place("Namei.FindCached", "0 is 1", 2)), Is.Not.Null);
        Assert.That(places.Find(Place("Namei.FindCached", "0 is 1", 1)), Is.Null);
        Assert.That(places.Find(Place("Namei.FindCached", "0 is 1")), Is.Null);
        Assert.That(places.Stale([Place("Namei.FindCached", "0 is 1", 2)]), Is.Empty);
    }

    [TestCase("src/A.cs | A.B | 0 is 1")]
    [TestCase("src/A.cs | A.B | | why")]
    [TestCase("src/A.cs | A.B | 0 is 1 | why | more")]
    public void A_line_that_cannot_be_read_is_told(string line) =>
        Assert.That(() => UnseenPlaces.Parse("unseen.txt", "# first\n" + line), Throws.TypeOf<UsageException>().With.Message.EqualTo(
            $"unseen.txt:2: '{line}' is no place; expected 'file | method | what the fault does | reason', the first three as 'driverlab mutate --list --json' tells them"));

    [Test]
    public void A_place_is_listed_once() =>
        Assert.That(() => UnseenPlaces.Parse("unseen.txt", "a | b | c | why\na | b | c | other"), Throws.TypeOf<UsageException>().With.Message.EqualTo("unseen.txt:2: a | b | c is listed already in unseen.txt:1; list a place once"));

    [Test]
    public async Task A_folder_without_a_list_has_no_entries_and_the_list_that_comes_along_is_up_to_date()
    {
        Assert.That(UnseenPlaces.Load(Path.Combine(_folder, "missing.txt")).Entries, Is.Empty);
        var unseen = UnseenPlaces.Load(DataFolder.Find(null).Unseen);
        Assert.That(unseen.Entries, Is.Not.Empty);
        Assert.That(unseen.Stale(Fault.Places(Corpus.Kernels(DataFolder.Find(null)))).Select(static e => $"{e.Where}: {e.Key}"), Is.Empty);
        var (_, error) = await List("");
        Assert.That(error, Is.Empty);
    }

    [Test]
    public async Task An_entry_that_fits_no_place_is_told()
    {
        var (lines, error) = await List("src/DriverLab.Vfs/Namei.cs | Namei.Gone | 0 is 1 | only faster");
        Assert.That(lines, Has.Length.EqualTo(60));
        Assert.That(error, Is.EqualTo($"{_folder}/Mutation/unseen.txt:1: there is no place 'src/DriverLab.Vfs/Namei.cs | Namei.Gone | 0 is 1' in the code any more; correct the line or take it out\n"));
    }

    [Test]
    public async Task For_a_listed_place_another_is_drawn_and_the_rest_stays()
    {
        var (before, _) = await List("");
        var (after, error) = await List($"{PlaceOf(before[0])} | because");
        Assert.That(error, Is.Empty);
        Assert.That(after, Has.Length.EqualTo(before.Length).And.No.Member(before[0]));
        Assert.That(before.Except(after), Is.EqualTo(new[] { before[0] }));
        var (listed, _) = await List($"{PlaceOf(before[0])} | because", "--listed");
        Assert.That(listed, Is.EqualTo(new[] { before[0] }));
    }

    [Test]
    public void A_listed_place_that_something_notices_is_listed_wrongly_and_those_left_out_are_counted()
    {
        var unseen = UnseenPlaces.Parse("unseen.txt", "src/DriverLab.Vfs/Namei.cs | Namei.FindCached | 0 is 1 | only faster");
        var output = new StringWriter();
        var report = new FaultReport(output, json: false, unseen);
        List<FaultResult> results = [new(Fault.At(Place("Namei.FindCached", "0 is 1")), "vfs/a/b on 6.12", null, null), new(Fault.At(Place("Namei.Other", "0 is 1")), "vfs/a/b on 6.12", null, null)];
        results.ForEach(report.Write);
        report.Summarise(results, leftOut: 2);
        string[] lines = output.ToString().Split('\n');
        Assert.That(lines[0], Is.EqualTo("WRONGLY LISTED in unseen.txt:1: vfs: src/DriverLab.Vfs/Namei.cs:70: 0 is 1 (Namei.FindCached)"));
        Assert.That(lines[1], Does.EndWith("; the reason given: only faster"));
        Assert.That(lines[2], Is.EqualTo("caught: vfs: src/DriverLab.Vfs/Namei.cs:70: 0 is 1 (Namei.Other)"));
        Assert.That(lines[^2], Does.StartWith("all: 2 faults: 100.0 % caught by goldens").And.EndWith("; 2 places are known to change nothing and were left out"));
    }
}
