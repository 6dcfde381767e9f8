using System.Collections.Concurrent;
using System.Diagnostics;
using DriverLab.Labs.Keeping;

namespace DriverLab.Cli.Mutating;

/// <summary>What became of one fault.</summary>
/// <param name="Fault">The fault.</param>
/// <param name="Golden">The recorded run that noticed it; null for none.</param>
/// <param name="Fuzz">The generated program that noticed it; null for none.</param>
/// <param name="Entered">For one that nothing noticed: a recorded run that enters its method at least; null when none does, or that is not known.</param>
internal sealed record FaultResult(Fault Fault, string? Golden, string? Fuzz, string? Entered)
{
    /// <summary>True when something noticed the fault.</summary>
    public bool IsCaught => Golden is not null || Fuzz is not null;
}

/// <summary>Tries faults in processes of this command, as many at once as the machine has processors.</summary>
/// <param name="arguments">What the processes are started with, so that they draw the same faults.</param>
/// <param name="fuzz">False to leave fuzzing out.</param>
internal sealed class FaultTrial(IReadOnlyList<string> arguments, bool fuzz)
{
    /// <summary>A process is ended after this many faults: what was loaded for them cannot be unloaded.</summary>
    private const int FaultsPerProcess = 12;

    /// <summary>Programs that the emulator without a fault does not survive, or does not end: defects of its own, which say nothing of the fault.</summary>
    public IReadOnlyCollection<string> Defects => _defects;

    private readonly ConcurrentBag<string> _defects = [];

    /// <summary>Tries all; results come as they are there.</summary>
    public async Task RunAsync(IReadOnlyList<Fault> faults, Action<FaultResult> onResult, CancellationToken cancellation)
    {
        int next = -1;
        var results = new Lock();
        await Task.WhenAll(Enumerable.Range(0, Math.Max(1, Math.Min(Environment.ProcessorCount, faults.Count))).Select(_ => Task.Run(async () =>
        {
            using var worker = new Worker(arguments, _defects);
            for (int number; (number = Interlocked.Increment(ref next)) < faults.Count;)
            {
                string? golden = await worker.AskAsync($"golden {number}", cancellation);
                string? program = fuzz ? await worker.AskAsync($"fuzz {number}", cancellation) : null;
                string? entered = golden is null && program is null && faults[number].Drawn is not null ? await worker.AskAsync($"entered {number}", cancellation) : null;
                lock (results)
                    onResult(new(faults[number], golden, program, entered));
                worker.Used();
            }
        }, cancellation)));
    }

    private sealed class Worker(IReadOnlyList<string> arguments, ConcurrentBag<string> defects) : IDisposable
    {
        private Process? _process;
        private int _uses;

        /// <summary>Asks for one trial. A process that ends instead of an answer was ended by the fault, unless it does not take its arguments.</summary>
        /// <exception cref="UsageException">It does not: the data have changed since the faults were drawn.</exception>
        public async Task<string?> AskAsync(string question, CancellationToken cancellation)
        {
            var process = _process ??= Start();
            string? running = null;
            try
            {
                await process.StandardInput.WriteLineAsync(question.AsMemory(), cancellation);
                await process.StandardInput.FlushAsync(cancellation);
                while (await process.StandardOutput.ReadLineAsync(cancellation) is { } line)
                {
                    if (line.StartsWith(FaultWorker.Begins, StringComparison.Ordinal))
                    {
                        running = line[FaultWorker.Begins.Length..];
                        continue;
                    }
                    if (!line.EndsWith(FaultWorker.Endless, StringComparison.Ordinal))
                        return line == FaultWorker.Nothing ? null : line;
                    Dispose();
                    return OfFault(running, line);
                }
            }
            catch (IOException)
            {
                // The pipe of a process that has ended: told below.
            }
            await process.WaitForExitAsync(cancellation);
            if (process.ExitCode == ExitCode.Usage)
                throw new UsageException("a process that should try faults does not know them: scenarios, recorded runs or the list of unseen places have changed since this run began; run it again");
            string reason = $"{running ?? "it"} ends the emulator's process with code {process.ExitCode}";
            Dispose();
            return OfFault(running, reason);
        }

        /// <summary>What happened, when it happened with the fault.</summary>
        private string? OfFault(string? running, string what)
        {
            if (running is null || !running.EndsWith(FaultWorker.Faultless, StringComparison.Ordinal))
                return what;
            defects.Add(what);
            return null;
        }

        /// <summary>One fault is done.</summary>
        public void Used()
        {
            if (++_uses % FaultsPerProcess == 0)
                Dispose();
        }

        public void Dispose()
        {
            try
            {
                _process?.Kill();
            }
            catch (InvalidOperationException)
            {
                // It has ended by itself.
            }
            _process?.Dispose();
            _process = null;
        }

        private Process Start()
        {
            var command = LabClient.OwnCommand();
            var start = new ProcessStartInfo(command[0], [.. command.Skip(1), "mutate", "--worker", .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
            start.Environment["DOTNET_GCHeapHardLimit"] = "0x60000000"; // 1.5 GiB: a fault that eats memory ends its process, not the machine
            start.Environment["DOTNET_DbgEnableMiniDump"] = "0";
            var process = Process.Start(start)!;
            process.ErrorDataReceived += static (_, _) => { }; // the last words of a process that a fault ended
            process.BeginErrorReadLine();
            return process;
        }
    }
}
