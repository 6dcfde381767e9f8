using System.Text;
using DriverLab.Formats;
using DriverLab.Formats.PersistentData;
using DriverLab.Formats.Thin;
using DriverLab.ThinTools.Check;
using DriverLab.ThinTools.Dump;
using DriverLab.ThinTools.Io;
using DriverLab.ThinTools.Model;
using DriverLab.ThinTools.Restore;
using DriverLab.ThinTools.Text;

namespace DriverLab.ThinTools.Tests;

/// <summary>Metadata images in memory.</summary>
internal static class Metadata
{
    /// <summary>Three devices with trees of two levels that share data blocks, and an empty one.</summary>
    public static string Sample { get; } = MakeSample();

    public static byte[] Restore(string xml, int blocks = 1024)
    {
        var device = new MemoryDevice(new byte[blocks * MetadataBlock.Size]);
        _ = MetadataRestore.Run(new MemoryStream(Encoding.UTF8.GetBytes(xml)), "xml", device, new());
        return device.Image;
    }

    public static string Dump(byte[] image)
    {
        using var stream = new MemoryStream();
        using (var xml = new XmlDumper(stream))
            Assert.That(MetadataDump.Run(ThinMetadata.Open(new MemoryDevice(image)), new(), xml), Is.Empty);
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    public static CheckReport Check(byte[] image, CheckOptions? options = null) => MetadataCheck.Run(new MemoryDevice(image), options ?? new());

    public static ref ThinSuperblock Superblock(byte[] image) => ref DiskView.Edit<ThinSuperblock>(image);

    public static Span<byte> Block(byte[] image, ulong block) => image.AsSpan((int)block * MetadataBlock.Size, MetadataBlock.Size);

    public static ulong Value(byte[] image, ulong node, int index) => new BtreeNode(Block(image, node)).Values<Le<ulong>>()[index].Value;

    public static void Seal(byte[] image, ulong block, MetadataBlockKind kind) => MetadataBlock.Seal(Block(image, block), kind);

    private static string MakeSample()
    {
        var xml = new StringBuilder("<superblock uuid=\"\" time=\"2\" transaction=\"3\" flags=\"0\" version=\"2\" data_block_size=\"128\" nr_data_blocks=\"40000\">\n");
        foreach (int id in (int[])[1, 2, 9])
        {
            _ = xml.Append($"  <device dev_id=\"{id}\" mapped_blocks=\"{(id == 9 ? 0 : 1007)}\" transaction=\"{id}\" creation_time=\"0\" snap_time=\"1\">\n");
            for (int i = 0; i < 1000 && id != 9; i++)
                _ = xml.Append($"    <single_mapping origin_block=\"{i * 3}\" data_block=\"{i * 2 + (i > 500 ? id * 10000 : 0)}\" time=\"{id - 1}\"/>\n");
            if (id != 9)
                _ = xml.Append("    <range_mapping origin_begin=\"5000\" data_begin=\"35000\" length=\"7\" time=\"0\"/>\n");
            _ = xml.Append("  </device>\n");
        }
        return xml.Append("</superblock>\n").ToString();
    }
}
