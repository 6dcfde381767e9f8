using System.Globalization;

namespace DriverLab.ThinTools.WhatIf;

/// <summary>What a step of a plan does.</summary>
public enum PlanVerb
{
    Write,
    Discard,
    Create,
    Snapshot,
    Delete,
    Commit,
}

/// <summary>One step.</summary>
/// <param name="Verb">What is done.</param>
/// <param name="Device">The thin device; of a snapshot, the new one.</param>
/// <param name="Origin">Of a snapshot, the device it is taken of.</param>
/// <param name="Begin">Of a write or discard: first byte.</param>
/// <param name="Length">Of a write or discard: bytes.</param>
/// <param name="Text">The line as written.</param>
public sealed record PlanStep(PlanVerb Verb, ulong Device, ulong Origin, ulong Begin, ulong Length, string Text);

/// <summary>A list of what is done to a pool, one step a line; <c>#</c> begins a comment:
/// <c>write DEV OFFSET LENGTH</c>, <c>discard DEV OFFSET LENGTH</c>, <c>create DEV</c>, <c>snap DEV ORIGIN</c>, <c>delete DEV</c>, <c>commit</c>.
/// Offsets and lengths are in sectors of 512 bytes, or with k, m, g, t in powers of 1024 bytes.</summary>
public static class PoolPlan
{
    /// <summary>Reads a plan.</summary>
    /// <param name="lines">Its lines.</param>
    /// <param name="name">What it is called in complaints.</param>
    public static IReadOnlyList<PlanStep> Parse(IEnumerable<string> lines, string name)
    {
        var steps = new List<PlanStep>();
        foreach (var (index, raw) in lines.Index())
        {
            string line = raw.Split('#')[0].Trim();
            if (line.Length > 0)
                steps.Add(Step(line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries), line, $"{name}:{index + 1}"));
        }
        return steps;
    }

    private static PlanStep Step(string[] words, string line, string place) => words switch
    {
        ["write", var device, var begin, var length] => new(PlanVerb.Write, Id(device, place), 0, Size(begin, place), Size(length, place), line),
        ["discard", var device, var begin, var length] => new(PlanVerb.Discard, Id(device, place), 0, Size(begin, place), Size(length, place), line),
        ["create", var device] => new(PlanVerb.Create, Id(device, place), 0, 0, 0, line),
        ["snap", var device, var origin] => new(PlanVerb.Snapshot, Id(device, place), Id(origin, place), 0, 0, line),
        ["delete", var device] => new(PlanVerb.Delete, Id(device, place), 0, 0, 0, line),
        ["commit"] => new(PlanVerb.Commit, 0, 0, 0, 0, line),
        _ => throw new ThinToolException($"{place}: '{line}': expected write or discard DEV OFFSET LENGTH, create DEV, snap DEV ORIGIN, delete DEV, or commit"),
    };

    private static ulong Id(string text, string place) => ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong id) && id <= 0xff_ffff
        ? id
        : throw new ThinToolException($"{place}: device '{text}': expected a number from 0 to 16777215");

    private static ulong Size(string text, string place)
    {
        int shift = text[^1] switch { 'k' => 10, 'm' => 20, 'g' => 30, 't' => 40, _ => 0 };
        return ulong.TryParse(shift == 0 ? text : text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out ulong number) && number <= ulong.MaxValue >> Math.Max(shift, 9)
            ? number << (shift == 0 ? 9 : shift)
            : throw new ThinToolException($"{place}: '{text}': expected a number of sectors, or of bytes with k, m, g or t");
    }
}
