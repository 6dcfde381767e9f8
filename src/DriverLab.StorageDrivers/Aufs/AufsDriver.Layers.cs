using DriverLab.Linux;
using DriverLab.StorageDrivers.Layers;

namespace DriverLab.StorageDrivers.Aufs;

public sealed partial class AufsDriver
{
    /// <summary>The layer's own directory where the parent is its direct parent; otherwise both trees are walked.</summary>
    public DriverError? Diff(string id, string parent, Stream tar)
    {
        if (KnownPair("diff", id, parent) is { } bad)
            return bad;
        if (!IsParent(id, parent))
            return NaiveDiff.Diff(this, _kernel, id, parent, tar);
        var items = UpperTree.Items(_kernel, DiffOf(id), TreeFormat.Aufs);
        return items.IsOk ? LayerExport.Write(_kernel, DiffOf(id), items.Value, tar) : items.Error;
    }

    /// <inheritdoc/>
    public DriverResult<IReadOnlyList<Change>> Changes(string id, string parent) =>
        KnownPair("changes", id, parent) is { } bad ? bad : NaiveDiff.Changes(this, _kernel, id, parent);

    /// <inheritdoc/>
    public DriverResult<ApplyResult> ApplyDiff(string id, string parent, Stream tar)
    {
        if (KnownPair("apply", id, parent) is { } bad)
            return bad;
        return IsParent(id, parent)
            ? LayeredApply.Own(this, _kernel, DiffOf(id), parent, tar, TreeFormat.Aufs, _options.Limits)
            : LayeredApply.Merged(this, _kernel, id, tar, _options.Limits);
    }

    /// <inheritdoc/>
    public DriverResult<long> DiffSize(string id, string parent)
    {
        if (KnownPair("diffsize", id, parent) is { } bad)
            return bad;
        return IsParent(id, parent) ? TreeSize.OfTree(_kernel, DiffOf(id)) : NaiveDiff.Size(this, _kernel, id, parent);
    }

    /// <inheritdoc/>
    public DriverResult<LayerMount> MountOf(string id, bool readOnly)
    {
        if (Known("mounts", id) is { } bad)
            return bad;
        var ancestors = AncestorsOf(id);
        if (!ancestors.IsOk)
            return ancestors.Error!;
        if (ancestors.Value.Count == 0)
            return new LayerMount("bind", DiffOf(id), [readOnly ? "ro" : "rw", "rbind"]);
        var mount = AufsMount.Build(DiffOf(id), [.. ancestors.Value.Select(DiffOf)], _words, topIsWritable: !readOnly);
        return mount.Appends.Count == 0 ? new LayerMount("aufs", "none", mount.Data.Split(','))
            : new DriverError("mounts", id, Errno.EINVAL, "more branches than one mount takes");
    }

    /// <inheritdoc/>
    public DriverResult<LayerUsage> UsageOf(string id, string parent) =>
        KnownPair("usage", id, parent) is { } bad ? bad : NaiveDiff.Usage(this, _kernel, id, parent);

    private DriverError? KnownPair(string call, string id, string parent) => Known(call, id) ?? (parent.Length == 0 ? null : Known(call, parent));

    private bool IsParent(string id, string parent)
    {
        var ancestors = AncestorsOf(id);
        return ancestors.IsOk && (ancestors.Value.Count == 0 ? parent.Length == 0 : ancestors.Value[0] == parent);
    }
}
