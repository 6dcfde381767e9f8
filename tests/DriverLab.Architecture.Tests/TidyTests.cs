using System.Text.RegularExpressions;

namespace DriverLab.Architecture.Tests;

/// <summary>Small rules that a reader feels when they are broken.</summary>
public partial class TidyTests
{
    private const int LongFile = 500;
    private const int TooLongFile = 600;
    private const int LargestBlob = 64 * 1024;

    /// <summary>Files allowed to be longer than <see cref="TooLongFile"/> lines, each with its reason.</summary>
    private static readonly Dictionary<string, string> MayBeLong = [];

    [GeneratedRegex(@"\b(FIXME|TODO|XXX|HACK)\b|NotImplementedException")]
    private static partial Regex Leftover();

    [Test]
    public void Sources_hold_no_leftovers()
    {
        var leftovers = from file in CSharp()
                        where !file.EndsWith(nameof(TidyTests) + ".cs", StringComparison.Ordinal)
                        from line in Repository.Read(file).Split('\n').Index()
                        where Leftover().IsMatch(line.Item)
                        select $"{file}:{line.Index + 1}: {line.Item.Trim()}";
        Assert.That(leftovers, Is.Empty, "a gap is throw new NotModelledException(\"what, on what\"); work to do is an issue");
    }

    [Test]
    public void Files_are_short_enough_to_read()
    {
        var lengths = CSharp().Select(file => (file, lines: Repository.Read(file).AsSpan().Count('\n'))).ToList();
        foreach (var (file, lines) in lengths.Where(entry => entry.lines > LongFile && !MayBeLong.ContainsKey(entry.file)))
            TestContext.Out.WriteLine($"warning: {file}: {lines} lines; past {LongFile} a file deserves a second look");

        var tooLong = lengths.Where(entry => entry.lines > TooLongFile && !MayBeLong.ContainsKey(entry.file)).Select(entry => $"{entry.file}: {entry.lines} lines");
        Assert.That(tooLong, Is.Empty, $"over {TooLongFile} lines: split by concept, or name the file with a reason in {nameof(MayBeLong)}");
        Assert.That(MayBeLong.Keys.Where(file => !lengths.Any(entry => entry.file == file && entry.lines > TooLongFile)), Is.Empty, "no longer long: take it off the list");
    }

    [Test]
    public void Nothing_large_is_checked_in()
    {
        string[] places = ["src", "tests", "build", "vm-images"];
        var blobs = from place in places
                    where Directory.Exists(Path.Combine(Repository.Root, place))
                    from file in Repository.Files(place, "*")
                    where !file.StartsWith("tests/Golden/", StringComparison.Ordinal) && Path.GetFileName(file) != "packages.lock.json"
                    let size = new FileInfo(Path.Combine(Repository.Root, file)).Length
                    where size > LargestBlob
                    select $"{file}: {size} bytes";
        Assert.That(blobs, Is.Empty, $"over {LargestBlob} bytes: make it at build time, or put it in tests/Golden with a readme");
    }

    [Test]
    public void Every_source_folder_that_holds_code_has_its_readme()
    {
        var missing = Repository.ProjectFiles("src").Select(project => Path.GetDirectoryName(project)!)
            .Where(folder => !File.Exists(Path.Combine(folder, "README.md")))
            .Select(folder => Path.GetRelativePath(Repository.Root, folder));
        Assert.That(missing, Is.Empty, "a reader arrives here: what it models, what not, invariants, where to start");
    }

    [Test]
    public void Readme_links_lead_somewhere()
    {
        var dead = from file in Repository.Files(".", "*.md")
                   from Match link in Link().Matches(Repository.Read(file))
                   let target = link.Groups[1].Value.Split('#')[0]
                   where target.Length > 0 && !target.Contains("://", StringComparison.Ordinal) && !target.StartsWith("mailto:", StringComparison.Ordinal)
                   let path = Path.Combine(Repository.Root, Path.GetDirectoryName(file)!, target)
                   where !Path.Exists(path)
                   select $"{file}: {target}";
        Assert.That(dead, Is.Empty);
    }

    [Test]
    public void Nothing_names_the_machine_it_was_written_on()
    {
        var traces = from place in new[] { "src", "tests", "build", "vm-images", ".ci" }
                     where Directory.Exists(Path.Combine(Repository.Root, place))
                     from file in Repository.Files(place, "*")
                     where !file.EndsWith(nameof(TidyTests) + ".cs", StringComparison.Ordinal) && new FileInfo(Path.Combine(Repository.Root, file)).Length < LargestBlob
                     where MachinePath().IsMatch(Repository.Read(file))
                     select file;
        Assert.That(traces, Is.Empty, "an absolute path of one machine");
    }

    [GeneratedRegex(@"/work/(wt|main|shared|issues|\.)|/home/[a-z]+/|/tmp/tmp\.")]
    private static partial Regex MachinePath();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    private static IEnumerable<string> CSharp() => Repository.Sources("src").Concat(Repository.Sources("tests"));
}
