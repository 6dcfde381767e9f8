using System.Text;
using DriverLab.Conformance.Scenarios;
using DriverLab.Linux;

namespace DriverLab.Conformance.Running;

/// <summary>Many scenarios as one message to a program beside another kernel, and their runs as messages back.</summary>
/// <remarks>
/// To the kernel: for each scenario its name, file and text, each ended by NUL; a first byte 1 asks for few messages, one at the end of each scenario and one in a quarter of a second. Back, one message before each call, so that the call which kills a kernel is known: lines of
/// text, <c>B name</c> a scenario begins, <c>L …</c> a trace line, <c>S n</c> step n is about to be made, <c>E status reason</c> the scenario ended; fields between tabs.
/// </remarks>
public static class Batch
{
    /// <summary>Takes one message; when it returns, the other side has it.</summary>
    public delegate void MessageSink(ReadOnlySpan<byte> message);

    private const char FewMessages = '\x01';

    /// <summary>The message with scenarios.</summary>
    /// <param name="scenarios">What to run.</param>
    /// <param name="few">True for a message a scenario, or a quarter of a second, instead of one a call: many times faster, but a kernel's death is known to the scenario only.</param>
    public static byte[] Encode(IEnumerable<Scenario> scenarios, bool few = false)
    {
        var text = new StringBuilder();
        if (few)
            _ = text.Append(FewMessages);
        foreach (var scenario in scenarios)
            _ = text.Append(scenario.Name).Append('\0').Append(scenario.File).Append('\0').Append(scenario.Source).Append('\0');
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    /// <summary>Reads what <see cref="Encode"/> wrote.</summary>
    public static IReadOnlyList<Scenario> Decode(ReadOnlySpan<byte> message)
    {
        var fields = Encoding.UTF8.GetString(message).Split('\0');
        var scenarios = new List<Scenario>(fields.Length / 3);
        for (int i = 0; i + 3 < fields.Length + 1 && i + 2 < fields.Length; i += 3)
            scenarios.Add(ScenarioParser.Parse(fields[i], fields[i + 1], fields[i + 2]));
        return scenarios;
    }

    /// <summary>Runs the scenarios of a message on a kernel.</summary>
    public static void Run(ReadOnlySpan<byte> message, IKernel kernel, MessageSink send)
    {
        bool few = message is [(byte)FewMessages, ..];
        using var runner = new ScenarioRunner(kernel) { Assets = new KernelLayerAssets(KernelLayerAssets.GuestFolder), OnTask = few };
        var sink = new SendingSink(send, few);
        if (few)
            message = message[1..];
        foreach (var scenario in Decode(message))
            _ = runner.Run(scenario, sink); // the status is sent
    }

    private sealed class SendingSink(MessageSink send, bool few) : ITraceSink
    {
        private const int FewMs = 250;

        private readonly StringBuilder _text = new();
        private long _sent;

        public void Begin(string scenario)
        {
            _ = _text.Append("B\t").Append(scenario).Append('\n');
            if (few)
                Flush();
        }

        public void Line(in TraceLine line) => _text.Append("L\t").Append(line.ToString()).Append('\n');

        public void Entering(int step)
        {
            // A long scenario still shows that it goes on.
            if (few && Environment.TickCount64 - _sent < FewMs)
                return;
            _ = _text.Append("S\t").Append(step).Append('\n');
            Flush();
        }

        public void End(RunStatus status, string reason)
        {
            _ = _text.Append("E\t").Append(status).Append('\t').Append(reason).Append('\n');
            Flush();
        }

        private void Flush()
        {
            send(Encoding.UTF8.GetBytes(_text.ToString()));
            _ = _text.Clear();
            _sent = Environment.TickCount64;
        }
    }
}

/// <summary>Puts the messages of <see cref="Batch.Run"/> together again.</summary>
public sealed class BatchReader(ITraceSink sink)
{
    private readonly StringBuilder _rest = new();
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();

    /// <summary>The scenario that is being run; null between two.</summary>
    public string? Scenario { get; private set; }

    /// <summary>The step that was about to be made when the last message came.</summary>
    public int Step { get; private set; }

    /// <summary>Takes one message; lines may be cut anywhere.</summary>
    public void Read(ReadOnlySpan<byte> message)
    {
        // A message may end inside a character: the decoder keeps its beginning.
        var characters = new char[_decoder.GetCharCount(message, flush: false)];
        _ = _decoder.GetChars(message, characters, flush: false);
        _ = _rest.Append(characters);
        string text = _rest.ToString();
        int at = 0;
        for (int end; (end = text.IndexOf('\n', at)) >= 0; at = end + 1)
            ReadLine(text[at..end]);
        _ = _rest.Remove(0, at);
    }

    /// <summary>Ends the scenario that was being run when the kernel died, hung or was lost: its call gets the reason as its outcome.</summary>
    /// <returns>The name of the scenario; null when none was being run.</returns>
    public string? Lost(string reason)
    {
        if (Scenario is not { } name)
            return null;
        sink.Line(new(Step.ToString(System.Globalization.CultureInfo.InvariantCulture), "-", "", reason));
        sink.End(RunStatus.Broken, reason);
        Scenario = null;
        return name;
    }

    private void ReadLine(string line)
    {
        if (line.Length < 2)
            return;
        string rest = line[2..];
        switch (line[0])
        {
            case 'B':
                sink.Begin(Scenario = rest);
                Step = 0;
                break;
            case 'L' when TraceLine.TryParse(rest, out var trace):
                sink.Line(trace);
                break;
            case 'S':
                Step = int.Parse(rest, System.Globalization.CultureInfo.InvariantCulture);
                sink.Entering(Step);
                break;
            case 'E':
                var parts = rest.Split('\t', 2);
                _ = Enum.TryParse(parts[0], out RunStatus status);
                Scenario = null;
                sink.End(status, parts.Length > 1 ? parts[1] : "");
                break;
        }
    }
}
