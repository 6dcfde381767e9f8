using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;

namespace DriverLab.Cli;

/// <summary>Parses words as a tree of commands and runs the one that they name.</summary>
internal static class Invocation
{
    /// <summary>A word that begins with @ is a word: messages of device-mapper begin so.</summary>
    private static readonly ParserConfiguration s_parser = new() { ResponseFileTokenReplacer = null };

    /// <summary>Runs.</summary>
    /// <param name="root">The commands.</param>
    /// <param name="words">What the user wrote.</param>
    /// <param name="usage">The exit code for words that make no sense.</param>
    /// <param name="output">Takes data.</param>
    /// <param name="error">Takes complaints.</param>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(Command root, string[] words, int usage, TextWriter output, TextWriter error)
    {
        var parsed = root.Parse(words, s_parser);
        if (parsed.Errors.Count > 0)
        {
            // An unknown word is reported after "a command is required", which it caused.
            string problem = (parsed.UnmatchedTokens is [var word, ..] && parsed.CommandResult.Command.Subcommands.Count > 0
                ? $"'{word}' is no command; expected one of {string.Join(", ", parsed.CommandResult.Command.Subcommands.Select(c => c.Name))}."
                : parsed.Errors[0].Message).TrimEnd();
            error.WriteLine($"driverlab: {problem} Try 'driverlab{Path(parsed.CommandResult)} --help'.");
            return usage;
        }
        var configuration = new InvocationConfiguration { Output = output, Error = error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
        if (parsed.Action is not AsynchronousCommandLineAction)
            return await parsed.InvokeAsync(configuration);
        using var termination = new Termination();
        return await parsed.InvokeAsync(configuration, termination.Token);
    }

    /// <summary>What is left when no other sentence fits.</summary>
    public static int Internal(Exception e, TextWriter error)
    {
        error.WriteLine($"driverlab: internal error, please report it with this text:\n{e}");
        return ExitCode.Internal;
    }

    /// <summary>The user, or who started us, asked to stop.</summary>
    public static int Cancelled(TextWriter error)
    {
        error.WriteLine("driverlab: cancelled");
        return ExitCode.Cancelled;
    }

    /// <summary>The words that lead to a command, each after a blank; nothing for the root.</summary>
    private static string Path(CommandResult result) => result.Parent is CommandResult above ? $"{Path(above)} {result.Command.Name}" : "";
}
