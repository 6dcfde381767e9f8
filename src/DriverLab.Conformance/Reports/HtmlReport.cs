using System.Globalization;
using System.Net;
using System.Text;

namespace DriverLab.Conformance.Reports;

/// <summary>The run as one self-contained HTML page: the verdict first, then the table suite × kernel, then each difference with both traces side by side.</summary>
public static class HtmlReport
{
    /// <summary>The page.</summary>
    /// <param name="model">The run.</param>
    /// <param name="trend">A chart of this and earlier runs as SVG; null for none.</param>
    public static string Render(ReportModel model, string? trend = null)
    {
        var page = new StringBuilder(64 * 1024);
        bool bad = model.Count(CaseVerdict.Different) > 0;
        _ = page.Append("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">")
            .Append("<title>DriverLab: ").Append(E(model.Sentence)).Append("</title><style>").Append(Style).Append("</style></head><body>\n<header class=\"")
            .Append(bad ? "bad" : model.Count(CaseVerdict.Same) == 0 ? "none" : "good").Append("\"><h1>").Append(E(model.Sentence)).Append("</h1><p>");
        foreach (var (name, value) in model.Facts)
            _ = page.Append("<span>").Append(E(name)).Append(" <b>").Append(E(value)).Append("</b></span> ");
        _ = page.Append("<span>time <b>").Append(N(model.Seconds)).Append(" s</b></span></p></header>\n");
        HtmlCharts.AppendHeatMap(page, model);
        AppendCases(page, model, CaseVerdict.Different, "Differences");
        AppendCases(page, model, CaseVerdict.Gap, "Not modelled");
        if (trend is not null)
            _ = page.Append("<h2>Scenarios, run by run</h2>\n<figure id=\"trend\">").Append(trend).Append("</figure>\n");
        HtmlCharts.AppendCalls(page, model);
        HtmlCharts.AppendErrnos(page, model);
        AppendList(page, model);
        return page.Append("<script>").Append(Script).Append("</script></body></html>\n").ToString();
    }

    private static void AppendCases(StringBuilder page, ReportModel model, CaseVerdict verdict, string title)
    {
        var cases = model.Cases.Where(c => c.Verdict == verdict).ToArray();
        if (cases.Length == 0)
            return;
        _ = page.Append("<h2>").Append(title).Append("</h2>\n");
        foreach (var group in cases.GroupBy(c => (c.Scenario, c.Difference?.Step, c.Difference?.Real, c.Difference?.Emulated, c.Reason)))
            AppendCase(page, group.First(), [.. group.Select(c => c.Kernel)]);
    }

    private static void AppendCase(StringBuilder page, CaseResult result, string[] kernels)
    {
        _ = page.Append("<details class=\"case\"").Append(result.Verdict == CaseVerdict.Different ? "" : " data-gap").Append("><summary><code>").Append(E(result.Scenario)).Append("</code>");
        foreach (string kernel in kernels)
            _ = page.Append(" <i>").Append(E(kernel)).Append("</i>");
        if (result.Difference is { } d)
        {
            _ = page.Append("<div class=\"pair\"><code>").Append(E(d.Call)).Append("</code><span>kernel</span><code>").Append(E(d.Real))
                .Append("</code><span>emulator</span><code>").Append(E(d.Emulated)).Append("</code></div></summary><p>").Append(E(d.Explanation))
                .Append(" Layer: <b>").Append(E(d.Layer)).Append("</b>.");
            if (d.LedgerId is { } id)
                _ = page.Append(" Ledger: <b>").Append(E(id)).Append("</b>.");
            _ = page.Append("</p>");
        }
        else
            _ = page.Append("<div class=\"pair\">").Append(E(result.Reason ?? "")).Append("</div></summary>");
        _ = page.Append("<p><code class=\"run\">").Append(E(result.Reproduce)).Append("</code></p>");
        AppendTrace(page, result);
        if (result.Source.Length > 0)
            _ = page.Append("<details><summary>the scenario</summary><pre>").Append(E(result.Source)).Append("</pre></details>");
        _ = page.Append("</details>\n");
    }

    private static void AppendTrace(StringBuilder page, CaseResult result)
    {
        if (result.Trace.Count == 0)
            return;
        _ = page.Append("<table class=\"trace\"><thead><tr><th></th><th>call</th><th>kernel ").Append(E(result.Kernel)).Append("</th><th>emulator</th></tr></thead><tbody>");
        foreach (var row in result.Trace)
        {
            _ = page.Append(row.Differs ? "<tr class=\"bad\">" : "<tr>").Append("<td>").Append(row.Step).Append("</td><td>");
            if (row.Actor is not "main")
                _ = page.Append("<i>").Append(E(row.Actor)).Append("</i> ");
            _ = page.Append("<code>").Append(E(row.Call)).Append("</code></td><td><code>").Append(E(row.Real)).Append("</code></td><td><code>")
                .Append(row.Differs ? E(row.Emulated) : "=").Append("</code></td></tr>\n");
        }
        _ = page.Append("</tbody></table>");
    }

    private static void AppendList(StringBuilder page, ReportModel model)
    {
        _ = page.Append("<h2>All scenarios</h2>\n<input id=\"find\" type=\"search\" placeholder=\"filter by name, kernel, verdict or reason\" aria-label=\"filter\">\n<table class=\"list\"><tbody>\n");
        foreach (var c in model.Cases)
        {
            _ = page.Append("<tr class=\"").Append(Kind(c.Verdict)).Append("\"><td>").Append(Word(c.Verdict)).Append("</td><td>").Append(E(c.Kernel)).Append("</td><td><code>").Append(E(c.Scenario))
                .Append("</code></td><td>").Append(c.Steps).Append(" steps</td><td>").Append(E(c.Reason ?? "")).Append("</td></tr>\n");
        }
        _ = page.Append("</tbody></table>\n");
    }

    private static string Kind(CaseVerdict verdict) => verdict switch
    {
        CaseVerdict.Same => "good",
        CaseVerdict.Different => "bad",
        CaseVerdict.Gap => "gap",
        CaseVerdict.Skipped => "none",
    };

    private static string Word(CaseVerdict verdict) => verdict.ToString().ToLowerInvariant();

    internal static string E(string text) => WebUtility.HtmlEncode(text);

    private static string N(double value) => value.ToString("0.0", CultureInfo.InvariantCulture);

    private const string Style = """
        :root{--fg:#1c2330;--bg:#fff;--soft:#f4f6f9;--line:#d7dde6;--good:#18794e;--bad:#c2271c;--gap:#946200;--none:#667085}
        @media(prefers-color-scheme:dark){:root{--fg:#e6e9ef;--bg:#14171d;--soft:#1d222b;--line:#343b48;--good:#4cc38a;--bad:#ff7b6e;--gap:#e5b454;--none:#98a2b3}}
        body{font:15px/1.45 system-ui,sans-serif;color:var(--fg);background:var(--bg);max-width:1180px;margin:0 auto;padding:0 20px 60px}
        header{border-left:8px solid var(--none);padding:6px 18px;margin:22px 0}header.good{border-color:var(--good)}header.bad{border-color:var(--bad)}
        h1{font-size:26px;margin:4px 0}h2{font-size:18px;margin:30px 0 8px}header span{margin-right:14px;color:var(--none)}header b{color:var(--fg);font-weight:600}
        code,pre{font:13px/1.4 ui-monospace,monospace;overflow-wrap:anywhere}pre{background:var(--soft);padding:10px;overflow:auto}
        table{border-collapse:collapse}td,th{border:1px solid var(--line);padding:4px 10px;text-align:left;vertical-align:top}thead th{background:var(--soft)}
        .matrix td{min-width:110px}td.good{border-left:4px solid var(--good)}td.bad{border-left:4px solid var(--bad)}td.gap{border-left:4px solid var(--gap)}
        .heat td{background:color-mix(in srgb,var(--good) calc(var(--share)*45%),var(--bg))}.heat td.bad{background:color-mix(in srgb,var(--bad) calc(18% + var(--share)*60%),var(--bg))}
        .heat td.gap{background:color-mix(in srgb,var(--gap) calc(12% + var(--share)*50%),var(--bg))}.heat td.none{background:none;color:var(--none)}
        .bars td{border:0;padding:1px 8px}.bars code{white-space:nowrap}.bars td:last-child{width:100%}.bars span{display:inline-block;height:11px;background:var(--good);vertical-align:middle}.bars span.bad{background:var(--bad)}
        .scroll{overflow-x:auto}.errnos th{font-weight:400;font-size:12px}.errnos thead th{writing-mode:vertical-rl;padding:6px 1px}.errnos td{padding:0 4px;font-size:11px;text-align:right}.errnos td.bad{background:color-mix(in srgb,var(--bad) 55%,var(--bg))}
        figure{margin:0;background:#fff}figure svg{max-width:100%;height:auto}
        .case{border:1px solid var(--line);border-left:4px solid var(--bad);padding:8px 14px;margin:8px 0}.case[data-gap]{border-left-color:var(--gap)}summary{cursor:pointer}
        summary i,td i{font-style:normal;background:var(--soft);border:1px solid var(--line);border-radius:4px;padding:0 6px;font-size:12px}
        .pair{display:grid;grid-template-columns:max-content 1fr;gap:2px 12px;margin:6px 0 0 18px}.pair>code:first-child{grid-column:1/3;font-weight:600}.pair span{color:var(--none)}
        .trace{width:100%;table-layout:fixed}.trace td:first-child,.trace th:first-child{width:34px;color:var(--none)}tr.bad td{background:color-mix(in srgb,var(--bad) 12%,transparent)}
        .list{width:100%}.list .good td:first-child{color:var(--good)}.list .bad td:first-child{color:var(--bad)}.list .gap td:first-child{color:var(--gap)}.list .none td:first-child{color:var(--none)}
        .list tr.bad td{background:none}#find{width:100%;box-sizing:border-box;padding:7px 10px;margin-bottom:8px;font:inherit;color:inherit;background:var(--soft);border:1px solid var(--line)}
        .run{background:var(--soft);padding:3px 8px;user-select:all}
        """;

    private const string Script = """
        const box=document.getElementById('find'),rows=[...document.querySelectorAll('.list tr')];
        box.addEventListener('input',()=>{const words=box.value.toLowerCase().split(/\s+/);for(const r of rows){const t=r.textContent.toLowerCase();r.hidden=!words.every(w=>t.includes(w))}});
        if(location.hash){const d=document.querySelectorAll('.case')[+location.hash.slice(1)-1];if(d){d.open=true;d.scrollIntoView()}}
        """;
}
