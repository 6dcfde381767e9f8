using DriverLab.ThinTools.Dump;
using DriverLab.ThinTools.Model;
using DriverLab.ThinTools.Trees;

namespace DriverLab.ThinTools.Report;

/// <summary>The mappings of one device as runs, times apart: what lies together on the thin device and on the data device is one run.</summary>
internal static class MappingStream
{
    public static List<MappingRun> Read(ThinMetadata metadata, ulong root, string path)
    {
        var damages = new List<Damage>();
        var runs = Collect(metadata, root, path, damages);
        Strict.Require(metadata, damages);
        return runs;
    }

    /// <summary>What can be read.</summary>
    public static List<MappingRun> Collect(ThinMetadata metadata, ulong root) => Collect(metadata, root, "", []);

    private static List<MappingRun> Collect(ThinMetadata metadata, ulong root, string path, List<Damage> damages)
    {
        var collector = new Collector();
        var visitor = new RunVisitor(collector, damages);
        new TreeWalker(metadata.Device, 8).Walk(new(root, path), ref visitor);
        visitor.Finish();
        return collector.Runs;
    }

    private sealed class Collector : IMetadataVisitor
    {
        public List<MappingRun> Runs { get; } = [];

        public void Map(in MappingRun run)
        {
            if (Runs is [.., var last] && last.ThinBegin + last.Length == run.ThinBegin && last.DataBegin + last.Length == run.DataBegin)
                Runs[^1] = last with { Length = last.Length + run.Length };
            else
                Runs.Add(run);
        }

        public void SuperblockBegin(PoolDescription pool)
        {
        }

        public void SuperblockEnd()
        {
        }

        public void DefBegin(string name)
        {
        }

        public void DefEnd()
        {
        }

        public void DeviceBegin(in DeviceDescription device)
        {
        }

        public void DeviceEnd()
        {
        }

        public void Ref(string name)
        {
        }
    }
}
