using System.Text;
using DriverLab.Conformance.Running;
using DriverLab.Conformance.Scenarios;
using DriverLab.Rig;
using DriverLab.Rig.Machines;

namespace DriverLab.Testing;

/// <summary>A scenario that a test makes, run on a real kernel in a machine.</summary>
internal static class GuestScenario
{
    /// <summary>What the kernel said, step by step. The test is ignored, with the reason, where no machine can be had.</summary>
    /// <param name="line">The kernel line, such as <c>6.1</c>.</param>
    /// <param name="text">The scenario.</param>
    public static async Task<IReadOnlyList<TraceLine>> RunAsync(string line, string text)
    {
        Machine machine;
        try
        {
            machine = await RealKernels.OfUser().StartAsync(line);
        }
        catch (RigException e) when (e is not MachineException)
        {
            NoRig.Ignore(e);
            throw;
        }
        await using (machine)
        {
            var sink = new Sink();
            var reader = new BatchReader(sink);
            await machine.RunProgramAsync(Batch.Encode([ScenarioParser.Parse($"{text.Split((char[])[' ', '\n'], 3)[1]}/made/by-a-test", "test", text)]), reader.Read, CancellationToken.None);
            Assert.That(sink.Status, Is.EqualTo(RunStatus.Done), sink.Reason);
            return sink.Lines;
        }
    }

    /// <summary>Bytes as a quoted word; runs of one byte stay short.</summary>
    public static string Word(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder("\"");
        while (!bytes.IsEmpty)
        {
            int run = bytes.IndexOfAnyExcept(bytes[0]) is >= 0 and var n ? n : bytes.Length;
            _ = run > 4 ? text.Append(bytes[0] == 0 ? $"{{zero:{run}}}" : $"{{\\x{bytes[0]:x2}*{run}}}") : text.Append($"\\x{bytes[0]:x2}");
            bytes = bytes[(run > 4 ? run : 1)..];
        }
        return text.Append('"').ToString();
    }

    private sealed class Sink : ITraceSink
    {
        public List<TraceLine> Lines { get; } = [];
        public RunStatus Status { get; private set; }
        public string Reason { get; private set; } = "";

        public void Begin(string scenario)
        {
        }

        public void Entering(int step)
        {
        }

        public void Line(in TraceLine line) => Lines.Add(line);

        public void End(RunStatus status, string reason) => (Status, Reason) = (status, reason);
    }
}
