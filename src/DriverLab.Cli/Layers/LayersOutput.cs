using System.Text.Json.Nodes;

namespace DriverLab.Cli.Layers;

/// <summary>Writes what a verb of layers found: lines for people, or one JSON object a line and a summary last.</summary>
internal sealed class LayersOutput(TextWriter output, bool json)
{
    private int _lines;

    /// <summary>One thing.</summary>
    public void Line(string text, JsonObject data)
    {
        _lines++;
        output.WriteLine(json ? data.ToJsonString() : text);
    }

    /// <summary>Text that only people get.</summary>
    public void Note(string text)
    {
        if (!json)
            output.WriteLine(text);
    }

    /// <summary>The end.</summary>
    public void Summary(string text, JsonObject? data = null)
    {
        data ??= [];
        data["lines"] = _lines;
        output.WriteLine(json ? new JsonObject { ["summary"] = data }.ToJsonString() : text);
    }

    /// <summary>Bytes for people: <c>1.9 MiB</c>.</summary>
    public static string Size(long bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB"];
        double value = bytes;
        int unit = 0;
        for (; value >= 1024 && unit < units.Length - 1; unit++)
            value /= 1024;
        return unit == 0 ? $"{bytes} B" : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{value:0.0} {units[unit]}");
    }

    /// <summary>The first twelve digits of a digest.</summary>
    public static string Short(string digest) => digest.Length > 19 ? digest[7..19] : digest;
}
