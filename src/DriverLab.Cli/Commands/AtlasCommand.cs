using System.CommandLine;
using DriverLab.Cli.Output;
using DriverLab.Conformance.Atlas;
using DriverLab.Conformance.Golden;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab atlas</c>: the behaviours that changed between kernels.</summary>
internal static class AtlasCommand
{
    public static Command Create(TextWriter output, TextWriter error)
    {
        var data = new Option<string?>("--data") { Description = "The folder with Scenarios, Ledger and Golden." };
        var suites = new Option<string[]>("--suite") { Description = "Only this suite; may be repeated.", DefaultValueFactory = _ => [] };
        var html = new Option<string?>("--html") { Description = "Write a self-contained page with filter and search to this file." };
        var json = new Option<bool>("--json") { Description = "One JSON object a line on stdout; the last one is the summary." };
        var command = new Command("atlas", "Behaviours that changed between kernels: found by comparing what was recorded of each line (driverlab golden record).") { suites, html, json, data };
        command.SetAction(parsed =>
        {
            var folder = DataFolder.Find(parsed.GetValue(data));
            var atlas = BehaviourAtlas.Of(new GoldenStore(folder.Golden), folder.Load(parsed.GetValue(suites)!, []), folder.Normalisers());
            if (parsed.GetValue(html) is { } file)
            {
                File.WriteAllText(file, AtlasPage.Render(atlas));
                error.WriteLine($"atlas: {Path.GetFullPath(file)}");
            }
            foreach (var row in atlas.Rows)
                output.WriteLine(parsed.GetValue(json) ? Json(row) : Text(row));
            output.WriteLine(parsed.GetValue(json)
                ? JsonLines.Object("summary", w =>
                {
                    w.WriteNumber("changed", atlas.Rows.Count);
                    w.WriteNumber("compared", atlas.Compared);
                    w.WriteString("kernels", string.Join(' ', atlas.Lines));
                })
                : $"{atlas.Rows.Count} of {atlas.Compared} scenarios changed between kernels {string.Join(", ", atlas.Lines)}");
        });
        return command;
    }

    private static string Text(ChangedBehaviour row) =>
        $"{row.Since}\t{row.Scenario.Name}\n    step {row.First.Step}: {row.First.Call}{(row.First.Detail.Length > 0 ? $" -> {row.First.Detail}" : "")}\n    {row.Before}: {row.First.Emulator}\n    {row.Since}: {row.First.Real}";

    private static string Json(ChangedBehaviour row) => JsonLines.Object("changed", w =>
    {
        w.WriteString("scenario", row.Scenario.Name);
        w.WriteString("asks", row.Scenario.Description);
        w.WriteString("before", row.Before);
        w.WriteString("since", row.Since);
        w.WriteStartArray("changes");
        foreach (var change in row.Changes)
        {
            w.WriteStartObject();
            w.WriteNumber("step", change.Step);
            w.WriteString("call", change.Call);
            w.WriteString("detail", change.Detail);
            w.WriteString("old", change.Emulator);
            w.WriteString("new", change.Real);
            w.WriteEndObject();
        }
        w.WriteEndArray();
    });
}
