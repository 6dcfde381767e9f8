using System.Text.Json;
using DriverLab.StorageDrivers;
using Microsoft.AspNetCore.Http;

namespace DriverLab.Docker;

/// <summary>Docker's graphdriver plugin protocol: each call is a POST of a JSON object, each answer one with <c>Err</c>, empty for success.</summary>
/// <remarks>Docker's documentation of the plugin API, and moby's pkg/plugins and daemon/graphdriver/proxy.go for the fields. A driver is used by one call at a time.</remarks>
internal sealed class GraphDriverPlugin(OpenDriver open)
{
    private const string ContentType = "application/vnd.docker.plugins.v1.2+json";
    private readonly Lock _gate = new();
    private IStorageDriver? _driver;

    /// <summary>Answers one request.</summary>
    public async Task HandleAsync(HttpContext context)
    {
        string call = context.Request.Path.Value?.TrimStart('/') ?? "";
        switch (call)
        {
            case "Plugin.Activate":
                await AnswerAsync(context, static w =>
                {
                    w.WriteStartArray("Implements");
                    w.WriteStringValue("GraphDriver");
                    w.WriteEndArray();
                });
                break;
            case "GraphDriver.Diff":
                var diff = await ReadAsync(context);
                Diff(context, Text(diff, "ID"), Text(diff, "Parent"));
                break;
            case "GraphDriver.ApplyDiff":
                await ApplyAsync(context);
                break;
            default:
                var request = await ReadAsync(context);
                await AnswerAsync(context, w => Call(call, request, w));
                break;
        }
    }

    private void Call(string call, JsonElement request, Utf8JsonWriter w)
    {
        lock (_gate)
        {
            if (call == "GraphDriver.Init")
                Error(w, Init(request));
            else if (_driver is null)
                w.WriteString("Err", $"{call}: the driver has not been initialised; the daemon calls Init first");
            else
                Call(_driver, call, request, w);
        }
    }

    private DriverError? Init(JsonElement request)
    {
        string[] options = request.TryGetProperty("Opts", out var opts) && opts.ValueKind == JsonValueKind.Array ? [.. opts.EnumerateArray().Select(static o => o.GetString() ?? "")] : [];
        var opened = open(Text(request, "Home"), options);
        if (!opened.IsOk)
            return opened.Error;
        _driver?.Dispose();
        _driver = opened.Value;
        return null;
    }

    private static void Call(IStorageDriver driver, string call, JsonElement request, Utf8JsonWriter w)
    {
        string id = Text(request, "ID"), parent = Text(request, "Parent");
        switch (call)
        {
            case "GraphDriver.Capabilities":
                w.WriteStartObject("Capabilities");
                w.WriteBoolean("ReproducesExactDiffs", false);
                w.WriteEndObject();
                break;
            case "GraphDriver.Create":
                Error(w, Create(request, options => driver.Create(id, parent, options)));
                break;
            case "GraphDriver.CreateReadWrite":
                Error(w, Create(request, options => driver.CreateReadWrite(id, parent, options)));
                break;
            case "GraphDriver.Remove":
                Error(w, driver.Remove(id));
                break;
            case "GraphDriver.Get":
                var directory = driver.Get(id);
                w.WriteString("Dir", directory.IsOk ? directory.Value : "");
                Error(w, directory.Error);
                break;
            case "GraphDriver.Put":
                Error(w, driver.Put(id));
                break;
            case "GraphDriver.Exists":
                w.WriteBoolean("Exists", driver.Exists(id));
                break;
            case "GraphDriver.Status":
                w.WriteStartArray("Status");
                foreach (var (key, value) in driver.Status())
                {
                    w.WriteStartArray();
                    w.WriteStringValue(key);
                    w.WriteStringValue(value);
                    w.WriteEndArray();
                }
                w.WriteEndArray();
                break;
            case "GraphDriver.GetMetadata":
                Metadata(w, driver.Metadata(id));
                break;
            case "GraphDriver.Cleanup":
                Error(w, driver.Cleanup());
                break;
            case "GraphDriver.Changes":
                Changes(w, driver.Changes(id, parent));
                break;
            case "GraphDriver.DiffSize":
                var size = driver.DiffSize(id, parent);
                w.WriteNumber("Size", size.IsOk ? size.Value : 0);
                Error(w, size.Error);
                break;
            default:
                w.WriteString("Err", $"{call}: no such call");
                break;
        }
    }

