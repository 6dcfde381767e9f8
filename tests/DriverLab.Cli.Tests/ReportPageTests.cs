using System.Text.Json;
using PuppeteerSharp;

namespace DriverLab.Cli.Tests;

/// <summary>Reports as people get them: the page in a real browser, Markdown, and the history of runs.</summary>
public sealed class ReportPageTests
{
    private string _folder = "";

    [SetUp]
    public void Folder() => _folder = Directory.CreateTempSubdirectory("driverlab-report-").FullName;

    [TearDown]
    public void Remove() => Directory.Delete(_folder, recursive: true);

    [Test]
    public async Task The_page_opens_in_a_browser_and_a_click_shows_where_the_two_part()
    {
        const string browser = "/usr/bin/chromium";
        if (!File.Exists(browser))
            Assert.Fail($"{browser} does not exist; install chromium (./build.sh test does)");
        string page = Path.Combine(_folder, "report.html"), history = Path.Combine(_folder, "history.jsonl");
        await Merge("--history", history);
        await Merge("--history", history, "--html", page);
        await using var chromium = await Puppeteer.LaunchAsync(new LaunchOptions { ExecutablePath = browser, Headless = true, UserDataDir = Path.Combine(_folder, "profile"), Args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });
        await using var tab = await chromium.NewPageAsync();
        var complaints = new List<string>();
        tab.Console += (_, e) => complaints.Add(e.Message.Text);
        tab.PageError += (_, e) => complaints.Add(e.Message);
        tab.Request += (_, e) => complaints.AddRange(e.Request.Url.StartsWith("file:", StringComparison.Ordinal) ? [] : [e.Request.Url]);
        await tab.SetViewportAsync(new ViewPortOptions { Width = 1200, Height = 900 });
        _ = await tab.GoToAsync(new Uri(page).AbsoluteUri);

        // The first screen: the verdict, and where it is red.
        Assert.That(await tab.EvaluateExpressionAsync<string>("document.querySelector('h1').textContent"), Is.EqualTo("1 of 3 scenarios differ on 2 kernels, 1 skipped."));
        Assert.That(await tab.EvaluateExpressionAsync<bool>("document.querySelector('h1').getBoundingClientRect().bottom < innerHeight && document.querySelector('.heat td.bad').getBoundingClientRect().bottom < innerHeight"));
        Assert.That(await tab.EvaluateExpressionAsync<string>("getComputedStyle(document.querySelector('.heat td.bad')).backgroundColor !== getComputedStyle(document.querySelector('.heat td.good')).backgroundColor ? 'other' : 'same'"), Is.EqualTo("other"));

        // A difference: closed, then opened by a click, with the step marked.
        const string marked = "document.querySelector('.case .trace tr.bad')";
        Assert.That(await tab.EvaluateExpressionAsync<bool>($"{marked}.checkVisibility()"), Is.False);
        await (await tab.QuerySelectorAsync(".case > summary")).ClickAsync();
        Assert.That(await tab.EvaluateExpressionAsync<bool>($"{marked}.checkVisibility()"), Is.True);
        Assert.That(await tab.EvaluateExpressionAsync<string[]>($"[...{marked}.cells].map(c => c.textContent)"), Is.EqualTo(new[] { "2", "rename /m/<a> /m/b", "ok", "EXDEV" }));

        // The list filters, the pictures are there, nothing comes from elsewhere and nothing is complained about.
        await (await tab.QuerySelectorAsync("#find")).TypeAsync("skipped 6.12");
        Assert.That(await tab.EvaluateExpressionAsync<string[]>("[...document.querySelectorAll('.list tr')].filter(r => r.checkVisibility()).map(r => r.cells[2].textContent)"), Is.EqualTo(new[] { "vfs/later" }));
        Assert.That(await tab.EvaluateExpressionAsync<int>("document.querySelectorAll('#trend svg path, #trend svg polyline').length"), Is.GreaterThan(0));
        Assert.That(await tab.EvaluateExpressionAsync<string[]>("[...document.querySelectorAll('#errnos td.bad')].map(c => c.title)"), Is.EqualTo(new[] { "rename EXDEV: 2, the same in 1" }));
        byte[] shot = await tab.ScreenshotDataAsync(new ScreenshotOptions { FullPage = true });
        string kept = Path.Combine(TestContext.CurrentContext.WorkDirectory, "report.png");
        await File.WriteAllBytesAsync(kept, shot);
        TestContext.AddTestAttachment(kept, "the page, with the difference open");
        Assert.That(shot.AsSpan(1, 3).SequenceEqual("PNG"u8) && shot.Length > 20_000, $"{shot.Length} bytes");
        Assert.That(complaints, Is.Empty);
    }

