using DriverLab.Linux;

namespace DriverLab.StorageDrivers.Layers;

/// <summary>Diff, changes and sizes by walking two merged trees: for drivers, and pairs of layers, that know no better.</summary>
/// <remarks>Unlike Docker, nothing waits for the next second at the end: exported times keep their nanoseconds, and only a tree whose times have none could be misread.</remarks>
internal static class NaiveDiff
{
    /// <summary>Writes the difference as a tar.</summary>
    public static DriverError? Diff(IStorageDriver driver, IKernel kernel, string id, string parent, Stream tar) =>
        WithTrees(driver, kernel, id, parent, (root, found) => LayerExport.Write(kernel, root, LayerItem.FromChanges(found), tar));

    /// <summary>Lists the difference.</summary>
    public static DriverResult<IReadOnlyList<Change>> Changes(IStorageDriver driver, IKernel kernel, string id, string parent)
    {
        IReadOnlyList<Change> changes = [];
        var error = WithTrees(driver, kernel, id, parent, (_, found) =>
        {
            changes = found.Changes;
            return null;
        });
        return error is null ? DriverResult.Of(changes) : error;
    }

    /// <summary>Bytes of the regular files that were added or changed.</summary>
    public static DriverResult<long> Size(IStorageDriver driver, IKernel kernel, string id, string parent)
    {
        long bytes = 0;
        var error = WithTrees(driver, kernel, id, parent, (root, found) =>
        {
            var measured = TreeSize.OfChanges(kernel, root, found.Changes);
            bytes = measured.Value;
            return measured.Error;
        });
        return error is null ? bytes : error;
    }

    /// <summary>Bytes of the regular files that were added or changed, and how many names were.</summary>
    public static DriverResult<LayerUsage> Usage(IStorageDriver driver, IKernel kernel, string id, string parent)
    {
        long names = 1;
        var size = default(DriverResult<long>);
        var error = WithTrees(driver, kernel, id, parent, (root, found) =>
        {
            foreach (var change in found.Changes)
                names += change.Kind == ChangeKind.Delete ? 0 : 1;
            size = TreeSize.OfChanges(kernel, root, found.Changes);
            return size.Error;
        });
        return error is null ? new LayerUsage(size.Value, names) : error;
    }

    private static DriverError? WithTrees(IStorageDriver driver, IKernel kernel, string id, string parent, Func<string, TreeChanges, DriverError?> body)
    {
        var now = driver.Get(id);
        if (!now.IsOk)
            return now.Error;
        var error = WithParent(driver, kernel, now.Value, parent, body);
        return driver.Put(id) ?? error;
    }

    private static DriverError? WithParent(IStorageDriver driver, IKernel kernel, string now, string parent, Func<string, TreeChanges, DriverError?> body)
    {
        if (parent.Length == 0)
            return Walk(kernel, now, null, body);
        var then = driver.Get(parent);
        if (!then.IsOk)
            return then.Error;
        var error = Walk(kernel, now, then.Value, body);
        return driver.Put(parent) ?? error;
    }

    private static DriverError? Walk(IKernel kernel, string now, string? then, Func<string, TreeChanges, DriverError?> body)
    {
        var found = TreeChanges.Find(kernel, now, then);
        if (!found.IsOk)
            return found.Error;
        using var changes = found.Value;
        return body(now, changes);
    }
}
