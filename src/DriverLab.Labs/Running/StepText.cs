using System.Text;

namespace DriverLab.Labs.Running;

/// <summary>A step's result for people.</summary>
public static class StepText
{
    /// <summary>What the step shows, its commands, their output, and what was not as expected.</summary>
    public static string Of(StepResult result)
    {
        var step = result.Step;
        var text = new StringBuilder();
        if (step.Say.Length > 0)
            _ = text.Append("== ").Append(step.Say.Trim()).Append('\n');
        if (step.Snapshot is { } snapshot)
            _ = text.Append("-- snapshot ").Append(snapshot).Append('\n');
        if (step.Revert is { } revert)
            _ = text.Append("-- revert ").Append(revert).Append('\n');
        foreach (string line in (step.Run ?? "").TrimEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries))
            _ = text.Append(step.Machine).Append("# ").Append(line).Append('\n');
        if (result.Output.Length > 0)
            _ = text.Append(result.Output.TrimEnd()).Append('\n');
        if (result.Fault is { } fault)
            _ = text.Append("NOT AS EXPECTED (line ").Append(step.Line).Append("): ").Append(fault).Append('\n');
        return text.ToString();
    }
}
