using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.ExceptionServices;
using DriverLab.Block.Crash;
using DriverLab.Cli.Output;
using DriverLab.DeviceMapper.Targets.LogWrites;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab crash</c>: what power cuts may leave of a logged disk, each state given to a checker.</summary>
internal static class CrashCommand
{
    public static Command Create(TextWriter output, TextWriter error) => new("crash", "Power cuts: sweep what may be left of a disk whose writes were logged (device-mapper's log-writes, QEMU's blklogwrites).")
    {
        Sweep(output, error),
        List(output),
    };

    private static Command Sweep(TextWriter output, TextWriter error)
    {
        var log = LogArgument();
        var image = new Option<FileInfo?>("--image") { Description = "The disk as it was before the log began; zeros when left out." };
        var size = new Option<long?>("--size") { Description = "The disk's size in bytes, when there is no image; the end of the last write when left out." };
        var check = new Option<string>("--check") { Description = "A shell command that exits with 0 when it accepts the state; {} is the image file, which it may change, e.g. 'e2fsck -fy {} || test $? -le 1'.", Required = true };
        var seed = new Option<ulong>("--seed") { Description = "Seed of what is sampled (1).", DefaultValueFactory = _ => 1 };
        var reorderings = new Option<int>("--reorderings") { Description = "Sampled orders for each span between two flushes (16).", DefaultValueFactory = _ => 16 };
        var states = new Option<long>("--states") { Description = "No more states than this.", DefaultValueFactory = _ => long.MaxValue };
        var workers = new Option<int>("--workers") { Description = "Checkers that run at once.", DefaultValueFactory = _ => Environment.ProcessorCount };
        var noTorn = new Option<bool>("--no-torn") { Description = "Writes land whole or not at all." };
        var atomic = new Option<int>("--atomic") { Description = "What the disk never tears, in bytes: 512, or its physical block.", DefaultValueFactory = _ => 512 };
        var keep = new Option<DirectoryInfo?>("--keep") { Description = "Leave the images of states that were not accepted in this folder." };
        var command = new Command("sweep", "Give every state that a power cut may leave to a checker; a state that is not accepted is made as small as it goes.\n" + ExitCode.Help)
        {
            log, image, size, check, seed, reorderings, states, workers, noTorn, atomic, keep,
        };
        command.SetAction((parsed, cancellation) =>
        {
            var history = ReadLog(parsed.GetValue(log)!);
            byte[] content = parsed.GetValue(image) is { } file ? ReadImage(file) : [];
            long end = history.Writes.Select(w => w.Sector + w.Sectors).DefaultIfEmpty().Max();
            long sectors = content.Length > 0 ? content.Length >> 9 : parsed.GetValue(size) is { } bytes ? bytes >> 9 : end;
            if (sectors < end)
                throw new UsageException($"the log writes up to byte {end << 9}, and the disk has {sectors << 9} bytes");
            var options = new CrashSweepOptions
            {
                Seed = parsed.GetValue(seed),
                Reorderings = parsed.GetValue(reorderings),
                MaxStates = parsed.GetValue(states),
                TornWrites = !parsed.GetValue(noTorn),
                AtomicBytes = parsed.GetValue(atomic) is var unit and >= 512 && int.IsPow2(unit) ? unit : throw new UsageException($"--atomic {parsed.GetValue(atomic)}: expected a power of two from 512"),
            };
            using var checker = new ProgramChecker(parsed.GetValue(check)!, parsed.GetValue(keep)?.FullName, new Progress(error));
            var report = Run(history, (sectors, content), options, Math.Max(1, parsed.GetValue(workers)), checker.Check, cancellation);
            foreach (var failure in report.Failures)
            {
                output.WriteLine($"not accepted: {failure.Witness}");
                if (history.Marks.LastOrDefault(mark => mark.At <= failure.Witness.Cut) is { Text: { } text })
                    output.WriteLine($"  after mark: {text}");
                output.WriteLine("  " + failure.WitnessMessage.ReplaceLineEndings("\n  "));
                if (checker.Keep(failure) is { } kept)
                    output.WriteLine($"  image: {kept}");
            }
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{report.States} states of {history.Writes.Count} writes and {history.Flushes.Count} flushes: {(report.Failures.Count == 0 ? "all accepted" : $"{report.Failures.Count} not accepted")}"));
            return Task.FromResult(report.Failures.Count == 0 ? ExitCode.Same : ExitCode.Different);
        });
        return command;
    }

