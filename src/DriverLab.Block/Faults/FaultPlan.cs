using System.Collections.Immutable;
using System.Globalization;
using DriverLab.Linux;

namespace DriverLab.Block.Faults;

/// <summary>Which requests a fault strikes.</summary>
public enum FaultyOp
{
    /// <summary>All of them.</summary>
    Io,
    Read,
    Write,
    /// <summary>An empty flush.</summary>
    Flush,
    Discard,
    /// <summary>Write-zeroes.</summary>
    Zero,
}

/// <summary>What becomes of a request that is struck.</summary>
public enum FaultKind
{
    /// <summary>It ends with an error, and nothing has happened.</summary>
    Fails,
    /// <summary>A write that is acknowledged and not made.</summary>
    Lost,
    /// <summary>A write of which only the first sectors are made.</summary>
    Torn,
    /// <summary>A write that is acknowledged and made in another place.</summary>
    Astray,
}

/// <summary>One fault.</summary>
/// <param name="Op">Which requests.</param>
/// <param name="Kind">What becomes of them.</param>
public sealed record Fault(FaultyOp Op, FaultKind Kind)
{
    /// <summary>How the request ends.</summary>
    public Errno Error { get; init; }

    /// <summary>First sector of the zone, in units of 512 bytes.</summary>
    public long Start { get; init; }

    /// <summary>Sectors of the zone; a request that touches one of them is in it.</summary>
    public long Length { get; init; } = long.MaxValue;

    /// <summary>The first request in the zone that is struck, from 1.</summary>
    public long Nth { get; init; } = 1;

    /// <summary>How many are struck from there on.</summary>
    public long Count { get; init; } = long.MaxValue;

    /// <summary>Seconds without the fault, then <see cref="Down"/> with it, and so on; both 0: always with it.</summary>
    public long Up { get; init; }

    /// <summary>Seconds with the fault.</summary>
    public long Down { get; init; }

    /// <summary>Sectors of a torn write that are made.</summary>
    public int Keep { get; init; }

    /// <summary>How many sectors away a write goes.</summary>
    public long By { get; init; }

    /// <inheritdoc/>
    public override string ToString()
    {
        var culture = CultureInfo.InvariantCulture;
        return string.Create(culture, $"{Op.ToString().ToLowerInvariant()} {Kind.ToString().ToLowerInvariant()}{(Kind == FaultKind.Fails ? $" {Error}" : "")}")
            + (Length == long.MaxValue ? "" : string.Create(culture, $" zone={Start}+{Length}"))
            + (Nth == 1 ? "" : string.Create(culture, $" nth={Nth}"))
            + (Count == long.MaxValue ? "" : string.Create(culture, $" count={Count}"))
            + (Down == 0 ? "" : string.Create(culture, $" up={Up}s down={Down}s"))
            + (Kind != FaultKind.Torn ? "" : string.Create(culture, $" keep={Keep} as={Error}"))
            + (Kind != FaultKind.Astray ? "" : string.Create(culture, $" by={By}"));
    }
}

/// <summary>A plan of faults has a mistake: the fault, the word, and what was expected.</summary>
public sealed class FaultPlanException(string message) : Exception(message);

/// <summary>Faults of a disk, written one a line or between semicolons.</summary>
/// <remarks>
/// <code>
/// read fails EIO zone=100+8           # 8 sectors that cannot be read
/// write fails EIO nth=3 count=2       # the third and fourth write
/// write fails ENOSPC zone=2048+2048
/// io fails EIO up=5s down=2s          # as dm-flakey: 5 s fine, 2 s not, and so on
/// write lost nth=7                    # acknowledged, not made
/// write torn nth=4 keep=1 as=OK       # only the first sector is made; as=EIO when the disk notices
/// write astray nth=4 by=16            # made 16 sectors further on
/// </code>
/// <c>nth</c> alone strikes once. Several faults: the first in the plan that strikes a request counts; all count it.
/// </remarks>
public sealed class FaultPlan(ImmutableArray<Fault> faults)
{
    private const string Form = "expected OP KIND [KEY=VALUE…], for example 'write fails EIO nth=3'";

    /// <summary>The faults, in order.</summary>
    public ImmutableArray<Fault> Faults { get; } = faults;

