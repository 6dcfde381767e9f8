using System.Globalization;
using System.Text;
using System.Text.Json;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Store;

namespace DriverLab.StorageDrivers.Snapshots;

public sealed partial class SnapshotStore
{
    private const int LongestRecord = 1 << 24;

    private DriverError? Load()
    {
        var listed = _kernel.ListPath(_meta);
        if (!listed.IsOk)
            return DriverError.Of(listed.Error, "getdents64", ByteText.Bytes(_meta));
        foreach (var file in listed.Value)
        {
            string name = ByteText.Show(file.Name), path = $"{_meta}/{name}";
            if (!long.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out long number))
            {
                _ = _kernel.UnlinkAt(Fd.Cwd, ByteText.Bytes(path), AtFlags.None); // a file written aside when the process died
                continue;
            }
            var content = _kernel.ReadWhole(ByteText.Bytes(path), LongestRecord);
            if (!content.IsOk)
                return DriverError.Of(content.Error, "open", ByteText.Bytes(path));
            if (Parse(content.Value) is not { } info || !_entries.TryAdd(info.Name, new Entry(number, info)))
                return new DriverError("open", path, Errno.EBADMSG, "not a snapshot's record");
            _last = Math.Max(_last, number);
        }
        return null;
    }

    private DriverError? RemoveUnnamed(ILayerList list)
    {
        var layers = list.Layers();
        if (!layers.IsOk)
            return layers.Error;
        var named = _entries.Values.Where(HasLayer).Select(static e => $"{e.Number}").ToHashSet(StringComparer.Ordinal);
        foreach (string id in layers.Value)
            if (!named.Contains(id) && _driver.Remove(id) is { } error)
                return error;
        return null;
    }

    private DriverError? Save(Entry entry) => _kernel.ReplaceFile(_meta, $"{entry.Number}", Print(entry.Info), (Mode)0x180, syncDirectory: true);

    private static string Print(SnapshotInfo info)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("name", info.Name);
            writer.WriteString("parent", info.Parent);
            writer.WriteNumber("kind", (int)info.Kind);
            writer.WriteString("created", info.Created);
            writer.WriteString("updated", info.Updated);
            writer.WriteStartObject("labels");
            foreach (var (key, value) in info.Labels.OrderBy(static pair => pair.Key, StringComparer.Ordinal))
                writer.WriteString(key, value);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }

    private static SnapshotInfo? Parse(byte[] json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement;
            var labels = root.GetProperty("labels").EnumerateObject().ToDictionary(static p => p.Name, static p => p.Value.GetString() ?? "", StringComparer.Ordinal);
            var kind = (SnapshotKind)root.GetProperty("kind").GetInt32();
            return new(root.GetProperty("name").GetString()!, root.GetProperty("parent").GetString()!, kind, root.GetProperty("created").GetDateTimeOffset(),
                root.GetProperty("updated").GetDateTimeOffset(), labels);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return null;
        }
    }
}
