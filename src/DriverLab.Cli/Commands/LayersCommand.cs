using System.CommandLine;
using DriverLab.Cli.Layers;
using DriverLab.Cli.Output;
using DriverLab.Images;
using DriverLab.StorageDrivers;

namespace DriverLab.Cli.Commands;

/// <summary><c>driverlab layers …</c>: images and containers on a storage driver, on this machine's kernel or on the emulator.</summary>
internal sealed class LayersCommand(TextWriter output, TextWriter error)
{
    private readonly Option<string> _root = new("--root") { Description = "The store's folder on this machine.", Required = true, Recursive = true };
    private readonly Option<string> _kernel = new("--kernel") { Description = "emulated (the store is one file in the folder), or host.", DefaultValueFactory = static _ => "emulated", Recursive = true };
    private readonly Option<string?> _driver = new("--driver") { Description = $"One of {string.Join(", ", DriverCatalog.Names)}; the store's own when left out.", Recursive = true };
    private readonly Option<string[]> _opt = new("--opt") { Description = "An option of the driver, KEY=VALUE; may be repeated.", DefaultValueFactory = static _ => [], Recursive = true };
    private readonly Option<int> _wait = new("--wait") { Description = "Seconds to wait for another driverlab that has the store open.", DefaultValueFactory = static _ => 30, Recursive = true };
    private readonly Option<bool> _json = new("--json") { Description = "One JSON object a line, the last one a summary.", Recursive = true };

    public static Command Create(TextWriter output, TextWriter error) => new LayersCommand(output, error).Build();

    private Command Build()
    {
        _ = _driver.AcceptOnlyFromAmong([.. DriverCatalog.Names]);
        var image = new Argument<string>("image") { Description = "A name such as debian:12, or the beginning of an id." };
        var container = new Argument<string>("container") { Description = "A container's name." };
        var file = new Argument<string>("file") { Description = "A file; for import also a folder with an OCI layout." };
        var images = new Argument<string[]>("image") { Description = "Names or ids; all when none is given.", Arity = ArgumentArity.ZeroOrMore };
        var format = new Option<ImageFormat>("--format") { Description = "oci or docker.", DefaultValueFactory = static _ => ImageFormat.Oci };
        var compression = new Option<LayerCompression>("--compression") { Description = "none, gzip or zstd, for layers in an OCI layout.", DefaultValueFactory = static _ => LayerCompression.Gzip };
        var size = new Option<string?>("--size") { Description = "The most that the container may hold, such as 10g, where the driver can limit it." };
        var message = new Option<string>("--message") { Description = "What the history says.", DefaultValueFactory = static _ => "driverlab layers commit" };
        var name = new Argument<string>("name") { Description = "The new image's name." };
        var contents = new Option<bool>("--contents") { Description = "Also compare every file with what was imported." };
        var repair = new Option<bool>("--repair") { Description = "Do what can be done about what is found." };
        var to = new Option<string>("--to") { Description = "The driver to convert to.", Required = true };
        return new Command("layers", "Images and containers on a storage driver.")
        {
            _root, _kernel, _driver, _opt, _wait, _json,
            Verb("init", "Make an empty store.", [], (v, _) => v.Init(), create: true),
            Verb("import", "Import the images of an OCI layout or of what docker save wrote.", [file], (v, p) => v.Import(p.GetValue(file)!), create: true),
            Verb("export", "Write images to a tar; layers come out as they went in.", [file, images, format, compression], (v, p) => v.Export(p.GetValue(file)!, p.GetValue(images)!, p.GetValue(format), p.GetValue(compression))),
            Verb("images", "The images.", [], (v, _) => v.Images()),
            Verb("create", "Make a container of an image.", [container, image, size], (v, p) => v.CreateContainer(p.GetValue(container)!, p.GetValue(image)!, p.GetValue(size))),
            Verb("mount", "Mount a container and print where (host only).", [container], (v, p) => v.Mount(p.GetValue(container)!)),
            Verb("unmount", "Take that mount back.", [container], (v, p) => v.Unmount(p.GetValue(container)!)),
            Verb("apply", "Unpack a tar over a container, whiteouts honoured.", [container, file], (v, p) => v.Apply(p.GetValue(container)!, p.GetValue(file)!)),
            Verb("commit", "Make an image of a container.", [container, name, message], (v, p) => v.Commit(p.GetValue(container)!, p.GetValue(name)!, p.GetValue(message)!)),
            Verb("diff", "Write what a container changed to a tar.", [container, file], (v, p) => v.Diff(p.GetValue(container)!, p.GetValue(file)!)),
            Verb("changes", "What a container changed, as docker diff prints it.", [container], (v, p) => v.Changes(p.GetValue(container)!)),
            Verb("history", "How an image was made.", [image], (v, p) => v.History(p.GetValue(image)!)),
            Verb("tree", "Which container stands on which layers, with bytes.", [], (v, _) => v.Tree()),
            Verb("du", "Bytes of layers and containers, own and shared.", [], (v, _) => v.DiskUsage()),
            Verb("remove", "Remove a container, or an image with the layers that nothing else needs.", [name], (v, p) => v.Remove(p.GetValue(name)!)),
            Verb("gc", "Remove layers that neither images nor containers need.", [], (v, _) => v.CollectGarbage()),
            Verb("check", "Look for what is wrong with the store.", [contents, repair], (v, p) => v.Check(p.GetValue(contents), p.GetValue(repair))),
            Verb("convert", "Copy images and containers to another driver in the same folder.", [to], (v, p) => v.Convert(p.GetValue(to)!)),
        };
    }

    private Command Verb(string name, string description, Symbol[] symbols, Func<LayersVerbs, ParseResult, int> body, bool create = false)
    {
        var command = new Command(name, description);
        foreach (var symbol in symbols)
            if (symbol is Argument argument)
                command.Arguments.Add(argument);
            else
                command.Options.Add((Option)symbol);
        command.SetAction(parsed =>
        {
            var progress = new Progress(error);
            using var held = StoreLock.Take(parsed.GetValue(_root)!, create, TimeSpan.FromSeconds(parsed.GetValue(_wait)), progress);
            using var session = LayersSession.Open(parsed.GetValue(_kernel)!, parsed.GetValue(_root)!, parsed.GetValue(_driver), parsed.GetValue(_opt)!, create);
            int code = body(new LayersVerbs(session, new LayersOutput(output, parsed.GetValue(_json)), progress), parsed);
            session.Save();
            progress.Close();
            return code;
        });
        return command;
    }
}
