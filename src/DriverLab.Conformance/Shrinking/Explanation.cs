using System.Text;
using DriverLab.Conformance.Comparison;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Shrinking;

/// <summary>A difference in one paragraph for a person.</summary>
public static class Explanation
{
    /// <summary>Says where the sides part, what each says, which kernels agree, the layer, and what the ledger knows.</summary>
    /// <param name="scenario">The small program.</param>
    /// <param name="difference">Its first difference.</param>
    /// <param name="reference">Who is compared with the kernel: <c>the emulator</c>, or another kernel.</param>
    /// <param name="others">What every other side says at the same place.</param>
    /// <param name="ledger">Known differences.</param>
    public static string Of(Scenario scenario, Divergence difference, string reference, IReadOnlyList<(string Kernel, string Outcome)> others, Ledger ledger)
    {
        var text = new StringBuilder();
        string where = difference.Step > 0 ? $"step {difference.Step} of {scenario.Steps.Count}, '{difference.Call}'" : $"the {difference.Call}";
        _ = text.Append($"The sides part at {where}{(difference.Detail.Length > 0 ? $", in the line of '{difference.Detail}'" : "")}: ");
        _ = text.Append($"kernel {difference.Kernel} says '{difference.Real}', {reference} says '{difference.Emulator}'.");
        var agree = others.Where(o => o.Outcome == difference.Real).Select(static o => o.Kernel).ToArray();
        if (agree.Length > 0)
            _ = text.Append($" {string.Join(" and ", agree)} agree{(agree.Length == 1 ? "s" : "")} with kernel {difference.Kernel}.");
        foreach (var (kernel, outcome) in others.Where(o => o.Outcome != difference.Real))
            _ = text.Append($" {kernel} says '{outcome}'.");
        _ = text.Append($" Most likely layer: {difference.Layer}.");
        var related = ledger.Entries.Where(e => e.IsFor(difference.Kernel) && ScenarioStore.Matches(difference.Scenario, e.Scenario)).Select(static e => e.Id).ToArray();
        _ = text.Append(related.Length > 0 ? $" Related in the ledger: {string.Join(", ", related)}." : " The ledger lists nothing related.");
        return text.ToString();
    }
}