    /// <summary>A part of the states for each worker.</summary>
    private static CrashReport Run(WriteLog log, (long, ReadOnlyMemory<byte>) disk, CrashSweepOptions options, int workers, Func<CrashState, string?> check, CancellationToken cancellation)
    {
        var reports = new CrashReport[workers];
        try
        {
            _ = Parallel.For(0, workers, new ParallelOptions { MaxDegreeOfParallelism = workers, CancellationToken = cancellation },
                part => reports[part] = new CrashSweep(log, disk).Run(options with { Part = part, Parts = workers }, check, cancellation));
        }
        catch (AggregateException e)
        {
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }
        return new(reports.Sum(report => report.States), [.. reports.SelectMany(report => report.Failures).OrderBy(failure => failure.State.Number)]);
    }

    private static Command List(TextWriter output)
    {
        var log = LogArgument();
        var command = new Command("list", "Print a log: writes in the order in which they became safe, flushes, marks.") { log };
        command.SetAction(parsed =>
        {
            var history = ReadLog(parsed.GetValue(log)!);
            var lines = history.Writes.Select(w => (w.Submitted, w.ToString()))
                .Concat(history.Flushes.Where(f => history.Writes.All(w => w.Submitted != f.Started)).Select(f => (f.Started, "flush")))
                .Concat(history.Marks.Select(m => (m.At, $"mark {m.Text}")));
            foreach (var (_, line) in lines.OrderBy(l => l.Item1))
                output.WriteLine(line);
            return ExitCode.Same;
        });
        return command;
    }

    private static Argument<FileInfo> LogArgument() => new("log") { Description = "The log: a file, or the log device." };

    private static WriteLog ReadLog(FileInfo file)
    {
        try
        {
            using var stream = new BufferedStream(file.OpenRead(), 1 << 20);
            return LogWritesFile.Read(stream);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            throw new UsageException($"{file.FullName}: {e.Message}");
        }
    }

    private static byte[] ReadImage(FileInfo file)
    {
        try
        {
            return File.ReadAllBytes(file.FullName);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{file.FullName}: {e.Message}");
        }
    }

    /// <summary>Writes states to files, and asks a program.</summary>
    private sealed class ProgramChecker(string command, string? keep, Progress progress) : IDisposable
    {
        private readonly string _folder = Directory.CreateTempSubdirectory("driverlab-crash-").FullName;
        private readonly Stopwatch _clock = Stopwatch.StartNew();
        private long _done, _lastSaid;

        public string? Check(CrashState state)
        {
            string image = Path.Combine(_folder, $"{Environment.CurrentManagedThreadId}.img");
            Write(state, image);
            var start = new ProcessStartInfo("sh", ["-c", command.Replace("{}", $"'{image}'", StringComparison.Ordinal)]) { RedirectStandardOutput = true, RedirectStandardError = true };
            using var process = Process.Start(start)!;
            var errors = process.StandardError.ReadToEndAsync();
            string said = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            long done = Interlocked.Increment(ref _done);
            if (_clock.ElapsedMilliseconds - Interlocked.Read(ref _lastSaid) > 1000)
            {
                _ = Interlocked.Exchange(ref _lastSaid, _clock.ElapsedMilliseconds);
                progress.Report($"{done} states");
            }
            return process.ExitCode == 0 ? null : $"exit code {process.ExitCode}: {(said + errors.Result).Trim()}";
        }

        public string? Keep(CrashFailure failure)
        {
            if (keep is null)
                return null;
            _ = Directory.CreateDirectory(keep);
            string image = Path.Combine(keep, string.Create(CultureInfo.InvariantCulture, $"state-{failure.Witness.Number}.img"));
            Write(failure.Witness, image);
            return image;
        }

        private static void Write(CrashState state, string image)
        {
            using var stream = new FileStream(image, FileMode.Create);
            state.CopyTo(0, stream);
        }

        public void Dispose() => Directory.Delete(_folder, recursive: true);
    }
}
