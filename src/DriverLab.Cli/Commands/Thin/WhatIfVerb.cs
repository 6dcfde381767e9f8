using System.CommandLine;
using DriverLab.Cli.Output;
using DriverLab.ThinTools;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Model;
using DriverLab.ThinTools.WhatIf;

namespace DriverLab.Cli.Commands.Thin;

/// <summary><c>driverlab thin what-if</c>.</summary>
internal static class WhatIfVerb
{
    public static Command Create(TextWriter output)
    {
        var input = ThinOptions.Input();
        var plan = new Option<string?>("--plan", "-p") { Description = "A file with one step a line: write or discard DEV OFFSET LENGTH (sectors, or k m g t), create DEV, snap DEV ORIGIN, delete DEV, commit; - for the standard input." };
        var steps = new Option<string[]>("--step", "-s") { Description = "One step, such as 'write 1 0 64k'; may be repeated.", DefaultValueFactory = _ => [] };
        var lowWater = new Option<ulong?>("--low-water") { Description = "The pool's low water mark in data blocks, as its table has it." };
        var dataBlocks = ThinOptions.DataBlockCount();
        var error = new Option<bool>("--error-if-no-space") { Description = "As in the pool's table." };
        var skipZeroing = new Option<bool>("--skip-block-zeroing") { Description = "As in the pool's table." };
        var json = ThinOptions.Json();
        var command = new Command("what-if", "Say what a pool would do with writes, discards and snapshots: which blocks it takes, copies and frees, and when it is full. Nothing is written.")
            { input, plan, steps, lowWater, dataBlocks, error, skipZeroing, json };
        command.SetAction(parsed =>
        {
            var list = parsed.GetValue(steps)!.ToList();
            string name = "--step";
            if (parsed.GetValue(plan) is { } file)
            {
                name = file == "-" ? "standard input" : file;
                list.AddRange(Lines(file));
            }
            var parsedPlan = PoolPlan.Parse(list, name);
            if (parsedPlan.Count == 0)
                throw new ThinToolException("there is nothing to forecast; give steps with --plan FILE or --step 'write 1 0 64k'");
            using var device = FileDevice.OpenRead(parsed.GetValue(input)!, mayBeInUse: false);
            var options = new ForecastOptions
            {
                LowWaterBlocks = parsed.GetValue(lowWater),
                DataBlockCount = parsed.GetValue(dataBlocks),
                ErrorIfNoSpace = parsed.GetValue(error),
                SkipBlockZeroing = parsed.GetValue(skipZeroing),
            };
            var forecasts = PoolForecast.Run(ThinMetadata.Open(device), parsedPlan, options);
            foreach (var forecast in forecasts)
                Print(forecast, output, parsed.GetValue(json));
            Summary(forecasts, output, parsed.GetValue(json));
            return 0;
        });
        return command;
    }

    private static IEnumerable<string> Lines(string file)
    {
        try
        {
            return file == "-" ? Console.In.ReadToEnd().Split('\n') : File.ReadAllLines(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ThinToolException($"{file} cannot be read: {e.Message}");
        }
    }

    private static void Print(StepForecast forecast, TextWriter output, bool json)
    {
        if (json)
        {
            output.WriteLine(JsonLines.Object("step", w =>
            {
                w.WriteString("text", forecast.Step.Text);
                foreach (var (name, value) in Counts(forecast))
                    w.WriteNumber(name, value);
                w.WriteNumber("data_free", forecast.DataFree);
                w.WriteNumber("metadata_free", forecast.MetadataFree);
                w.WriteStartArray("events");
                foreach (var text in forecast.Events)
                    w.WriteStringValue(text);
                w.WriteEndArray();
            }));
            return;
        }
        string counts = string.Join(", ", Counts(forecast).Where(count => count.Value > 0).Select(count => $"{count.Value} {count.Name}"));
        output.WriteLine($"{forecast.Step.Text}: {(counts.Length == 0 ? "no block changes" : counts)}; free: {forecast.DataFree} data, about {Math.Max(0, forecast.MetadataFree)} metadata");
        foreach (var text in forecast.Events)
            output.WriteLine($"  ! {text}");
    }

    private static void Summary(IReadOnlyList<StepForecast> forecasts, TextWriter output, bool json)
    {
        var totals = forecasts.SelectMany(Counts).GroupBy(count => count.Name).Select(group => (Name: group.Key, Value: group.Aggregate(0UL, (sum, count) => sum + count.Value))).ToList();
        if (json)
        {
            output.WriteLine(JsonLines.Object("summary", w =>
            {
                w.WriteNumber("steps", forecasts.Count);
                foreach (var (name, value) in totals)
                    w.WriteNumber(name, value);
                w.WriteNumber("events", forecasts.Sum(forecast => forecast.Events.Count));
            }));
            return;
        }
        output.WriteLine($"together: {string.Join(", ", totals.Where(total => total.Value > 0).Select(total => $"{total.Value} {total.Name}"))}");
    }

    private static IEnumerable<(string Name, ulong Value)> Counts(StepForecast forecast) =>
    [
        ("provisioned", forecast.Provisioned), ("zeroed", forecast.Zeroed), ("copied", forecast.Copied), ("replaced", forecast.Replaced),
        ("overwritten", forecast.Overwritten), ("unmapped", forecast.Unmapped), ("freed", forecast.Freed), ("refused", forecast.Refused),
    ];
}