    private static DriverError? Create(JsonElement request, Func<LayerOptions, DriverError?> create)
    {
        string[] words = request.TryGetProperty("StorageOpt", out var opts) && opts.ValueKind == JsonValueKind.Object
            ? [.. opts.EnumerateObject().Select(static p => $"{p.Name}={p.Value.GetString()}")]
            : [];
        var options = LayerOptions.Parse(words);
        return options.IsOk ? create(options.Value) : options.Error;
    }

    private static void Metadata(Utf8JsonWriter w, DriverResult<IReadOnlyList<KeyValuePair<string, string>>> metadata)
    {
        w.WriteStartObject("Metadata");
        if (metadata.IsOk)
            foreach (var (key, value) in metadata.Value)
                w.WriteString(key, value);
        w.WriteEndObject();
        Error(w, metadata.Error);
    }

    private static void Changes(Utf8JsonWriter w, DriverResult<IReadOnlyList<StorageDrivers.Layers.Change>> changes)
    {
        w.WriteStartArray("Changes");
        if (changes.IsOk)
            foreach (var change in changes.Value)
            {
                w.WriteStartObject();
                w.WriteString("Path", ByteText.Show(change.Path));
                w.WriteNumber("Kind", (int)change.Kind);
                w.WriteEndObject();
            }
        w.WriteEndArray();
        Error(w, changes.Error);
    }

    /// <summary>The archive is the answer's body; a failure before its first byte is a status, after it a broken connection.</summary>
    private void Diff(HttpContext context, string id, string parent)
    {
        lock (_gate)
        {
            if (_driver is null)
            {
                context.Response.StatusCode = StatusCodes.Status500InternalServerError;
                return;
            }
            context.Response.ContentType = "application/x-tar";
            if (_driver.Diff(id, parent, context.Response.Body) is null)
                return;
            if (context.Response.HasStarted)
                context.Abort();
            else
                context.Response.StatusCode = StatusCodes.Status500InternalServerError;
        }
    }

    private Task ApplyAsync(HttpContext context)
    {
        string id = context.Request.Query["id"].ToString(), parent = context.Request.Query["parent"].ToString();
        return AnswerAsync(context, w =>
        {
            lock (_gate)
            {
                if (_driver is null)
                {
                    w.WriteString("Err", "ApplyDiff: the driver has not been initialised; the daemon calls Init first");
                    return;
                }
                var applied = _driver.ApplyDiff(id, parent, context.Request.Body);
                w.WriteNumber("Size", applied.IsOk ? applied.Value.Bytes : 0);
                Error(w, applied.Error);
            }
        });
    }

    private static void Error(Utf8JsonWriter w, DriverError? error) => w.WriteString("Err", error?.ToString() ?? "");

    private static string Text(JsonElement request, string name) =>
        request.ValueKind == JsonValueKind.Object && request.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";

    private static async Task<JsonElement> ReadAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        if (body.Length == 0)
            return default;
        try
        {
            using var document = JsonDocument.Parse(body.GetBuffer().AsMemory(0, (int)body.Length));
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            return default; // every call then says what it misses
        }
    }

    private static async Task AnswerAsync(HttpContext context, Action<Utf8JsonWriter> body)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            body(writer);
            writer.WriteEndObject();
        }
        context.Response.ContentType = ContentType;
        context.Response.ContentLength = buffer.Length;
        await context.Response.Body.WriteAsync(buffer.GetBuffer().AsMemory(0, (int)buffer.Length), context.RequestAborted);
    }
}
