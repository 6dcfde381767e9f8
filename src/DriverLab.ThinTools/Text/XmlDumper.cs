using DriverLab.ThinTools.Model;

namespace DriverLab.ThinTools.Text;

/// <summary>Metadata as thin_dump's XML, byte for byte.</summary>
/// <param name="stream">Takes the text; stays open.</param>
public sealed class XmlDumper(Stream stream) : IMetadataVisitor, IDisposable
{
    private readonly AsciiWriter _out = new(stream);
    private bool _isInDef;

    public void SuperblockBegin(PoolDescription pool)
    {
        _out.Put("<superblock uuid=\""u8);
        _out.Put(System.Security.SecurityElement.Escape(pool.Uuid));
        Attribute("\" time=\""u8, pool.Time);
        Attribute("\" transaction=\""u8, pool.TransactionId);
        Attribute("\" flags=\""u8, pool.Flags);
        Attribute("\" version=\""u8, pool.Version);
        Attribute("\" data_block_size=\""u8, pool.DataBlockSizeSectors);
        Attribute("\" nr_data_blocks=\""u8, pool.DataBlockCount);
        _out.Put("\">\n"u8);
    }

    public void SuperblockEnd() => _out.Put("</superblock>\n"u8);

    public void DefBegin(string name)
    {
        _isInDef = true;
        _out.Put("  <def name=\""u8);
        _out.Put(System.Security.SecurityElement.Escape(name));
        _out.Put("\">\n"u8);
    }

    public void DefEnd()
    {
        _isInDef = false;
        _out.Put("  </def>\n"u8);
    }

    public void DeviceBegin(in DeviceDescription device)
    {
        Attribute("  <device dev_id=\""u8, device.Id);
        Attribute("\" mapped_blocks=\""u8, device.MappedBlocks);
        Attribute("\" transaction=\""u8, device.TransactionId);
        Attribute("\" creation_time=\""u8, device.CreationTime);
        Attribute("\" snap_time=\""u8, device.SnapshotTime);
        _out.Put("\">\n"u8);
    }

    public void DeviceEnd() => _out.Put("  </device>\n"u8);

    public void Map(in MappingRun run)
    {
        if (run.Length == 1)
        {
            Attribute("    <single_mapping origin_block=\""u8, run.ThinBegin);
            Attribute("\" data_block=\""u8, run.DataBegin);
        }
        else
        {
            Attribute("    <range_mapping origin_begin=\""u8, run.ThinBegin);
            Attribute("\" data_begin=\""u8, run.DataBegin);
            Attribute("\" length=\""u8, run.Length);
        }
        Attribute("\" time=\""u8, run.Time);
        _out.Put("\"/>\n"u8);
    }

    public void Ref(string name)
    {
        _out.Put(_isInDef ? "  <ref name=\""u8 : "    <ref name=\""u8);
        _out.Put(System.Security.SecurityElement.Escape(name));
        _out.Put("\"/>\n"u8);
    }

    public void Dispose() => _out.Dispose();

    private void Attribute(ReadOnlySpan<byte> before, ulong value)
    {
        _out.Put(before);
        _out.Put(value);
    }
}
