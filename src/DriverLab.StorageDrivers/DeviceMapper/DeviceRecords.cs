using System.Text;
using System.Text.Json;
using DriverLab.Linux;

namespace DriverLab.StorageDrivers.DeviceMapper;

/// <summary>One thin device, as its file in <c>metadata</c> tells.</summary>
/// <param name="Id">The layer; empty for the base device.</param>
/// <param name="DeviceId">Its number in the pool, 24 bits.</param>
/// <param name="SizeBytes">Its size, in bytes.</param>
/// <param name="TransactionId">The transaction that made it.</param>
/// <param name="Initialized">Its file system is there.</param>
/// <param name="Deleted">It waits to be deleted.</param>
internal sealed record DeviceRecord(string Id, int DeviceId, long SizeBytes, ulong TransactionId, bool Initialized = false, bool Deleted = false)
{
    /// <summary>The name of the base device's file.</summary>
    public const string BaseFile = "base";

    /// <summary>How it is called in errors.</summary>
    public string Subject => Id.Length == 0 ? BaseFile : Id;

    public byte[] Write() => Json.Write(json =>
    {
        json.WriteNumber("device_id"u8, DeviceId);
        json.WriteNumber("size"u8, SizeBytes);
        json.WriteNumber("transaction_id"u8, TransactionId);
        json.WriteBoolean("initialized"u8, Initialized);
        json.WriteBoolean("deleted"u8, Deleted);
    });

    /// <summary>Reads a file.</summary>
    /// <returns>EINVAL: it is not what it should be.</returns>
    public static DriverResult<DeviceRecord> Read(string id, string path, byte[] content) => Json.Read(path, content, root => new DeviceRecord(
        id, root.GetProperty("device_id"u8).GetInt32(), root.GetProperty("size"u8).GetInt64(), root.GetProperty("transaction_id"u8).GetUInt64(),
        root.GetProperty("initialized"u8).GetBoolean(), root.TryGetProperty("deleted"u8, out var deleted) && deleted.GetBoolean()));
}

/// <summary>The file <c>deviceset-metadata</c>.</summary>
/// <param name="NextDeviceId">Where the search for a free device number goes on.</param>
/// <param name="BaseUuid">The base file system's identity.</param>
/// <param name="BaseFileSystem">Its type.</param>
internal sealed record SetRecord(int NextDeviceId, string BaseUuid, string BaseFileSystem)
{
    public const string File = "deviceset-metadata";

    public byte[] Write() => Json.Write(json =>
    {
        json.WriteNumber("next_device_id"u8, NextDeviceId);
        json.WriteString("BaseDeviceUUID"u8, BaseUuid);
        json.WriteString("BaseDeviceFilesystem"u8, BaseFileSystem);
    });

    public static DriverResult<SetRecord> Read(string path, byte[] content) => Json.Read(path, content, static root => new SetRecord(
        root.GetProperty("next_device_id"u8).GetInt32(), Text(root, "BaseDeviceUUID"u8), Text(root, "BaseDeviceFilesystem"u8)));

    private static string Text(JsonElement root, ReadOnlySpan<byte> name) => root.TryGetProperty(name, out var value) ? value.GetString() ?? "" : "";
}

/// <summary>The file <c>transaction-metadata</c>: what was begun last.</summary>
/// <param name="Open">The pool's transaction number once it is done.</param>
/// <param name="Id">The layer; empty for the base device.</param>
/// <param name="DeviceId">Its number in the pool.</param>
internal sealed record TransactionRecord(ulong Open, string Id, int DeviceId)
{
    public const string File = "transaction-metadata";

    public byte[] Write() => Json.Write(json =>
    {
        json.WriteNumber("open_transaction_id"u8, Open);
        json.WriteString("device_hash"u8, Id);
        json.WriteNumber("device_id"u8, DeviceId);
    });

    public static DriverResult<TransactionRecord> Read(string path, byte[] content) => Json.Read(path, content, static root => new TransactionRecord(
        root.GetProperty("open_transaction_id"u8).GetUInt64(), root.GetProperty("device_hash"u8).GetString() ?? "", root.GetProperty("device_id"u8).GetInt32()));
}

/// <summary>JSON files of one object.</summary>
internal static class Json
{
    public static byte[] Write(Action<Utf8JsonWriter> fields)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            fields(writer);
            writer.WriteEndObject();
        }
        return buffer.ToArray();
    }

    public static DriverResult<T> Read<T>(string path, byte[] content, Func<JsonElement, T> body)
    {
        try
        {
            using var document = JsonDocument.Parse(content);
            return body(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            string shown = Encoding.UTF8.GetString(content.AsSpan(0, Math.Min(content.Length, 40)));
            return new DriverError("open", path, Errno.EINVAL, content.Length == 0 ? "the file is empty, as a power cut leaves it" : $"the file begins {ByteText.Show(ByteText.Bytes(shown))}, not as this driver writes it");
        }
    }
}
