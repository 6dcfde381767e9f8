using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace DriverLab.Labs.Files;

/// <summary>What a part of a lab file must look like. One description gives the checks, with line and column, and the published JSON Schema.</summary>
/// <param name="Doc">A sentence for the schema.</param>
internal abstract record Shape(string Doc)
{
    /// <summary>Checks a part of a file.</summary>
    /// <exception cref="LabFileException">It is not so; the sentence names line, column, what was found and what was expected.</exception>
    public abstract void Check(string file, string what, YamlNode node);

    /// <summary>Writes the properties of the JSON Schema.</summary>
    public abstract void Write(Utf8JsonWriter json);

    protected static LabFileException Wrong(string file, YamlNode node, string sentence) => new(file, node.Start, sentence);

    protected static string Found(YamlNode node) => node switch
    {
        YamlScalarNode { Value: null or "" } => "nothing",
        YamlScalarNode scalar => $"'{scalar.Value}'",
        YamlSequenceNode => "a list",
        YamlMappingNode => "fields",
        _ => "an alias",
    };

    protected static string ScalarOf(string file, string what, YamlNode node, string expected) =>
        node is YamlScalarNode { Value: { Length: > 0 } text } ? text : throw Wrong(file, node, $"{what} is {Found(node)}; expected {expected}");
}

/// <summary>Text, perhaps one of some words, or of a pattern.</summary>
internal sealed record TextShape(string Doc, string Expected = "text", string? Pattern = null, IReadOnlyList<string>? Choices = null) : Shape(Doc)
{
    public override void Check(string file, string what, YamlNode node)
    {
        string expected = Choices is null ? Expected : "one of " + string.Join(", ", Choices);
        if (Pattern is null && Choices is null && node is YamlScalarNode)
            return;
        string text = ScalarOf(file, what, node, expected);
        if ((Choices is not null && !Choices.Contains(text)) || (Pattern is not null && !Regex.IsMatch(text, Pattern, RegexOptions.None, TimeSpan.FromSeconds(1))))
            throw Wrong(file, node, $"{what} is '{text}'; expected {expected}");
    }

    public override void Write(Utf8JsonWriter json)
    {
        json.WriteString("type", "string");
        if (Pattern is not null)
            json.WriteString("pattern", Pattern);
        if (Choices is null)
            return;
        json.WriteStartArray("enum");
        foreach (string choice in Choices)
            json.WriteStringValue(choice);
        json.WriteEndArray();
    }
}

/// <summary>A size: bytes, or a number with K, M, G or T.</summary>
internal sealed record SizeShape(string Doc) : Shape(Doc)
{
    private const string Pattern = "^[0-9]+[KMGT]?$";

    public override void Check(string file, string what, YamlNode node)
    {
        string text = ScalarOf(file, what, node, "a size such as 512M");
        if (!TryParse(text, out _))
            throw Wrong(file, node, $"{what} is '{text}'; expected a size such as 65536, 64K, 512M, 10G or 1T");
    }

    public override void Write(Utf8JsonWriter json)
    {
        json.WriteStartArray("type");
        json.WriteStringValue("integer");
        json.WriteStringValue("string");
        json.WriteEndArray();
        json.WriteString("pattern", Pattern);
    }

    /// <summary>The size in bytes.</summary>
    public static bool TryParse(string text, out long bytes)
    {
        bytes = 0;
        if (text.Length == 0)
            return false;
        int shift = text[^1] switch { 'K' => 10, 'M' => 20, 'G' => 30, 'T' => 40, _ => 0 };
        if (!long.TryParse(shift == 0 ? text : text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out long number) || number > long.MaxValue >> shift)
            return false;
        bytes = number << shift;
        return true;
    }
}

/// <summary>A whole number.</summary>
internal sealed record NumberShape(string Doc, long Least, long Most) : Shape(Doc)
{
    public override void Check(string file, string what, YamlNode node)
    {
        string expected = string.Create(CultureInfo.InvariantCulture, $"a number from {Least} to {Most}"), text = ScalarOf(file, what, node, expected);
        if (!long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) || number < Least || number > Most)
            throw Wrong(file, node, $"{what} is '{text}'; expected {expected}");
    }

    public override void Write(Utf8JsonWriter json)
    {
        json.WriteString("type", "integer");
        json.WriteNumber("minimum", Least);
        json.WriteNumber("maximum", Most);
    }
}

