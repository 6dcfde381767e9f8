using System.Text;
using DriverLab.ThinTools.Model;

namespace DriverLab.ThinTools.Text;

/// <summary>Reads thin_dump's XML, with the definitions and references of its newer versions.</summary>
public static class XmlParser
{
    private const ulong MostTime = uint.MaxValue;

    /// <summary>Reads a text and tells it to a visitor.</summary>
    /// <param name="stream">The text; stays open.</param>
    /// <param name="name">What it is called in complaints.</param>
    /// <param name="visitor">Is told.</param>
    /// <exception cref="ThinToolException">The text is not metadata; the message begins with name and line.</exception>
    public static void Parse(Stream stream, string name, IMetadataVisitor visitor)
    {
        var xml = new XmlScanner(stream, name);
        if (!xml.Read() || xml.IsEnd || !xml.Name.SequenceEqual("superblock"u8))
            throw xml.Fault("expected <superblock>");
        visitor.SuperblockBegin(Pool(xml));
        if (!xml.IsEmpty)
            Body(xml, visitor);
        visitor.SuperblockEnd();
        if (xml.Read())
            throw xml.Fault("expected nothing after </superblock>");
    }

    private static PoolDescription Pool(XmlScanner xml) => new()
    {
        Uuid = xml.Text("uuid"u8),
        Time = (uint)xml.Number("time"u8, MostTime),
        TransactionId = xml.Number("transaction"u8),
        Flags = (uint)(xml.TryNumber("flags"u8, uint.MaxValue) ?? 0),
        Version = (uint)(xml.TryNumber("version"u8, uint.MaxValue) ?? 1),
        DataBlockSizeSectors = (uint)xml.Number("data_block_size"u8, uint.MaxValue),
        DataBlockCount = xml.Number("nr_data_blocks"u8),
    };

    private static void Body(XmlScanner xml, IMetadataVisitor visitor)
    {
        while (Next(xml, "superblock"u8))
        {
            if (xml.Name.SequenceEqual("device"u8))
            {
                visitor.DeviceBegin(new(xml.Number("dev_id"u8), xml.Number("mapped_blocks"u8), xml.Number("transaction"u8),
                    (uint)xml.Number("creation_time"u8, MostTime), (uint)xml.Number("snap_time"u8, MostTime)));
                if (!xml.IsEmpty)
                    Mappings(xml, "device"u8, visitor);
                visitor.DeviceEnd();
            }
            else if (xml.Name.SequenceEqual("def"u8))
            {
                visitor.DefBegin(xml.Text("name"u8));
                if (!xml.IsEmpty)
                    Mappings(xml, "def"u8, visitor);
                visitor.DefEnd();
            }
            else
                throw xml.Fault($"<{Encoding.UTF8.GetString(xml.Name)}> is unknown here; expected device or def");
        }
    }

    private static void Mappings(XmlScanner xml, ReadOnlySpan<byte> parent, IMetadataVisitor visitor)
    {
        while (Next(xml, parent))
        {
            if (xml.Name.SequenceEqual("single_mapping"u8))
                visitor.Map(new(xml.Number("origin_block"u8), xml.Number("data_block"u8), 1, (uint)xml.Number("time"u8, MostTime)));
            else if (xml.Name.SequenceEqual("range_mapping"u8))
                visitor.Map(new(xml.Number("origin_begin"u8), xml.Number("data_begin"u8), xml.Number("length"u8), (uint)xml.Number("time"u8, MostTime)));
            else if (xml.Name.SequenceEqual("ref"u8))
                visitor.Ref(xml.Text("name"u8));
            else
                throw xml.Fault($"<{Encoding.UTF8.GetString(xml.Name)}> is unknown here; expected single_mapping, range_mapping or ref");
            if (!xml.IsEmpty && (!xml.Read() || !xml.IsEnd))
                throw xml.Fault("a mapping holds nothing");
        }
    }

    /// <summary>The next tag inside an element; false at the element's end.</summary>
    private static bool Next(XmlScanner xml, ReadOnlySpan<byte> parent)
    {
        if (!xml.Read())
            throw xml.Fault($"the text ends before </{Encoding.ASCII.GetString(parent)}>");
        if (!xml.IsEnd)
            return true;
        return xml.Name.SequenceEqual(parent) ? false : throw xml.Fault($"expected </{Encoding.ASCII.GetString(parent)}>, found </{Encoding.UTF8.GetString(xml.Name)}>");
    }
}
