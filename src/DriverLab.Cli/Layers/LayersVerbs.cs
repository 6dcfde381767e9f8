using System.Text.Json.Nodes;
using DriverLab.Cli.Output;
using DriverLab.Images;
using DriverLab.StorageDrivers;
using DriverLab.StorageDrivers.Store;

namespace DriverLab.Cli.Layers;

/// <summary>The verbs of <c>driverlab layers</c> on an open store: each prints what it did or found and gives the exit code.</summary>
internal sealed partial class LayersVerbs(LayersSession session, LayersOutput output, Progress progress)
{
    private LayerStore Store => session.Layers;

    private ImageStore ImageStore => session.Images;

    public int Init()
    {
        output.Summary($"a store of {Store.Driver.Name} with {Store.Layers.Count} layers and {Store.Mounts.Count} containers", new JsonObject { ["driver"] = Store.Driver.Name });
        return ExitCode.Same;
    }

    public int Import(string file)
    {
        using var parts = ImageParts.Of(file);
        int isNew = 0;
        var images = LayersSession.Value(ImageStore.Import(parts.Open, (number, of, layer, added) =>
        {
            isNew += added ? 1 : 0;
            progress.Report($"layer {number} of {of}: {LayersOutput.Short(layer.ChainId)} {LayersOutput.Size(layer.SizeBytes)}{(added ? "" : ", there already")}");
        }));
        foreach (var image in images)
            PrintImage(image);
        output.Summary($"{images.Count} images, {isNew} new layers", new JsonObject { ["images"] = images.Count, ["new_layers"] = isNew });
        return ExitCode.Same;
    }

    private void PrintImage(ImageRecord image) => output.Line(
        $"{LayersOutput.Short(image.Id)}  {(image.Names.Count == 0 ? "<no name>" : string.Join(' ', image.Names))}  {image.DiffIds.Count} layers",
        new JsonObject { ["image"] = image.Id, ["names"] = new JsonArray([.. image.Names.Select(static n => (JsonNode?)n)]), ["layers"] = image.DiffIds.Count, ["chain"] = image.Chain });

    public int Images()
    {
        foreach (var image in ImageStore.Images)
            PrintImage(image);
        output.Summary($"{ImageStore.Images.Count} images");
        return ExitCode.Same;
    }

    public int Export(string file, string[] names, ImageFormat format, LayerCompression compression)
    {
        var images = names.Length == 0 ? ImageStore.Images : [.. names.Select(n => LayersSession.Value(ImageStore.Find(n)))];
        if (images.Count == 0)
            throw new UsageException("there are no images to export; import one first");
        string aside = file + ".new";
        DriverError? error;
        using (var stream = File.Create(aside))
            error = ImageStore.Export(images, format, compression, stream);
        if (error is not null)
            File.Delete(aside); // an old file stays as it was
        LayersSession.Done(error);
        File.Move(aside, file, overwrite: true);
        output.Summary($"{images.Count} images in {file}, {LayersOutput.Size(new FileInfo(file).Length)}", new JsonObject { ["images"] = images.Count, ["bytes"] = new FileInfo(file).Length });
        return ExitCode.Same;
    }

    public int CreateContainer(string name, string image, string? size)
    {
        var options = LayersSession.Value(LayerOptions.Parse(size is null ? [] : ["size=" + size]));
        var mount = LayersSession.Value(Store.CreateMount(name, LayersSession.Value(ImageStore.Find(image)).Chain, options));
        output.Line($"{mount.Name} on {LayersOutput.Short(mount.Parent)}", new JsonObject { ["container"] = mount.Name, ["chain"] = mount.Parent, ["layer"] = mount.MountId });
        return ExitCode.Same;
    }

    public int Mount(string name)
    {
        if (session.IsEmulated)
            throw new UsageException("a mount of the emulated kernel ends with the command; use 'layers apply' to change a container there, or --kernel host");
        string path = LayersSession.Value(Store.Mount(name));
        output.Line(path, new JsonObject { ["container"] = name, ["path"] = path });
        return ExitCode.Same;
    }

