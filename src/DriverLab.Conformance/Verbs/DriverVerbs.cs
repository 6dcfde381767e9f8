using System.Text;
using DriverLab.Conformance.Running;
using DriverLab.Linux;
using DriverLab.StorageDrivers;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Layers;

namespace DriverLab.Conformance.Verbs;

/// <summary>Storage drivers: <c>driver overlay2 create layer parent</c>. The driver's name comes before the operation in a scenario and is argument 0 here.</summary>
/// <remarks>A failure's outcome begins with the errno; behind it stand the call and its subject as the driver names them, which are the same on all kernels.</remarks>
internal static class DriverVerbs
{
    private static readonly Parameter s_driver = P.Choice("driver", [.. DriverCatalog.Names]);
    private static readonly Parameter s_layer = P.Name("layer");
    private static readonly Parameter s_parent = P.Name("parent").Optional();

    public static IReadOnlyList<Verb> All { get; } =
    [
        new("driver init", [s_driver, P.Path("home")], "Opens a driver's home, with the driver's own options as key=value; link ids come from a fixed seed.", Init) { TakesRest = true },
        new("driver create", [s_driver, s_layer, s_parent], "Makes a layer from a parent; 'rw' a container's writable one, size= its limit.", Create) { Options = [P.Switch("rw"), P.Data("size")] },
        new("driver get", [s_driver, s_layer], "The layer's directory, mounted if need be.", Get) { Returns = "path" },
        new("driver put", [s_driver, s_layer], "Takes one get back.", static c => With(c, static (d, c) => Outcome(d.Put(c.Text(1))))),
        new("driver remove", [s_driver, s_layer], "Deletes a layer.", static c => With(c, static (d, c) => Outcome(d.Remove(c.Text(1))))),
        new("driver exists", [s_driver, s_layer], "True when the id names a layer.", static c => With(c, static (d, c) => d.Exists(c.Text(1)) ? "ok true" : "ok false")),
        new("driver status", [s_driver], "What docker info prints of a driver.", static c => With(c, static (d, c) => Pairs(c, d.Status(), "Pool Name"))) { Returns = "pool" },
        new("driver metadata", [s_driver, s_layer], "The layer's directories by role, or its device.", static c => With(c, Metadata)) { Returns = "device" },
        new("driver cleanup", [s_driver], "Releases what the driver holds.", static c => With(c, static (d, _) => Outcome(d.Cleanup()))),
        new("driver diff", [s_driver, s_layer, s_parent], "The layer as a tar relative to a parent, or whole: one line an entry unless 'brief'; to= also writes it to a file.", Diff)
        {
            Options = [P.Path("to"), P.Switch("brief")],
        },
        new("driver changes", [s_driver, s_layer, s_parent], "The paths that differ from a parent, as docker diff prints them.", static c => With(c, Changes)) { Options = [P.Switch("brief")] },
        new("driver diffsize", [s_driver, s_layer, s_parent], "Bytes of the files that differ.", static c => With(c, DiffSize)),
        new("driver apply", [s_driver, s_layer, P.Data("source")], "Unpacks an archive over a layer: one that 'layer' verbs made, a file of the sandbox by its absolute path, or asset:NAME.", Apply)
        {
            Options = [P.Name("parent")],
        },
    ];

    private static string Init(StepContext c)
    {
        string name = c.Text(0), home = c.Text(1);
        var words = c.Step.Options.Select(o => o.Value is { } value ? $"{o.Key}={Encoding.UTF8.GetString(c.Expand(value))}" : o.Key).ToList();
        var opened = DriverCatalog.Open(c.Task, name, home, new IdSource(1), words);
        if (name == "devicemapper")
            ThinDevices.NoteHome(c, c.Bytes(1));
        if (!opened.IsOk)
            return c.Run.Labels.InNames(Outcome(opened.Error));
        c.Run.Drivers[name] = opened.Value;
        return "ok";
    }

    private static string Create(StepContext c) => With(c, static (driver, c) =>
    {
        var options = LayerOptions.Parse(c.Has("size") ? [$"size={c.Text("size", "")}"] : []);
        if (!options.IsOk)
            return Outcome(options.Error);
        string id = c.Text(1), parent = c.Text(2, "");
        return Outcome(c.Has("rw") ? driver.CreateReadWrite(id, parent, options.Value) : driver.Create(id, parent, options.Value));
    });

