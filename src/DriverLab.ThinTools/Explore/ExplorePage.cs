using System.Globalization;
using System.Net;
using System.Text;
using DriverLab.ThinTools.Model;

namespace DriverLab.ThinTools.Explore;

/// <summary>Metadata as one HTML page without anything from outside: the trees as SVG, who shares which nodes, which devices share data, how the data device is used.</summary>
public static class ExplorePage
{
    private const double Width = 1180;
    private const double LevelHeight = 92;
    private const int CellsAcross = 118;
    private const int MostCells = CellsAcross * 24;

    /// <summary>Draws.</summary>
    public static string Draw(ThinMetadata metadata, string title)
    {
        var graph = SharingGraph.Load(metadata);
        var html = new StringBuilder("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>");
        _ = html.Append(Text(title)).Append("</title>\n<style>\n").Append(Style).Append("</style></head><body>\n<h1>").Append(Text(title)).Append("</h1>\n");
        Facts(html, graph);
        foreach (var damage in graph.Damages.Take(50))
            _ = html.Append("<p class=\"damage\">").Append(Text($"{damage.Reason}: {damage}")).Append("</p>\n");
        Trees(html, graph);
        Devices(html, graph);
        DataMap(html, graph);
        return html.Append("<script>\n").Append(Script).Append("</script></body></html>\n").ToString();
    }

    private static void Facts(StringBuilder html, SharingGraph graph)
    {
        ref readonly var sb = ref graph.Metadata.Superblock;
        var data = sb.DataSpaceMap.Root;
        var meta = sb.MetadataSpaceMap.Root;
        (string Name, string Value)[] facts =
        [
            ("transaction", sb.TransactionId.ToString()), ("time", sb.Time.ToString()), ("version", sb.Version.ToString()), ("flags", (sb.Flags.Value & 1) != 0 ? "needs_check" : "none"),
            ("data block", Size(sb.DataBlockSizeSectors.Value * 512UL)), ("data used", $"{data.AllocatedCount} of {data.BlockCount} blocks"), ("metadata used", $"{meta.AllocatedCount} of {meta.BlockCount} blocks"),
            ("metadata snapshot", sb.HeldRoot.Value == 0 ? "none" : $"block {sb.HeldRoot}"), ("devices", graph.Devices.Count.ToString()),
        ];
        _ = html.Append("<dl>");
        foreach (var (name, value) in facts)
            _ = html.Append("<div><dt>").Append(name).Append("</dt><dd>").Append(Text(value)).Append("</dd></div>");
        _ = html.Append("</dl>\n");
    }

    /// <summary>Superblock, device roots, nodes by level; each node once, an edge from each parent.</summary>
    private static void Trees(StringBuilder html, SharingGraph graph)
    {
        var levels = graph.Nodes.GroupBy(node => node.Level).OrderBy(group => group.Key).Select(group => group.OrderBy(node => node.Users.Min).ThenBy(node => node.FirstKey).ThenBy(node => node.Block).ToList()).ToList();
        double height = LevelHeight * (levels.Count + 1) + 52;
        _ = html.Append("<h2>Trees</h2>\n<p>Each node is drawn once. ").Append(Legend).Append(" Point at a device or a node to see who shares it.</p>\n");
        if (graph.Omitted > 0)
            _ = html.Append($"<p>{SharingGraph.MostNodes} nodes are drawn; the metadata has more.</p>\n");
        _ = html.Append(CultureInfo.InvariantCulture, $"<svg viewBox=\"0 0 {Width} {height}\" id=\"trees\">\n");
        foreach (var level in levels)
        {
            for (int i = 0; i < level.Count; i++)
                level[i].X = Width * (i + 0.5) / level.Count;
        }
        var edges = new StringBuilder();
        var boxes = new StringBuilder();
        double superblockX = Width / 2;
        Box(boxes, superblockX, 26, 104, "superblock", "", "top", $"superblock, block {graph.Metadata.SuperblockBlock}; mapping root {graph.Metadata.Superblock.MappingRoot}, details root {graph.Metadata.Superblock.DetailsRoot}");
        for (int i = 0; i < graph.Devices.Count; i++)
        {
            double x = Width * (i + 0.5) / graph.Devices.Count, y = 26 + LevelHeight;
            Edge(edges, superblockX, 26, x, y, $"d{i}");
            var device = graph.Devices[i].Description;
            Box(boxes, x, y, Width / graph.Devices.Count - 6, $"thin {device.Id}", $"d{i}", "device", $"thin {device.Id}: {device.MappedBlocks} blocks mapped, made at time {device.CreationTime}, last snapshotted at {device.SnapshotTime}");
            if (graph.Roots[i] is { } root)
                Edge(edges, x, y, root.X, Y(root), $"d{i}");
        }
        foreach (var level in levels)
        {
            foreach (var node in level)
            {
                string users = string.Join(' ', node.Users.Select(user => $"d{user}"));
                string who = string.Join(", ", node.Users.Take(20).Select(user => graph.Devices[user].Description.Id)) + (node.Users.Count > 20 ? ", …" : "");
                Box(boxes, node.X, Y(node), Width / level.Count - 3, node.Block.ToString(), users, Colour(node.Users.Count),
                    $"{(node.IsLeaf ? "leaf" : "node")}, block {node.Block}: {node.Entries} entries, thin blocks {node.FirstKey} to {node.LastKey}; {(node.Users.Count == 1 ? "only of" : "shared by")} thin {who}");
                foreach (var child in node.Children)
                    Edge(edges, node.X, Y(node), child.X, Y(child), string.Join(' ', node.Users.Select(user => $"d{user}")));
            }
        }
        _ = html.Append(edges).Append(boxes).Append("</svg>\n");
    }