    /// <summary>Reads a plan.</summary>
    /// <exception cref="FaultPlanException">It has a mistake.</exception>
    public static FaultPlan Parse(string text)
    {
        var faults = ImmutableArray.CreateBuilder<Fault>();
        foreach (string line in text.Split(['\n', ';']))
        {
            int comment = line.IndexOf('#', StringComparison.Ordinal);
            string[] words = (comment < 0 ? line : line[..comment]).Split(' ', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
            if (words.Length > 0)
                faults.Add(ParseFault(string.Join(' ', words), words));
        }
        return new(faults.ToImmutable());
    }

    private static Fault ParseFault(string line, string[] words)
    {
        if (words.Length < 2)
            throw new FaultPlanException($"fault '{line}': {Form}");
        var fault = new Fault(Name<FaultyOp>(line, words[0]), Name<FaultKind>(line, words[1]));
        int next = 2;
        if (fault.Kind == FaultKind.Fails)
        {
            fault = fault with { Error = words.Length > 2 ? ErrorOf(line, words[2]) : throw new FaultPlanException($"fault '{line}': expected an error behind 'fails', for example EIO") };
            next = 3;
        }
        else if (fault.Op != FaultyOp.Write)
        {
            throw new FaultPlanException($"fault '{line}': only a write can be {words[1]}");
        }
        bool counted = false;
        foreach (string word in words.AsSpan(next))
        {
            int equals = word.IndexOf('=', StringComparison.Ordinal);
            string key = equals < 0 ? word : word[..equals], value = equals < 0 ? "" : word[(equals + 1)..];
            counted |= key == "count";
            fault = key switch
            {
                "zone" => Zone(line, value, fault),
                "nth" => fault with { Nth = Number(line, word, value, 1) },
                "count" => fault with { Count = Number(line, word, value, 1) },
                "up" => fault with { Up = Number(line, word, value.TrimEnd('s'), 0) },
                "down" => fault with { Down = Number(line, word, value.TrimEnd('s'), 1) },
                "keep" when fault.Kind == FaultKind.Torn => fault with { Keep = (int)Math.Min(Number(line, word, value, 0), int.MaxValue) },
                "as" when fault.Kind == FaultKind.Torn => fault with { Error = ErrorOf(line, value) },
                "by" when fault.Kind == FaultKind.Astray => fault with { By = Signed(line, word, value) },
                _ => throw new FaultPlanException($"fault '{line}': '{word}' is not known here; expected zone=START+COUNT, nth=N, count=N, up=Ns, down=Ns{(fault.Kind == FaultKind.Torn ? ", keep=N, as=ERROR" : fault.Kind == FaultKind.Astray ? ", by=N" : "")}"),
            };
        }
        if (fault.Kind == FaultKind.Astray && fault.By == 0)
            throw new FaultPlanException($"fault '{line}': expected by=N, how many sectors away the write goes");
        if (fault.Up > 0 && fault.Down == 0)
            throw new FaultPlanException($"fault '{line}': with up=… also down=… is expected");
        return fault.Nth > 1 && !counted ? fault with { Count = 1 } : fault;
    }

    private static T Name<T>(string line, string word) where T : struct, Enum =>
        Enum.GetValues<T>().Where(value => string.Equals(value.ToString(), word, StringComparison.OrdinalIgnoreCase)).Select(value => (T?)value).FirstOrDefault()
        ?? throw new FaultPlanException($"fault '{line}': '{word}' is not known; expected one of {string.Join(", ", Enum.GetNames<T>()).ToLowerInvariant()}");

    private static Errno ErrorOf(string line, string word) =>
        Enum.TryParse<Errno>(word, out var error) && !char.IsDigit(word[0]) && (error == Errno.OK || error.ToBlkStatus().ToErrno() == error)
            ? error
            : throw new FaultPlanException($"fault '{line}': a disk does not say '{word}'; expected one of {string.Join(", ", Enum.GetValues<BlkStatus>().Where(s => s != BlkStatus.OK).Select(s => s.ToErrno()))}");

    private static Fault Zone(string line, string value, Fault fault)
    {
        string[] parts = value.Split('+');
        return parts.Length == 2 && long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out long start) && long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out long length) && length > 0 && start <= long.MaxValue - length
            ? fault with { Start = start, Length = length }
            : throw new FaultPlanException($"fault '{line}': zone '{value}' is none; expected START+COUNT in sectors, for example 100+8");
    }

    private static long Number(string line, string word, string value, long least) =>
        long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out long number) && number >= least
            ? number
            : throw new FaultPlanException($"fault '{line}': '{word}' has no number; expected {least} or more");

    private static long Signed(string line, string word, string value) =>
        long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) && number != 0
            ? number
            : throw new FaultPlanException($"fault '{line}': '{word}' has no number of sectors; expected for example 16 or -16");

    /// <inheritdoc/>
    public override string ToString() => string.Join("; ", Faults);
}
