using System.Text;

namespace DriverLab.ThinTools.Tests;

/// <summary>Metadata as thin_dump would print it, by chance.</summary>
internal static class RandomMetadata
{
    public static string Make(Random random)
    {
        int dataBlocks = random.Next(1, 60_000);
        var xml = new StringBuilder($"<superblock uuid=\"\" time=\"9\" transaction=\"{random.Next()}\" flags=\"0\" version=\"{random.Next(1, 3)}\" data_block_size=\"{128 * random.Next(1, 20)}\" nr_data_blocks=\"{dataBlocks}\">\n");
        ulong id = 0;
        for (int devices = random.Next(0, 12); devices > 0; devices--)
        {
            id += (ulong)random.Next(1, 1000);
            var runs = Runs(random, dataBlocks);
            _ = xml.Append($"  <device dev_id=\"{id}\" mapped_blocks=\"{runs.Sum(run => run.Length)}\" transaction=\"{random.Next()}\" creation_time=\"{random.Next(10)}\" snap_time=\"{random.Next(10)}\">\n");
            foreach (var run in runs)
            {
                _ = xml.Append(run.Length == 1
                    ? $"    <single_mapping origin_block=\"{run.Thin}\" data_block=\"{run.Data}\" time=\"{run.Time}\"/>\n"
                    : $"    <range_mapping origin_begin=\"{run.Thin}\" data_begin=\"{run.Data}\" length=\"{run.Length}\" time=\"{run.Time}\"/>\n");
            }
            _ = xml.Append("  </device>\n");
        }
        return xml.Append("</superblock>\n").ToString();
    }

    private static List<(long Thin, int Data, int Length, int Time)> Runs(Random random, int dataBlocks)
    {
        var runs = new List<(long, int, int, int)>();
        long thin = 0;
        bool isFragmented = random.Next(2) == 0;
        for (int count = random.Next(0, isFragmented ? 3000 : 60); count > 0; count--)
        {
            int length = isFragmented ? 1 : random.Next(1, Math.Min(dataBlocks, 900) + 1);
            // A gap before each run keeps two from being one.
            thin += 1 + random.Next(isFragmented ? 4 : 100_000);
            runs.Add((thin, random.Next(0, dataBlocks - length + 1), length, random.Next(0, 9)));
            thin += length;
        }
        return runs;
    }
}
