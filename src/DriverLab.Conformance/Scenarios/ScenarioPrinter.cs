using System.Text;
using DriverLab.Linux;

namespace DriverLab.Conformance.Scenarios;

/// <summary>Writes steps as the text of a scenario; <see cref="ScenarioParser"/> reads the same steps back.</summary>
internal static class ScenarioPrinter
{
    /// <summary>A whole scenario: comment, header, one statement a line.</summary>
    public static string Print(Scenario scenario)
    {
        var text = new StringBuilder();
        if (scenario.Description.Length > 0)
            _ = text.Append("# ").Append(scenario.Description.ReplaceLineEndings(" ")).Append('\n');
        _ = text.Append("suite ").Append(scenario.Suite).Append('\n');
        if (scenario.Needs.Count > 0)
            _ = text.Append("needs ").AppendJoin(", ", scenario.Needs).Append('\n');
        if (scenario.Kernels != KernelRange.All)
            _ = text.Append("kernels ").Append(scenario.Kernels).Append('\n');
        if (scenario.Gap is { } gap)
            _ = text.Append("gap ").Append(WordText.Quote(Encoding.UTF8.GetBytes(gap))).Append('\n');
        if (scenario.Times)
            _ = text.Append("times\n");
        if (scenario.Slow)
            _ = text.Append("slow\n");
        var met = new HashSet<string> { Actor.Main.Name };
        foreach (var step in scenario.Steps)
        {
            if (step.Actor != Actor.Main)
                _ = text.Append(step.Actor.Name).Append(met.Add(step.Actor.Name) ? Ids(step.Actor) : "").Append(": ");
            _ = text.Append(step.Text).Append('\n');
        }
        return text.ToString();
    }

    /// <summary>One statement without its actor.</summary>
    public static string Print(Step step)
    {
        var text = new StringBuilder();
        if (step.Result is { } result)
            _ = text.Append(result).Append(" = ");
        int from = 0;
        string name = step.Verb.Name;
        int blank = name.IndexOf(' ', StringComparison.Ordinal);
        if (blank > 0 && name[..blank] is "driver" or "layer")
        {
            // The driver, or the archive, stands before the operation.
            _ = text.Append(name, 0, blank + 1).Append(step.Arguments[0].Source).Append(name, blank, name.Length - blank);
            from = 1;
        }
        else
            _ = text.Append(name);
        for (int i = from; i < step.Arguments.Count; i++)
            _ = text.Append(' ').Append(step.Arguments[i].Source);
        foreach (var option in step.Options)
        {
            _ = text.Append(' ').Append(option.Key);
            if (option.Value is { } value)
                _ = text.Append('=').Append(value.Source);
        }
        if (step.IsBackground)
            _ = text.Append(' ').Append(StepReader.Background);
        return text.ToString();
    }

    private static string Extents(ReadOnlyMemory<IdMapExtent> extents) => extents.IsEmpty ? "," : string.Join(',', extents.ToArray().Select(static e => $"{e.Inside}:{e.Outside}:{e.Count}"));

    private static string Ids(Actor actor)
    {
        if (actor.Ids is not { } ids)
            return "";
        string groups = ids.Groups.IsEmpty ? "" : " groups " + string.Join(',', ids.Groups.ToArray());
        string maps = actor.Maps is { } m ? $"userns {Extents(m.Uids)} gids {Extents(m.Gids)} " : "";
        return $"({maps}uid {ids.Uid} gid {ids.Gid}{groups})";
    }
}