    private static string Get(StepContext c) => With(c, static (driver, c) =>
    {
        var path = driver.Get(c.Text(1));
        c.SetResult(path.IsOk ? path.Value : "/nowhere");
        return path.IsOk ? $"ok {path.Value}" : Outcome(path.Error);
    });

    private static string Metadata(IStorageDriver driver, StepContext c)
    {
        var metadata = driver.Metadata(c.Text(1));
        return metadata.IsOk ? Pairs(c, metadata.Value, "DeviceName") : Outcome(metadata.Error);
    }

    /// <summary>Pairs as details; the value of one key is the step's result.</summary>
    private static string Pairs(StepContext c, IReadOnlyList<KeyValuePair<string, string>> pairs, string result)
    {
        c.SetResult(pairs.FirstOrDefault(pair => pair.Key == result).Value ?? "none");
        foreach (var (key, value) in pairs)
            c.Detail(key, Render.Text(c.Run.Labels.InNames(value)));
        return $"ok {pairs.Count}";
    }

    private static string Changes(IStorageDriver driver, StepContext c)
    {
        var changes = driver.Changes(c.Text(1), c.Text(2, ""));
        if (!changes.IsOk)
            return Outcome(changes.Error);
        if (!c.Has("brief"))
            foreach (var change in changes.Value)
                c.Detail(Render.Name(change.Path), change.Kind.ToString());
        string all = string.Join('\n', changes.Value);
        return $"ok {changes.Value.Count} digest:{TestData.Digest(Encoding.UTF8.GetBytes(all)):x16}";
    }

    private static string DiffSize(IStorageDriver driver, StepContext c)
    {
        var size = driver.DiffSize(c.Text(1), c.Text(2, ""));
        return size.IsOk ? $"ok {size.Value}" : Outcome(size.Error);
    }

    private static string Diff(StepContext c) => With(c, static (driver, c) =>
    {
        using var tar = new MemoryStream();
        if (driver.Diff(c.Text(1), c.Text(2, ""), tar) is { } error)
            return Outcome(error);
        if (c.Bytes("to") is { } path && Save(c.Task, path, tar.GetBuffer().AsSpan(0, (int)tar.Length)) is not Errno.OK and var failed)
            return Render.Of(failed) + " at to=";
        tar.Position = 0;
        return LayerListing.Of(c, tar);
    });

    private static string Apply(StepContext c) => With(c, static (driver, c) =>
    {
        var (archive, problem) = LayerSource.Open(c, c.Text(2));
        if (archive is null)
            return problem;
        using (archive)
        {
            string id = c.Text(1), parent = c.Text("parent", "");
            var result = driver.ApplyDiff(id, parent, archive);
            if (!result.IsOk)
                return Outcome(result.Error);
            var (bytes, entries, xattrs, nodes) = result.Value;
            return $"ok {entries} entries {bytes} bytes" + (xattrs > 0 ? $" {xattrs} xattrs dropped" : "") + (nodes > 0 ? $" {nodes} nodes dropped" : "");
        }
    });

    private static Errno Save(IKernel task, byte[] path, ReadOnlySpan<byte> data)
    {
        using var file = KernelStream.Create(task, path, out var error);
        file?.Write(data);
        return error;
    }

    private static string With(StepContext c, Func<IStorageDriver, StepContext, string> body)
    {
        if (!c.Run.Drivers.TryGetValue(c.Text(0), out var driver))
            throw new ScenarioRunException($"driver {c.Text(0)} has not been opened; 'driver {c.Text(0)} init HOME' comes first");
        string outcome = c.Run.Labels.InNames(body(driver, c));
        ThinDevices.NoteAll(c);
        return outcome;
    }

    /// <summary><c>ok</c>, or the errno with what the driver says.</summary>
    private static string Outcome(DriverError? error) => error is null ? "ok" : Render.Text($"{error.Errno} {error.Call} {error.Subject}{(error.Detail is null ? "" : $" ({error.Detail})")}");
}
