using System.CommandLine;
using System.CommandLine.Help;
using DriverLab.ThinTools;

namespace DriverLab.Cli.Commands.Thin;

/// <summary><c>driverlab thin</c>: the metadata of thin pools, with the options and exit codes of thin-provisioning-tools.</summary>
internal static class ThinCommand
{
    public const string Name = "thin";

    public static Command Create(TextWriter output, TextWriter error) => new(Name, "Metadata of thin pools, on files and devices, without a kernel: options and exit codes (0, or 1 for anything wrong) as thin-provisioning-tools have them.")
    {
        CheckVerb.Create(output, error),
        DumpVerb.Create(output, error),
        RestoreVerb.Create(output, error),
        RepairVerb.Create(error),
        ListVerb.Create(output),
        ReverseMapVerb.Create(output),
        DeltaVerb.Create(output),
        SizeVerb.Create(output),
        TrimVerb.Create(output),
        WhatIfVerb.Create(output),
        ExploreVerb.Create(output, error),
    };

    /// <summary>Runs the words of a user that begin with <c>thin</c>.</summary>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(string[] arguments, TextWriter output, TextWriter error)
    {
        try
        {
            // A root command would be called what the program is called, which need not be driverlab.
            return await Invocation.RunAsync(new Command("driverlab") { Create(output, error), new HelpOption() }, Normalise(arguments), ThinOptions.Failed, output, error);
        }
        catch (ThinToolException e)
        {
            error.WriteLine($"driverlab: {e.Message}");
            return ThinOptions.Failed;
        }
        catch (OperationCanceledException)
        {
            return Invocation.Cancelled(error);
        }
        catch (Exception e)
        {
            return Invocation.Internal(e, error);
        }
    }

    /// <summary>Takes apart what System.CommandLine does not: a short option with its value in one word, and an option whose value is optional and never a word of its own.</summary>
    private static string[] Normalise(string[] arguments)
    {
        var words = new List<string>();
        foreach (var word in arguments)
        {
            if (word.StartsWith("--metadata-snap=", StringComparison.Ordinal))
                words.AddRange(["--metadata-snap", ThinOptions.SnapBlock, word["--metadata-snap=".Length..]]);
            else if (word.Length > 2 && word[0] == '-' && word[1] == 'm' && word.AsSpan(2).ContainsAnyExceptInRange('0', '9') is false && arguments.ElementAtOrDefault(1) != "metadata-size")
                words.AddRange(["--metadata-snap", ThinOptions.SnapBlock, word[2..]]);
            else if (word.Length > 2 && word[0] == '-' && word[1] != '-' && "bsmunfo".Contains(word[1]) && arguments.ElementAtOrDefault(1) is "metadata-size")
                words.AddRange([word[..2], word[2..]]);
            else
                words.Add(word);
        }
        return [.. words];
    }
}

/// <summary>Options and results that the verbs share.</summary>
internal static class ThinOptions
{
    /// <summary>How thin-provisioning-tools say that something is wrong: with the metadata, the device or the options.</summary>
    public const int Failed = 1;

    public const string SnapBlock = "--metadata-snap-block";

    public static Argument<string> Input() => new("metadata") { Description = "A metadata device, or a file." };

    public static Option<bool> Quiet() => new("--quiet", "-q") { Description = "Print nothing; the exit code says it." };

    public static Option<bool> Json() => new("--json") { Description = "One object a line, the last one a summary." };

    public static Option<bool> Snapshot(string what) => new("--metadata-snap", "-m") { Description = what + " the metadata snapshot, which a pool in use does not change (-m, -mBLOCK, --metadata-snap=BLOCK)." };

    public static Option<ulong?> SnapshotBlock() => new(SnapBlock) { Hidden = true };

    public static Option<ulong?> TransactionId() => new("--transaction-id") { Description = "Use this transaction id." };

    public static Option<uint?> DataBlockSize() => new("--data-block-size") { Description = "Use this data block size, in sectors of 512 bytes." };

    public static Option<ulong?> DataBlockCount() => new("--nr-data-blocks") { Description = "Use this number of data blocks." };

    /// <summary>Bytes into the command's output, or a file.</summary>
    public static Stream OpenOutput(string? file, TextWriter output)
    {
        if (file is not null)
        {
            try
            {
                return new FileStream(file, FileMode.Create, FileAccess.Write, FileShare.Read, 1);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new ThinToolException($"{file} cannot be written: {e.Message}");
            }
        }
        return ReferenceEquals(output, Console.Out) ? Console.OpenStandardOutput() : new TextStream(output);
    }

    /// <summary>A stream of ASCII that ends in a text writer, for tests that run the command in-process.</summary>
    private sealed class TextStream(TextWriter output) : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer) => output.Write(System.Text.Encoding.UTF8.GetString(buffer));
    }
}
