using System.Text.Json.Nodes;
using DriverLab.StorageDrivers;
using DriverLab.StorageDrivers.Store;

namespace DriverLab.Cli.Layers;

internal sealed partial class LayersVerbs
{
    /// <summary>Layers and containers as a tree: what stands on what, with own bytes, and how many share each layer.</summary>
    public int Tree()
    {
        foreach (var layer in Store.Layers.Where(static l => l.Parent.Length == 0))
            Branch(layer, "", "");
        foreach (var mount in Store.Mounts.Where(static m => m.Parent.Length == 0))
            Leaf(mount, "");
        output.Summary($"{Store.Layers.Count} layers, {Store.Mounts.Count} containers, {LayersOutput.Size(Store.Layers.Sum(static l => l.SizeBytes))} in layers");
        return ExitCode.Same;
    }

    private void Branch(LayerRecord layer, string indent, string mark)
    {
        string names = string.Join(' ', ImageStore.Images.Where(i => i.Chain == layer.ChainId).SelectMany(static i => i.Names));
        int users = Users(layer.ChainId);
        output.Line($"{indent}{mark}{LayersOutput.Short(layer.ChainId)}  {LayersOutput.Size(layer.SizeBytes)}{(users > 1 ? $", shared by {users}" : "")}{(names.Length > 0 ? $"  [{names}]" : "")}",
            new JsonObject { ["layer"] = layer.ChainId, ["parent"] = layer.Parent, ["bytes"] = layer.SizeBytes, ["users"] = users, ["images"] = names });
        var children = Store.Layers.Where(l => l.Parent == layer.ChainId).ToArray();
        var mounts = Store.Mounts.Where(m => m.Parent == layer.ChainId).ToArray();
        string inner = indent + mark switch { "" => "", "└─ " => "   ", _ => "│  " };
        for (int i = 0; i < children.Length; i++)
            Branch(children[i], inner, i == children.Length + mounts.Length - 1 ? "└─ " : "├─ ");
        for (int i = 0; i < mounts.Length; i++)
            Leaf(mounts[i], inner + (i == mounts.Length - 1 ? "└─ " : "├─ "));
    }

    private void Leaf(MountRecord mount, string indent)
    {
        long own = LayersSession.Value(Store.SizeOfMount(mount.Name));
        output.Line($"{indent}container {mount.Name}  {LayersOutput.Size(own)} of its own", new JsonObject { ["container"] = mount.Name, ["parent"] = mount.Parent, ["bytes"] = own });
    }

    /// <summary>Images and containers that stand on a layer, directly or not.</summary>
    private int Users(string chain) => ImageStore.Images.Count(i => StandsOn(i.Chain, chain)) + Store.Mounts.Count(m => StandsOn(m.Parent, chain));

    private bool StandsOn(string top, string chain) => top.Length > 0 && Store.Chain(top).Any(l => l.ChainId == chain);

    /// <summary>Bytes own and shared, an image or container a line.</summary>
    public int DiskUsage()
    {
        foreach (var image in ImageStore.Images)
        {
            var chain = Store.Chain(image.Chain);
            long all = chain.Sum(static l => l.SizeBytes), shared = chain.Where(l => Users(l.ChainId) > 1).Sum(static l => l.SizeBytes);
            string name = image.Names.Count > 0 ? image.Names[0] : LayersOutput.Short(image.Id);
            output.Line($"image      {name,-30} {LayersOutput.Size(all),10}  {LayersOutput.Size(shared),10} shared", new JsonObject { ["image"] = image.Id, ["bytes"] = all, ["shared"] = shared });
        }
        long containers = 0;
        foreach (var mount in Store.Mounts)
        {
            long own = LayersSession.Value(Store.SizeOfMount(mount.Name));
            containers += own;
            long shared = Store.Chain(mount.Parent).Sum(static l => l.SizeBytes);
            output.Line($"container  {mount.Name,-30} {LayersOutput.Size(own),10}  {LayersOutput.Size(shared),10} shared", new JsonObject { ["container"] = mount.Name, ["bytes"] = own, ["shared"] = shared });
        }
        long layers = Store.Layers.Sum(static l => l.SizeBytes);
        output.Summary($"{LayersOutput.Size(layers)} in {Store.Layers.Count} layers, {LayersOutput.Size(containers)} in {Store.Mounts.Count} containers", new JsonObject { ["layer_bytes"] = layers, ["container_bytes"] = containers });
        return ExitCode.Same;
    }

    /// <summary>Copies everything to another driver: layers by their archives, containers by their changes; equal chain ids are the proof.</summary>
    public int Convert(string to)
    {
        if (to == Store.Driver.Name)
            throw new UsageException($"the store is of {to} already");
        var (driver, layers, images) = session.OpenStore(to, []);
        try
        {
            foreach (var layer in Store.Layers.OrderBy(l => Store.Chain(l.ChainId).Count))
            {
                using var spool = File.Create(Path.Combine(Path.GetTempPath(), Path.GetRandomFileName()), 1 << 16, FileOptions.DeleteOnClose);
                LayersSession.Done(Store.Export(layer.ChainId, spool));
                spool.Position = 0;
                var copied = LayersSession.Value(layers.Register(layer.Parent, spool, layer.DiffId));
                if (copied.ChainId != layer.ChainId)
                    throw new InvalidOperationException($"{layer.ChainId} became {copied.ChainId}");
                progress.Report($"layer {LayersOutput.Short(layer.ChainId)} {LayersOutput.Size(layer.SizeBytes)}");
            }
            foreach (var image in ImageStore.Images)
                LayersSession.Done(images.Adopt(ImageStore, image));
            foreach (var mount in Store.Mounts.Where(m => layers.FindMount(m.Name) is null))
            {
                using var spool = File.Create(Path.Combine(Path.GetTempPath(), Path.GetRandomFileName()), 1 << 16, FileOptions.DeleteOnClose);
                LayersSession.Done(Store.Diff(mount.Name, spool));
                spool.Position = 0;
                _ = LayersSession.Value(layers.CreateMount(mount.Name, mount.Parent, LayerOptions.None));
                _ = LayersSession.Value(layers.Apply(mount.Name, spool));
            }
            if (session.IsEmulated)
                _ = driver.Cleanup();
            output.Summary($"{layers.Layers.Count} layers, {images.Images.Count} images and {layers.Mounts.Count} containers are on {to} with the same chain ids; the store of {Store.Driver.Name} is still there",
                new JsonObject { ["layers"] = layers.Layers.Count, ["images"] = images.Images.Count, ["containers"] = layers.Mounts.Count });
        }
        finally
        {
            LayersSession.Close(driver);
        }
        return ExitCode.Same;
    }
}