    [Test]
    public async Task The_summary_for_a_job_is_Markdown_that_no_name_breaks_and_is_added_to_what_is_there()
    {
        string file = Path.Combine(_folder, "summary.md");
        File.WriteAllText(file, "# of somebody else\n");
        await Merge("--markdown", file);
        string text = File.ReadAllText(file);
        Assert.That(text, Does.StartWith("# of somebody else\n## ❌ 1 of 3 scenarios differ on 2 kernels, 1 skipped.\n"));
        Assert.That(text, Does.Contain("| suite | 6.1 | 6.12 |\n|---|---:|---:|\n| overlay | 0 same, 1 different | 0 same |\n| vfs | 1 same | 0 same, 1 skipped |\n"));
        Assert.That(text, Does.Contain("| 2 | <code>rename /m/&lt;a&gt; /m/b</code> | <code>ok</code> | **<code>EXDEV</code>** |\n"));
    }

    [Test]
    public async Task A_run_is_one_line_of_history_and_a_line_that_is_none_is_named()
    {
        string file = Path.Combine(_folder, "history.jsonl");
        await Merge("--history", file);
        await Merge("--history", file);
        Assert.That(File.ReadLines(file).Select(static l => JsonDocument.Parse(l).RootElement.GetProperty("different").GetInt32()), Is.EqualTo(new[] { 1, 1 }));
        File.AppendAllText(file, "{\"when\":\"yesterday\"}\n");
        var error = new StringWriter();
        Assert.That(await CommandLine.RunAsync(["report", "merge", Report(), "--history", file], TextWriter.Null, error), Is.EqualTo(2));
        Assert.That(error.ToString(), Does.Contain($"{file}:3"));
        Assert.That(File.ReadLines(file).Count(), Is.EqualTo(3), "nothing is added to a file that is not understood");
    }

    [Test]
    public async Task What_was_covered_is_added_up_over_the_parts_of_a_run()
    {
        var output = new StringWriter();
        _ = await CommandLine.RunAsync(["report", "merge", Report(), Report(), "--json"], output, TextWriter.Null);
        Assert.That(output.ToString(), Does.Contain("""{"coverage":{"call":"rename","outcome":"EXDEV","seen":4,"matched":2}}"""));
    }

    private async Task Merge(params string[] options)
    {
        var error = new StringWriter();
        Assert.That(await CommandLine.RunAsync(["report", "merge", Report(), .. options], TextWriter.Null, error), Is.EqualTo(1), error.ToString());
    }

    /// <summary>A run with one difference, as <c>conform --json</c> prints it.</summary>
    private string Report()
    {
        string file = Path.Combine(_folder, "run.jsonl");
        File.WriteAllText(file, """
            {"facts":{"driverlab":"test"},"shard":"1/1"}
            {"case":{"kernel":"6.1","suite":"overlay","scenario":"overlay/rename/one","verdict":"different","step":2,"line":4,"call":"rename /m/<a> /m/b","real":"ok","emulated":"EXDEV","layer":"overlay","explanation":"At step 2 the kernel says 'ok' and the emulator 'EXDEV'.","steps":2,"seconds":0.1,"kernelSeconds":0.1,"reproduce":"driverlab conform --scenario overlay/rename/one","source":"mkdir /m","trace":[{"step":1,"actor":"main","call":"mkdir /m","real":"ok","emulated":"ok","differs":false},{"step":2,"actor":"main","call":"rename /m/<a> /m/b","real":"ok","emulated":"EXDEV","differs":true}]}}
            {"case":{"kernel":"6.1","suite":"vfs","scenario":"vfs/plain","verdict":"same","steps":3,"seconds":0.1,"kernelSeconds":0.1,"reproduce":"driverlab conform --scenario vfs/plain"}}
            {"case":{"kernel":"6.12","suite":"vfs","scenario":"vfs/later","verdict":"skipped","reason":"needs 6.14","steps":3,"seconds":0,"kernelSeconds":0,"reproduce":"driverlab conform --scenario vfs/later"}}
            {"coverage":{"call":"mkdir","outcome":"EEXIST","seen":3,"matched":3}}
            {"coverage":{"call":"rename","outcome":"EXDEV","seen":2,"matched":1}}
            {"coverage":{"call":"rename","outcome":"ok","seen":4,"matched":4}}
            {"summary":{"same":1,"different":1,"gap":0,"skipped":1,"seconds":1.5}}

            """);
        return file;
    }
}
