using System.Net;
using System.Text;

namespace DriverLab.Conformance.Atlas;

/// <summary>The atlas as one self-contained HTML page: a table with a filter for the suite, one for the kernel and a search box; a row opens to the scenario and every change.</summary>
public static class AtlasPage
{
    /// <summary>The page.</summary>
    public static string Render(BehaviourAtlas atlas)
    {
        var page = new StringBuilder(64 * 1024);
        string title = $"{atlas.Rows.Count} behaviours that changed between kernels {string.Join(", ", atlas.Lines)}";
        _ = page.Append("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>DriverLab atlas: ")
            .Append(E(title)).Append("</title><style>").Append(Style).Append("</style></head><body><h1>").Append(E(title)).Append("</h1><p>Of ").Append(atlas.Compared)
            .Append(" scenarios recorded on two lines or more. Each row is a scenario that real kernels answered differently.</p><p class=\"tools\"><input id=\"find\" placeholder=\"search\" autofocus>");
        Select(page, "suite", atlas.Rows.Select(static r => r.Scenario.Suite));
        Select(page, "since", atlas.Rows.Select(static r => r.Since));
        _ = page.Append("<span id=\"count\"></span></p><table><thead><tr><th>scenario</th><th>since</th><th>call</th><th>before</th><th>since then</th></tr></thead>\n");
        foreach (var row in atlas.Rows)
            Row(page, row);
        return page.Append("</table><script>").Append(Script).Append("</script></body></html>\n").ToString();
    }

    private static void Select(StringBuilder page, string name, IEnumerable<string> values)
    {
        _ = page.Append("<select id=\"").Append(name).Append("\"><option value=\"\">every ").Append(name == "suite" ? "suite" : "kernel").Append("</option>");
        foreach (string value in values.Distinct().Order(StringComparer.Ordinal))
            _ = page.Append("<option>").Append(E(value)).Append("</option>");
        _ = page.Append("</select>");
    }

    private static void Row(StringBuilder page, ChangedBehaviour row)
    {
        var first = row.First;
        _ = page.Append("<tbody data-suite=\"").Append(E(row.Scenario.Suite)).Append("\" data-since=\"").Append(E(row.Since)).Append("\"><tr class=\"row\"><td><b>").Append(E(row.Scenario.Name))
            .Append("</b><br>").Append(E(row.Scenario.Description)).Append("</td><td>").Append(E(row.Since)).Append("</td><td><code>").Append(E(first.Call)).Append(first.Detail.Length > 0 ? " → " + E(first.Detail) : "")
            .Append("</code></td><td><code>").Append(E(first.Emulator)).Append("</code></td><td><code>").Append(E(first.Real)).Append("</code></td></tr><tr class=\"more\" hidden><td colspan=\"5\"><pre>")
            .Append(E(row.Scenario.Source)).Append("</pre><table>");
        foreach (var change in row.Changes)
        {
            _ = page.Append("<tr><td>").Append(change.Step).Append("</td><td><code>").Append(E(change.Call)).Append(change.Detail.Length > 0 ? " → " + E(change.Detail) : "").Append("</code></td><td><code>")
                .Append(E(row.Before)).Append(": ").Append(E(change.Emulator)).Append("</code></td><td><code>").Append(E(row.Since)).Append(": ").Append(E(change.Real)).Append("</code></td></tr>");
        }
        _ = page.Append("</table><code>driverlab conform --kernel ").Append(E(row.Before)).Append(" --kernel ").Append(E(row.Since)).Append(" --scenario ").Append(E(row.Scenario.Name)).Append("</code></td></tr></tbody>\n");
    }

    private static string E(string text) => WebUtility.HtmlEncode(text);

    private const string Style = """
        body{font:15px/1.45 system-ui,sans-serif;margin:24px auto;max-width:1400px;padding:0 16px;color:#1d2430;background:#fff}h1{font-size:22px}table{border-collapse:collapse;width:100%}
        td,th{border-bottom:1px solid #d8dde6;padding:6px 8px;text-align:left;vertical-align:top}code,pre{font:13px/1.4 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere}
        .row{cursor:pointer}.row:hover{background:#f3f5f9}.more td{background:#f8f9fb}.tools *{font:inherit;padding:5px 8px;margin-right:8px}#find{width:320px}
        @media(prefers-color-scheme:dark){body{color:#dde3ee;background:#12161d}td,th{border-color:#303845}.row:hover{background:#1b222d}.more td{background:#171d26}}
        """;

    private const string Script = """
        const find=document.getElementById('find'),suite=document.getElementById('suite'),since=document.getElementById('since'),rows=[...document.querySelectorAll('tbody[data-suite]')];
        function show(){const words=find.value.toLowerCase().split(/\s+/);let n=0;for(const r of rows){const on=(!suite.value||r.dataset.suite===suite.value)&&(!since.value||r.dataset.since===since.value)&&words.every(w=>r.textContent.toLowerCase().includes(w));r.hidden=!on;if(on)n++}document.getElementById('count').textContent=n+' of '+rows.length}
        for(const e of [find,suite,since])e.addEventListener('input',show);for(const r of rows)r.querySelector('.row').addEventListener('click',()=>{const m=r.querySelector('.more');m.hidden=!m.hidden});show();
        """;
}
