using System.CommandLine;
using System.Globalization;
using System.Numerics;
using DriverLab.ThinTools;
using DriverLab.ThinTools.Report;

namespace DriverLab.Cli.Commands.Thin;

/// <summary><c>driverlab thin metadata-size</c>, with thin_metadata_size's text.</summary>
internal static class SizeVerb
{
    /// <summary>Small letters are powers of 1024, capitals of 1000.</summary>
    private static readonly (char Letter, string Name, double Bytes)[] s_units =
    [
        ('b', "bytes", 1), ('s', "sectors", 512),
        ('k', "kibibytes", Math.Pow(2, 10)), ('K', "kilobytes", 1e3), ('m', "mebibytes", Math.Pow(2, 20)), ('M', "megabytes", 1e6),
        ('g', "gibibytes", Math.Pow(2, 30)), ('G', "gigabytes", 1e9), ('t', "tebibytes", Math.Pow(2, 40)), ('T', "terabytes", 1e12),
        ('p', "pebibytes", Math.Pow(2, 50)), ('P', "petabytes", 1e15), ('e', "exbibytes", Math.Pow(2, 60)), ('E', "exabytes", 1e18),
    ];

    public static Command Create(TextWriter output)
    {
        var block = new Option<string>("--block-size", "-b") { Description = "Data block size, such as 64k (sectors without a unit).", Required = true };
        var pool = new Option<string>("--pool-size", "-s") { Description = "Size of the data device, such as 1t.", Required = true };
        var thins = new Option<string>("--max-thins", "-m") { Description = "How many thin devices and snapshots.", Required = true };
        var unit = new Option<string>("--unit", "-u") { Description = "Unit of the answer: one of bskKmMgGtTpPeE.", DefaultValueFactory = _ => "s" };
        var numeric = new Option<string?>("--numeric-only", "-n") { Description = "Only the number; short or long adds the unit.", Arity = ArgumentArity.ZeroOrOne };
        var command = new Command("metadata-size", "Estimate how large a metadata device should be.") { block, pool, thins, unit, numeric };
        command.SetAction(parsed =>
        {
            var (blockBytes, blockText) = Size("--block-size", parsed.GetValue(block)!, sectors: true);
            var (poolBytes, poolText) = Size("--pool-size", parsed.GetValue(pool)!, sectors: true);
            var (count, countText) = Size("--max-thins", parsed.GetValue(thins)!, sectors: false);
            if (!BitOperations.IsPow2(blockBytes) || blockBytes == 0)
                throw new ThinToolException($"--block-size {blockText}: expected a power of two");
            if (poolBytes < blockBytes)
                throw new ThinToolException($"--pool-size {poolText}: expected more than a block of {blockText}");
            if (count == 0)
                throw new ThinToolException("--max-thins 0: expected at least one");
            var shown = s_units.FirstOrDefault(u => parsed.GetValue(unit) is [var letter] && u.Letter == letter);
            if (shown.Name is null)
                throw new ThinToolException($"--unit {parsed.GetValue(unit)}: expected one of bskKmMgGtTpPeE");
            double amount = MetadataSize.Estimate(blockBytes, poolBytes, count) / shown.Bytes;
            string number = amount.ToString(shown.Letter is 'b' or 's' || amount == Math.Floor(amount) ? "0" : "0.00", CultureInfo.InvariantCulture);
            output.WriteLine(parsed.GetResult(numeric) is null
                ? $"thin_metadata_size - {number} {shown.Name} estimated metadata area size for \"--block-size={blockText} --pool-size={poolText} --max-thins={countText}\""
                : number + parsed.GetValue(numeric) switch
                {
                    null or "" => "",
                    "short" => shown.Letter.ToString(),
                    "long" => shown.Name,
                    var other => throw new ThinToolException($"--numeric-only {other}: expected short or long"),
                });
            return 0;
        });
        return command;
    }

    private static (ulong Amount, string Text) Size(string option, string text, bool sectors)
    {
        int digits = text.AsSpan().IndexOfAnyExceptInRange('0', '9') is >= 0 and var end ? end : text.Length;
        var unit = digits == text.Length ? sectors ? s_units[1] : ('\0', "", 1) : s_units.FirstOrDefault(u => u.Letter == text[digits] && digits + 1 == text.Length);
        return digits > 0 && unit.Item2 is { } name && ulong.TryParse(text.AsSpan(0, digits), out ulong number)
            ? ((ulong)(number * unit.Item3), $"{number}{name}")
            : throw new ThinToolException($"{option} {text}: expected a number, and perhaps one of bskKmMgGtTpPeE");
    }
}
