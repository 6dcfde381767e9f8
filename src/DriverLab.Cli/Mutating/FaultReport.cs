using System.Globalization;
using DriverLab.Cli.Output;

namespace DriverLab.Cli.Mutating;

/// <summary>What is written of faults, in words or as JSON.</summary>
/// <param name="output">Where to.</param>
/// <param name="json">True for one JSON object a line.</param>
/// <param name="unseen">The places whose faults nothing should notice.</param>
internal sealed class FaultReport(TextWriter output, bool json, UnseenPlaces unseen)
{
    /// <summary>The faults' names; as JSON with their places as the list of unseen ones has them.</summary>
    public void List(IEnumerable<Fault> faults)
    {
        foreach (var fault in faults)
            output.WriteLine(!json ? fault.Name : JsonLines.Object("fault", w =>
            {
                w.WriteString("name", fault.Name);
                w.WriteString("place", fault.Drawn?.Key);
            }));
    }

    /// <summary>One that was tried.</summary>
    public void Write(FaultResult result) => output.WriteLine(json ? Json(result) : Text(result));

    /// <summary>The shares that were caught, by what they were drawn from and of all.</summary>
    /// <param name="results">All that were tried.</param>
    /// <param name="leftOut">How many places were left out because nothing can notice a fault there.</param>
    public void Summarise(List<FaultResult> results, int leftOut)
    {
        foreach (var group in results.GroupBy(static r => r.Fault.Named is null ? $"drawn, {r.Fault.Suite}" : "named").OrderBy(static g => g.Key, StringComparer.Ordinal))
            WriteShare(group.Key, [.. group], leftOut: null);
        WriteShare("summary", results, leftOut);
    }

    private UnseenPlaces.Entry? WronglyListed(FaultResult result) => result is { IsCaught: true, Fault.Drawn: { } place } ? unseen.Find(place) : null;

    private string Text(FaultResult result)
    {
        if (WronglyListed(result) is { } entry)
            return $"WRONGLY LISTED in {entry.Where}: {result.Fault.Name}\n    golden: {result.Golden ?? "-"}; fuzz: {result.Fuzz ?? "-"}; the reason given: {entry.Reason}";
        string entered = result is { IsCaught: false, Fault.Drawn: not null } ? $"\n    method entered by: {result.Entered ?? "nothing that is recorded"}" : "";
        return $"{(result.IsCaught ? "caught" : "NOT CAUGHT")}: {result.Fault.Name}\n    golden: {result.Golden ?? "-"}; fuzz: {result.Fuzz ?? "-"}{entered}";
    }

    private string Json(FaultResult result) => JsonLines.Object("fault", w =>
    {
        w.WriteString("name", result.Fault.Name);
        w.WriteString("place", result.Fault.Drawn?.Key);
        w.WriteString("suite", result.Fault.Suite);
        w.WriteString("golden", result.Golden);
        w.WriteString("fuzz", result.Fuzz);
        w.WriteString("entered", result.Entered);
        w.WriteString("wrongly_listed", WronglyListed(result)?.Where);
    });

    private void WriteShare(string name, List<FaultResult> results, int? leftOut)
    {
        int golden = results.Count(static r => r.Golden is not null), fuzz = results.Count(static r => r.Fuzz is not null), either = results.Count(static r => r.IsCaught);
        int away = results.Count(static r => r is { IsCaught: false, Entered: null, Fault.Drawn: not null });
        if (json)
        {
            output.WriteLine(JsonLines.Object(leftOut is null ? "group" : name, w =>
            {
                if (leftOut is null)
                    w.WriteString("name", name);
                w.WriteNumber("faults", results.Count);
                w.WriteNumber("caught_by_goldens", golden);
                w.WriteNumber("caught_by_fuzz", fuzz);
                w.WriteNumber("caught", either);
                w.WriteNumber("method_not_entered", away);
                if (leftOut is { } left)
                    w.WriteNumber("left_out", left);
            }));
            return;
        }
        double Share(int part) => 100.0 * part / Math.Max(1, results.Count);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{(leftOut is null ? name : "all")}: {results.Count} faults: {Share(golden):0.0} % caught by goldens, {Share(fuzz):0.0} % by fuzzing, {Share(either):0.0} % by either; {results.Count - either} not caught, of them {away} in methods that nothing recorded enters{LeftOut(leftOut)}"));
    }

    private static string LeftOut(int? count) => count switch
    {
        null or 0 => "",
        1 => "; 1 place is known to change nothing and was left out",
        _ => string.Create(CultureInfo.InvariantCulture, $"; {count} places are known to change nothing and were left out"),
    };
}