    private static void Devices(StringBuilder html, SharingGraph graph)
    {
        if (graph.Common is not { } common || graph.Devices.Count == 0)
            return;
        ulong blockBytes = graph.Metadata.Superblock.DataBlockSizeSectors.Value * 512UL;
        _ = html.Append("<h2>Who shares data</h2>\n<p>Data blocks that both devices map; on the diagonal, all that the device maps.</p>\n<table><tr><th>thin</th><th>maps</th><th>its own</th><th>made</th><th>snapshotted</th>");
        foreach (var device in graph.Devices)
            _ = html.Append($"<th>{device.Description.Id}</th>");
        _ = html.Append("</tr>\n");
        for (int i = 0; i < graph.Devices.Count; i++)
        {
            var device = graph.Devices[i].Description;
            _ = html.Append($"<tr><th>{device.Id}</th><td>{Size(device.MappedBlocks * blockBytes)}</td><td>{Size(Own(graph, i) * blockBytes)}</td><td>{device.CreationTime}</td><td>{device.SnapshotTime}</td>");
            for (int j = 0; j < graph.Devices.Count; j++)
            {
                double share = common[i, i] == 0 ? 0 : (double)common[i, j] / common[i, i];
                _ = html.Append(CultureInfo.InvariantCulture, $"<td class=\"cell\" style=\"background:rgba(217,119,6,{(i == j ? 0 : share * 0.8):F2})\" title=\"{share:P0} of thin {device.Id}\">{common[i, j]}</td>");
            }
            _ = html.Append("</tr>\n");
        }
        _ = html.Append("</table>\n");
    }

    /// <summary>Data blocks that only this device maps.</summary>
    private static ulong Own(SharingGraph graph, int device)
    {
        var runs = Report.MappingStream.Collect(graph.Metadata, graph.Devices[device].Root);
        ulong own = 0;
        foreach (var run in runs)
        {
            for (ulong i = 0; i < run.Length; i++)
                own += run.DataBegin + i < graph.Data.BlockCount && graph.Data[run.DataBegin + i] == 1 ? 1UL : 0;
        }
        return own;
    }

    /// <summary>The data device as cells: free, of one device, shared.</summary>
    private static void DataMap(StringBuilder html, SharingGraph graph)
    {
        ulong blocks = graph.Data.BlockCount;
        if (blocks == 0)
            return;
        ulong each = (blocks + MostCells - 1) / MostCells;
        int cells = (int)((blocks + each - 1) / each);
        double side = Width / CellsAcross;
        _ = html.Append($"<h2>Data device</h2>\n<p>One cell is {each} data block{(each == 1 ? "" : "s")}. {Legend}</p>\n")
            .Append(CultureInfo.InvariantCulture, $"<svg viewBox=\"0 0 {Width} {(cells + CellsAcross - 1) / CellsAcross * side:F1}\">\n");
        for (int cell = 0; cell < cells; cell++)
        {
            ulong from = (ulong)cell * each, to = Math.Min(blocks, from + each), used = 0, shared = 0;
            for (ulong block = from; block < to; block++)
            {
                uint users = graph.Data[block];
                used += users > 0 ? 1UL : 0;
                shared += users > 1 ? 1UL : 0;
            }
            if (used > 0)
            {
                _ = html.Append(CultureInfo.InvariantCulture, $"<rect class=\"{(shared > 0 ? shared * 2 > used ? "shared" : "some" : "own")}\" style=\"opacity:{0.25 + 0.75 * used / (to - from):F2}\" ")
                    .Append(CultureInfo.InvariantCulture, $"x=\"{cell % CellsAcross * side:F1}\" y=\"{cell / CellsAcross * side:F1}\" width=\"{side - 1:F1}\" height=\"{side - 1:F1}\"><title>data blocks {from} to {to - 1}: {used} mapped, {shared} shared</title></rect>\n");
            }
            else
                _ = html.Append(CultureInfo.InvariantCulture, $"<rect class=\"free\" x=\"{cell % CellsAcross * side:F1}\" y=\"{cell / CellsAcross * side:F1}\" width=\"{side - 1:F1}\" height=\"{side - 1:F1}\"/>\n");
        }
        _ = html.Append("</svg>\n");
    }