    public int Unmount(string name)
    {
        LayersSession.Done(Store.Unmount(name));
        output.Summary($"{name} is unmounted");
        return ExitCode.Same;
    }

    public int Apply(string name, string file)
    {
        if (!File.Exists(file))
            throw new UsageException($"{file} does not exist; expected a tar");
        using var archive = File.OpenRead(file);
        var applied = LayersSession.Value(Store.Apply(name, archive));
        output.Summary($"{applied.Entries} entries, {LayersOutput.Size(applied.Bytes)}", new JsonObject { ["entries"] = applied.Entries, ["bytes"] = applied.Bytes });
        return ExitCode.Same;
    }

    public int Commit(string container, string name, string message)
    {
        PrintImage(LayersSession.Value(ImageStore.Commit(container, name, message, TimeProvider.System)));
        return ExitCode.Same;
    }

    public int Diff(string container, string file)
    {
        using (var stream = File.Create(file))
            LayersSession.Done(Store.Diff(container, stream));
        output.Summary($"{file}, {LayersOutput.Size(new FileInfo(file).Length)}", new JsonObject { ["bytes"] = new FileInfo(file).Length });
        return ExitCode.Same;
    }

    public int Changes(string container)
    {
        foreach (var change in LayersSession.Value(Store.Changes(container)))
            output.Line(change.ToString(), new JsonObject { ["kind"] = change.Kind.ToString().ToLowerInvariant(), ["path"] = ByteText.Show(change.Path) });
        output.Summary("");
        return ExitCode.Same;
    }

    public int History(string image)
    {
        foreach (var step in ImageStore.History(LayersSession.Value(ImageStore.Find(image))))
            output.Line($"{(step.Layer.Length == 0 ? "            " : LayersOutput.Short(step.Layer))}  {step.Created,-20}  {LayersOutput.Size(step.SizeBytes),10}  {step.CreatedBy}",
                new JsonObject { ["layer"] = step.Layer, ["created"] = step.Created, ["bytes"] = step.SizeBytes, ["created_by"] = step.CreatedBy });
        return ExitCode.Same;
    }

    public int Remove(string name)
    {
        if (Store.FindMount(name) is not null)
        {
            LayersSession.Done(Store.RemoveMount(name));
            output.Summary($"container {name} is gone");
            return ExitCode.Same;
        }
        var removed = LayersSession.Value(ImageStore.Remove(name));
        foreach (string chain in removed)
            output.Line($"layer {LayersOutput.Short(chain)}", new JsonObject { ["layer"] = chain });
        output.Summary($"image {name} is gone, and {removed.Count} layers", new JsonObject { ["layers"] = removed.Count });
        return ExitCode.Same;
    }

    public int CollectGarbage()
    {
        var removed = LayersSession.Value(ImageStore.CollectGarbage());
        foreach (string chain in removed)
            output.Line($"layer {LayersOutput.Short(chain)}", new JsonObject { ["layer"] = chain });
        output.Summary($"{removed.Count} layers removed", new JsonObject { ["layers"] = removed.Count });
        return ExitCode.Same;
    }

    public int Check(bool contents, bool repair)
    {
        var faults = LayersSession.Value(Store.Check(contents, repair));
        foreach (var fault in faults)
            output.Line(fault.ToString(), new JsonObject { ["kind"] = fault.Kind, ["subject"] = fault.Subject, ["detail"] = fault.Detail, ["repair"] = fault.Repair });
        int left = repair ? LayersSession.Value(Store.Check(contents)).Count : faults.Count;
        output.Summary(faults.Count == 0 ? "nothing is wrong" : $"{faults.Count} faults{(repair ? $", {left} left" : "; --repair does what can be done")}",
            new JsonObject { ["faults"] = faults.Count, ["left"] = left });
        return left == 0 ? ExitCode.Same : ExitCode.Different;
    }
}