/// <summary>true or false.</summary>
internal sealed record FlagShape(string Doc) : Shape(Doc)
{
    public override void Check(string file, string what, YamlNode node)
    {
        string text = ScalarOf(file, what, node, "true or false");
        if (text is not ("true" or "false"))
            throw Wrong(file, node, $"{what} is '{text}'; expected true or false");
    }

    public override void Write(Utf8JsonWriter json) => json.WriteString("type", "boolean");
}

/// <summary>A list.</summary>
internal sealed record ListShape(string Doc, string ItemName, Shape Item) : Shape(Doc)
{
    public override void Check(string file, string what, YamlNode node)
    {
        if (node is not YamlSequenceNode list)
            throw Wrong(file, node, $"{what} is {Found(node)}; expected a list");
        foreach (var item in list)
            Item.Check(file, ItemName, item);
    }

    public override void Write(Utf8JsonWriter json)
    {
        json.WriteString("type", "array");
        json.WriteStartObject("items");
        json.WriteString("description", Item.Doc);
        Item.Write(json);
        json.WriteEndObject();
    }
}

/// <summary>Names of the user's choice, each with a part of the same shape.</summary>
internal sealed record NamedShape(string Doc, string Pattern, string Expected, Func<string, string> What, Shape Item) : Shape(Doc)
{
    public override void Check(string file, string what, YamlNode node)
    {
        if (node is not YamlMappingNode map || map.Children.Count == 0)
            throw Wrong(file, node, $"{what} is {Found(node)}; expected names with fields below them");
        foreach (var (key, value) in map)
        {
            string name = ScalarOf(file, "a name", key, Expected);
            if (!Regex.IsMatch(name, Pattern, RegexOptions.None, TimeSpan.FromSeconds(1)))
                throw Wrong(file, key, $"'{name}' is no name; expected {Expected}");
            Item.Check(file, What(name), value);
        }
    }

    public override void Write(Utf8JsonWriter json)
    {
        json.WriteString("type", "object");
        json.WriteNumber("minProperties", 1);
        json.WriteStartObject("propertyNames");
        json.WriteString("pattern", Pattern);
        json.WriteEndObject();
        json.WriteStartObject("additionalProperties");
        json.WriteString("description", Item.Doc);
        Item.Write(json);
        json.WriteEndObject();
    }
}

/// <summary>A field of an object.</summary>
internal sealed record Field(string Name, Shape Shape, bool Required = false);

/// <summary>An object with fields; with <paramref name="OneOf"/> it has exactly one of them.</summary>
internal sealed record ObjectShape(string Doc, IReadOnlyList<Field> Fields, bool OneOf = false) : Shape(Doc)
{
    public override void Check(string file, string what, YamlNode node)
    {
        string names = string.Join(", ", Fields.Select(field => field.Name));
        if (node is not YamlMappingNode map)
            throw Wrong(file, node, $"{what} is {Found(node)}; expected {(OneOf ? "one" : "fields")} of {names}");
        foreach (var (key, value) in map)
        {
            string name = (key as YamlScalarNode)?.Value ?? "";
            var field = Fields.FirstOrDefault(field => field.Name == name) ?? throw Wrong(file, key, $"'{name}' is no field of {what}; expected {(OneOf ? "one" : "some")} of {names}");
            field.Shape.Check(file, $"{name} of {what}", value);
        }
        if (OneOf && map.Children.Count != 1)
            throw Wrong(file, node, $"{what} has {map.Children.Count} fields; expected exactly one of {names}");
        if (Fields.FirstOrDefault(field => field.Required && !map.Children.ContainsKey(new YamlScalarNode(field.Name))) is { } missing)
            throw Wrong(file, node, $"{what} has no '{missing.Name}'; expected {missing.Shape.Doc}");
    }

    public override void Write(Utf8JsonWriter json)
    {
        json.WriteString("type", "object");
        json.WriteBoolean("additionalProperties", false);
        if (OneOf)
        {
            json.WriteNumber("minProperties", 1);
            json.WriteNumber("maxProperties", 1);
        }
        if (Fields.Any(field => field.Required))
        {
            json.WriteStartArray("required");
            foreach (var field in Fields.Where(field => field.Required))
                json.WriteStringValue(field.Name);
            json.WriteEndArray();
        }
        json.WriteStartObject("properties");
        foreach (var field in Fields)
        {
            json.WriteStartObject(field.Name);
            json.WriteString("description", field.Shape.Doc);
            field.Shape.Write(json);
            json.WriteEndObject();
        }
        json.WriteEndObject();
    }
}