    private static double Y(GraphNode node) => 26 + LevelHeight * (node.Level + 2);

    private static string Colour(int users) => users switch { 1 => "own", 2 => "some", _ => "shared" };

    private static void Box(StringBuilder svg, double x, double y, double room, string label, string users, string kind, string title)
    {
        double width = Math.Clamp(room, 1.5, 88);
        _ = svg.Append(CultureInfo.InvariantCulture, $"<g class=\"node {kind} {users}\" data-users=\"{users}\"><rect x=\"{x - width / 2:F1}\" y=\"{y - 14:F1}\" width=\"{width:F1}\" height=\"28\" rx=\"{(width > 8 ? 4 : 0)}\"/>");
        if (width > 7 * label.Length)
            _ = svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{x:F1}\" y=\"{y + 4:F1}\">{Text(label)}</text>");
        _ = svg.Append("<title>").Append(Text(title)).Append("</title></g>\n");
    }

    private static void Edge(StringBuilder svg, double x1, double y1, double x2, double y2, string users) =>
        svg.Append(CultureInfo.InvariantCulture, $"<path class=\"edge {users}\" d=\"M{x1:F1} {y1 + 14:F1}C{x1:F1} {y1 + 52:F1} {x2:F1} {y2 - 52:F1} {x2:F1} {y2 - 14:F1}\"/>\n");

    private static string Size(ulong bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
        double value = bytes;
        int unit = 0;
        for (; value >= 1024 && unit < units.Length - 1; unit++)
            value /= 1024;
        return string.Create(CultureInfo.InvariantCulture, $"{value:0.#} {units[unit]}");
    }

    private static string Text(string text) => WebUtility.HtmlEncode(text);

    private const string Legend = "<span class=\"key own\"></span> of one device, <span class=\"key some\"></span> of two (or in part), <span class=\"key shared\"></span> of more.";

    private const string Style = """
        body{font:14px/1.5 system-ui,sans-serif;color:#1f2937;background:#fff;max-width:1180px;margin:24px auto;padding:0 16px}
        h1{font-size:22px;margin:0 0 12px}h2{font-size:17px;margin:28px 0 4px}p{margin:4px 0 10px;color:#4b5563}
        dl{display:flex;flex-wrap:wrap;gap:8px 24px;margin:0}dt{font-size:12px;color:#6b7280}dd{margin:0;font-weight:600}
        svg{width:100%;height:auto;display:block}
        .edge{fill:none;stroke:#cbd5e1;stroke-width:1}
        .node rect{fill:#e5e7eb;stroke:#9ca3af;stroke-width:.6}.node text{font-size:11px;text-anchor:middle;fill:#111827}
        .top rect{fill:#1f2937}.top text{fill:#fff}.device rect{fill:#dbeafe;stroke:#60a5fa}
        .node.own rect,rect.own,.key.own{fill:#93c5fd;background:#93c5fd}.node.some rect,rect.some,.key.some{fill:#fcd34d;background:#fcd34d}
        .node.shared rect,rect.shared,.key.shared{fill:#f97316;background:#f97316}rect.free{fill:#f1f5f9}
        .key{display:inline-block;width:12px;height:12px;border-radius:2px;vertical-align:-1px}
        .damage{color:#b91c1c;background:#fef2f2;border-left:3px solid #b91c1c;padding:4px 8px}
        table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{padding:2px 10px;text-align:right;border-bottom:1px solid #e5e7eb;font-weight:400}th{color:#6b7280}
        svg.focus .node,svg.focus .edge{opacity:.12}svg.focus .on{opacity:1}svg.focus .edge.on{stroke:#2563eb;stroke-width:1.4}
        @media (prefers-reduced-motion:no-preference){.node,.edge{transition:opacity .12s}}

        """;

    private const string Script = """
        const svg = document.getElementById('trees');
        for (const node of svg.querySelectorAll('.node')) {
          node.addEventListener('mouseenter', () => {
            const users = node.dataset.users.split(' ').filter(u => u);
            if (!users.length) return;
            svg.classList.add('focus');
            for (const e of svg.querySelectorAll(users.map(u => '.' + u).join(','))) e.classList.add('on');
          });
          node.addEventListener('mouseleave', () => {
            svg.classList.remove('focus');
            for (const e of svg.querySelectorAll('.on')) e.classList.remove('on');
          });
        }

        """;
}
