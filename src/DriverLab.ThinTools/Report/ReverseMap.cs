using DriverLab.ThinTools.Dump;
using DriverLab.ThinTools.Model;

namespace DriverLab.ThinTools.Report;

/// <summary>Data blocks and the thin blocks that are mapped to them.</summary>
public readonly record struct ReverseRun(ulong DataBegin, ulong Length, ulong Device, ulong ThinBegin);

/// <summary>From data blocks back to thin devices.</summary>
public static class ReverseMap
{
    /// <summary>The runs of all devices inside the regions, by data block.</summary>
    /// <param name="metadata">Opened metadata.</param>
    /// <param name="regions">Begin and end of data blocks, the end not included.</param>
    public static IReadOnlyList<ReverseRun> Run(ThinMetadata metadata, IReadOnlyList<(ulong Begin, ulong End)> regions)
    {
        var table = DeviceTable.Load(metadata);
        Strict.Require(metadata, [.. table.DetailsDamages, .. table.TopDamages]);
        var found = new List<ReverseRun>();
        foreach (var (id, root) in table.Roots)
        {
            foreach (var run in MappingStream.Read(metadata, root, MetadataDump.PathOf(id)))
            {
                foreach (var (begin, end) in regions)
                {
                    ulong from = Math.Max(begin, run.DataBegin), to = Math.Min(end, run.DataBegin + run.Length);
                    if (from < to)
                        found.Add(new(from, to - from, id, run.ThinBegin + (from - run.DataBegin)));
                }
            }
        }
        return [.. found.OrderBy(run => run.DataBegin).ThenBy(run => run.Device).ThenBy(run => run.ThinBegin)];
    }
}
