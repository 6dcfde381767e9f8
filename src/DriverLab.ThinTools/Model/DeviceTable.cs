using DriverLab.Formats;
using DriverLab.Formats.PersistentData;
using DriverLab.Formats.Thin;
using DriverLab.ThinTools.Trees;

namespace DriverLab.ThinTools.Model;

/// <summary>The two trees by device: details, and the root of each mapping tree; with what could not be read.</summary>
public sealed class DeviceTable
{
    private DeviceTable()
    {
    }

    /// <summary>Details by id, in rising order.</summary>
    public SortedDictionary<ulong, DeviceDescription> Details { get; } = [];

    /// <summary>Roots of mapping trees by id, in rising order.</summary>
    public SortedDictionary<ulong, ulong> Roots { get; } = [];

    /// <summary>Damages of the details tree.</summary>
    public List<Damage> DetailsDamages { get; } = [];

    /// <summary>Damages of the tree from device to mapping tree.</summary>
    public List<Damage> TopDamages { get; } = [];

    /// <summary>Reads both trees.</summary>
    /// <param name="metadata">Opened metadata.</param>
    /// <param name="entered">Called for each block of either tree.</param>
    internal static DeviceTable Load(ThinMetadata metadata, Action<ulong>? entered = null) =>
        Load(metadata, metadata.Superblock.MappingRoot.Value, metadata.Superblock.DetailsRoot.Value, entered);

    internal static DeviceTable Load(ThinMetadata metadata, ulong mappingRoot, ulong detailsRoot, Action<ulong>? entered = null)
    {
        var table = new DeviceTable();
        var details = new DetailsVisitor(table, entered);
        new TreeWalker(metadata.Device, 24).Walk(new(detailsRoot, ThinMetadata.DetailsPath), ref details);
        var top = new TopVisitor(table, entered);
        new TreeWalker(metadata.Device, 8).Walk(new(mappingRoot, ThinMetadata.TopPath), ref top);
        return table;
    }

    /// <summary>The devices that are in both trees.</summary>
    public IEnumerable<ThinDevice> Devices()
    {
        foreach (var (id, root) in Roots)
        {
            if (Details.TryGetValue(id, out var description))
                yield return new(description, root);
        }
    }

    /// <summary>The device of an id.</summary>
    /// <exception cref="ThinToolException">There is none.</exception>
    internal ThinDevice Find(ulong id, string name)
    {
        if (Details.TryGetValue(id, out var description) && Roots.TryGetValue(id, out ulong root))
            return new(description, root);
        string known = string.Join(", ", Roots.Keys.Take(12)) + (Roots.Count > 12 ? ", …" : "");
        throw new ThinToolException($"{name} has no thin device {id}; it has {(Roots.Count == 0 ? "none" : known)}");
    }

    /// <summary>Devices that only one tree knows.</summary>
    internal IEnumerable<Damage> Mismatches()
    {
        foreach (var (id, root) in Roots)
        {
            if (!Details.ContainsKey(id))
                yield return new(DamageReason.DeviceWithoutDetails, Severity.Fatal, root, $"{ThinMetadata.TopPath} > device {id}", $"device {id} has mappings but no details");
        }
        foreach (ulong id in Details.Keys)
        {
            if (!Roots.ContainsKey(id))
                yield return new(DamageReason.DeviceWithoutMappings, Severity.Fatal, 0, $"{ThinMetadata.DetailsPath} > device {id}", $"device {id} has details but no mapping tree");
        }
    }

    private struct DetailsVisitor(DeviceTable table, Action<ulong>? entered) : ITreeVisitor
    {
        private readonly HashSet<ulong> _seen = [];

        public readonly bool Enter(ulong block)
        {
            entered?.Invoke(block);
            return _seen.Add(block);
        }

        public readonly void Leaf(ulong block, BtreeNode node)
        {
            var values = node.Values<ThinDeviceDetails>();
            for (int i = 0; i < values.Length; i++)
                table.Details[node.Keys[i].Value] = DeviceDescription.Of(node.Keys[i].Value, values[i]);
        }

        public readonly void Damaged(Damage damage) => table.DetailsDamages.Add(damage);
    }

    private struct TopVisitor(DeviceTable table, Action<ulong>? entered) : ITreeVisitor
    {
        private readonly HashSet<ulong> _seen = [];

        public readonly bool Enter(ulong block)
        {
            entered?.Invoke(block);
            return _seen.Add(block);
        }

        public readonly void Leaf(ulong block, BtreeNode node)
        {
            var values = node.Values<Le<ulong>>();
            for (int i = 0; i < values.Length; i++)
                table.Roots[node.Keys[i].Value] = values[i].Value;
        }

        public readonly void Damaged(Damage damage) => table.TopDamages.Add(damage);
    }
}
