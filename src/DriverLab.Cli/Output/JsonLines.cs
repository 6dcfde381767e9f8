using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace DriverLab.Cli.Output;

/// <summary>Objects of JSON, one a line.</summary>
internal static class JsonLines
{
    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A line of one named object, as most are: <c>{"name":{…}}</c>.</summary>
    public static string Object(string name, Action<Utf8JsonWriter> body) => Line(writer =>
    {
        writer.WriteStartObject(name);
        body(writer);
        writer.WriteEndObject();
    });

    /// <summary>One object as a line.</summary>
    public static string Line(Action<Utf8JsonWriter> body)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, s_options))
        {
            writer.WriteStartObject();
            body(writer);
            writer.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }
}
