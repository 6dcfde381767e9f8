using System.Globalization;
using DriverLab.Cli.Fuzzing;

namespace DriverLab.Cli.Output;

/// <summary>What a fuzz run found, for people or as JSON lines. Names are stable.</summary>
internal static class FuzzOutput
{
    public static void Write(FuzzRun run, ulong seed, double seconds, bool json, TextWriter output)
    {
        if (json)
        {
            foreach (var finding in run.Findings)
                output.WriteLine(JsonLines.Object("difference", w =>
                {
                    w.WriteString("kernel", finding.Difference.Kernel);
                    w.WriteString("kind", finding.Signature.ToString());
                    w.WriteNumber("step", finding.Difference.Step);
                    w.WriteString("call", finding.Difference.Call);
                    w.WriteString("detail", finding.Difference.Detail);
                    w.WriteString("real", finding.Difference.Real);
                    w.WriteString("emulated", finding.Difference.Emulator);
                    w.WriteString("layer", finding.Difference.Layer);
                    w.WriteBoolean("race", finding.IsRace);
                    w.WriteString("program", finding.Scenario.Source);
                }));
            foreach (var (gap, count) in run.Gaps)
                output.WriteLine(JsonLines.Object("gap", w =>
                {
                    w.WriteString("what", gap);
                    w.WriteNumber("programs", count);
                }));
            output.WriteLine(JsonLines.Object("summary", w =>
            {
                w.WriteNumber("operations", run.Operations);
                w.WriteNumber("differences", run.Differences);
                w.WriteNumber("races", run.Races);
                w.WriteNumber("gaps", run.Gaps.Values.Sum());
                w.WriteNumber("seconds", Math.Round(seconds, 3));
                w.WriteString("seed", string.Create(CultureInfo.InvariantCulture, $"0x{seed:x}"));
            }));
            return;
        }
        foreach (var (gap, count) in run.Gaps.OrderByDescending(static g => g.Value))
            output.WriteLine($"gap in {count} programs: {gap}");
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{run.Operations} operations in {run.Programs} programs, {run.Differences} differences, {run.Races} races of the kernel, {run.Gaps.Values.Sum()} gaps, {seconds:0.0} s, seed 0x{seed:x}"));
    }
}
