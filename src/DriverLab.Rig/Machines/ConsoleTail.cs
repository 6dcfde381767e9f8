using System.Text;

namespace DriverLab.Rig.Machines;

/// <summary>The last part of what a console showed. Thread-safe.</summary>
internal sealed class ConsoleTail
{
    private const int Capacity = 128 << 10;
    private readonly Lock gate = new();
    private readonly byte[] ring = new byte[Capacity];
    private long total;

    /// <summary>Bytes that were ever shown.</summary>
    public long Total
    {
        get
        {
            lock (gate)
                return total;
        }
    }

    public void Add(ReadOnlySpan<byte> bytes)
    {
        lock (gate)
        {
            foreach (byte value in bytes)
                ring[total++ % Capacity] = value;
        }
    }

    /// <summary>Everything that is still there.</summary>
    public string All()
    {
        lock (gate)
        {
            int length = (int)Math.Min(total, Capacity);
            var bytes = new byte[length];
            for (int i = 0; i < length; i++)
                bytes[i] = ring[(total - length + i) % Capacity];
            return Encoding.UTF8.GetString(bytes).Replace("\r", "", StringComparison.Ordinal);
        }
    }

    /// <summary>The last lines, those of an oops complete: from its first line on when it is within the last 80.</summary>
    public string Tail(int lines = 25)
    {
        string[] all = All().Split('\n').Where(line => line.Length > 0).ToArray();
        int start = Math.Max(0, all.Length - lines);
        int oops = Array.FindIndex(all, Math.Max(0, all.Length - 80), line => line.Contains("BUG:", StringComparison.Ordinal) || line.Contains("Kernel panic", StringComparison.Ordinal) || line.Contains("Oops", StringComparison.Ordinal));
        return string.Join('\n', all[(oops >= 0 ? Math.Min(oops, start) : start)..]);
    }

    /// <summary>The kernel's sentence after <c>Kernel panic - not syncing:</c>, with the cause of the oops before it; null when there was no panic.</summary>
    public string? Panic()
    {
        const string mark = "Kernel panic - not syncing: ";
        string text = All();
        int at = text.LastIndexOf(mark, StringComparison.Ordinal);
        if (at < 0)
            return null;
        string sentence = LineFrom(text, at + mark.Length);
        if (!sentence.StartsWith("Fatal exception", StringComparison.Ordinal))
            return sentence;
        int cause = Math.Max(text.LastIndexOf("BUG: ", at, StringComparison.Ordinal), text.LastIndexOf("Oops: ", at, StringComparison.Ordinal));
        const string place = "RIP: 0010:";
        int where = cause < 0 ? -1 : text.IndexOf(place, cause, StringComparison.Ordinal);
        return cause < 0 ? sentence : LineFrom(text, cause) + (where >= 0 && where < at ? " in " + LineFrom(text, where + place.Length) : "") + $" ({sentence})";
    }

    private static string LineFrom(string text, int at)
    {
        int end = text.IndexOf('\n', at);
        return (end < 0 ? text[at..] : text[at..end]).Trim();
    }
}
