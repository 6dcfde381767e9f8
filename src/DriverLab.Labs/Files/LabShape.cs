using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using DriverLab.Rig.Images.Roots;
using DriverLab.Rig.Images.Tools;

namespace DriverLab.Labs.Files;

/// <summary>What a lab file looks like.</summary>
internal static class LabShape
{
    private const string Name = "^[a-z0-9][a-z0-9_.-]{0,19}$", NameText = "at most 20 small letters, digits, dots, dashes and underscores";
    private const string Path = "^/.*", PathText = "an absolute path";

    private static readonly TextShape s_device = new("a disk, loop device or mapped device of this machine by its name, or a path below /dev", "a name or a path");

    private static readonly ObjectShape s_emulatedDevice = new("a device of the emulated kernel: a RAM disk, or a file of this computer", [
        new("name", new TextShape("its name, for tables", NameText, Name), Required: true),
        new("ram", new SizeShape("size of a RAM disk")),
        new("file", new TextShape("a file of this computer that holds the sectors; relative to the lab file")),
        new("faults", new TextShape("faults of the device, one a line, for example: write fails EIO nth=3; read fails EIO zone=100+8; write torn nth=4 keep=1"))]);

    private static readonly ObjectShape s_emulatedTable = new("a mapped device of the emulated kernel", [
        new("name", new TextShape("its name", NameText, Name), Required: true),
        new("table", new TextShape("the table, one row a line, as dmsetup takes it; {NAME} stands for a device's number"), Required: true),
        new("messages", new ListShape("messages to the target at sector 0, before later tables are loaded", "a message", new TextShape("a message")))]);

    private static readonly ObjectShape s_disk = new("a disk", [
        new("name", new TextShape("its name: /dev/lab/NAME in the machine, and its serial number", NameText, Name), Required: true),
        new("size", new SizeShape("its size; a mapped device has the size of its table")),
        new("kind", new TextShape("file: sparse, on this computer (the default); ram: in memory; emulated: a device of DriverLab's emulated kernel, served to QEMU over NBD", Choices: ["file", "ram", "emulated"])),
        new("file", new TextShape("for kind file: where it is kept; relative to the lab file. Without it the disk goes when the lab goes")),
        new("devices", new ListShape("for kind emulated: devices below the tables", "a device", s_emulatedDevice)),
        new("tables", new ListShape("for kind emulated: mapped devices, in the order in which they are made; the last one is the disk", "a table", s_emulatedTable))]);

    private static readonly ObjectShape s_setup = new("one thing to set up", [
        new("loop", new ObjectShape("a loop device over a file", [
            new("name", new TextShape("its name: /dev/lab/NAME", NameText, Name), Required: true),
            new("file", new TextShape("the file, made sparse when it is missing", PathText, Path), Required: true),
            new("size", new SizeShape("the file's size"), Required: true)])),
        new("dm", new ObjectShape("a mapped device", [
            new("name", new TextShape("its name: /dev/mapper/NAME", NameText, Name), Required: true),
            new("table", new TextShape("the table, one row a line, as dmsetup takes it; {NAME} stands for a device's path"), Required: true)])),
        new("thin-pool", new ObjectShape("a thin pool with thin devices", [
            new("name", new TextShape("its name: /dev/mapper/NAME", NameText, Name), Required: true),
            new("metadata", s_device with { Doc = "the metadata device; its first block is zeroed, which makes a new pool" }, Required: true),
            new("data", s_device with { Doc = "the data device" }, Required: true),
            new("block", new SizeShape("size of a block; 64K when it is not given")),
            new("low-water", new NumberShape("free blocks at which the pool raises an event", 0, long.MaxValue)),
            new("features", new TextShape("pool features, as in a table: skip_block_zeroing and others")),
            new("thins", new ListShape("thin devices", "a thin device", new ObjectShape("a thin device", [
                new("name", new TextShape("its name: /dev/mapper/NAME", NameText, Name), Required: true),
                new("id", new NumberShape("its id in the pool", 0, (1 << 24) - 1), Required: true),
                new("size", new SizeShape("its size"), Required: true)])))])),
        new("btrfs", new ObjectShape("a btrfs volume, made and mounted", [
            new("devices", new ListShape("its devices", "a device", s_device), Required: true),
            new("data", new TextShape("profile for data: single, raid1 and others")),
            new("metadata", new TextShape("profile for metadata")),
            new("label", new TextShape("its label")),
            new("at", new TextShape("where it is mounted", PathText, Path), Required: true),
            new("options", new TextShape("mount options")),
            new("subvolumes", new ListShape("subvolumes, relative to the mount", "a subvolume", new TextShape("a path")))])),
        new("mount", new ObjectShape("a mount", [
            new("source", s_device with { Doc = "what is mounted: a device, or a word such as overlay" }, Required: true),
            new("type", new TextShape("file system type"), Required: true),
            new("at", new TextShape("where; folders are made", PathText, Path), Required: true),
            new("options", new TextShape("mount options")),
            new("format", new FlagShape("true to make the file system first"))])),
        new("file", new ObjectShape("a file", [
            new("path", new TextShape("where; folders are made", PathText, Path), Required: true),
            new("content", new TextShape("what it holds")),
            new("from", new TextShape("a file or folder of this computer to copy; relative to the lab file")),
            new("mode", new TextShape("permission bits in octal, as text: \"0644\"", "octal digits such as \"0644\"", "^[0-7]{3,4}$"))])),
        new("run", new TextShape("shell commands, which must end with status 0")),
    ], OneOf: true);

    private static readonly ObjectShape s_machine = new("a machine", [
        new("kernel", new TextShape("a kernel line such as \"6.12\", or a pinned version"), Required: true),
        new("memory", new SizeShape("memory; 512M when it is not given")),
        new("cpus", new NumberShape("processors", 1, 64)),
        new("root", new TextShape("a Debian root file system with a full user land instead of the small initramfs", Choices: [.. RootImages.FileSystems.Select(type => "debian-" + type)])),
        new("tools", new ListShape("tools for the initramfs beside busybox; what the setup needs is there without being named", "a set of tools", new TextShape("a set of tools", Choices: [.. ToolSet.All.Select(set => set.Name)]))),
        new("modules", new ListShape("kernel modules to load", "a module", new TextShape("a module"))),
        new("disks", new ListShape("disks", "a disk", s_disk)),
        new("setup", new ListShape("what is set up, in this order", "a setup item", s_setup))]);

    private static readonly ObjectShape s_expect = new("what a step must show", [
        new("status", new NumberShape("exit status; 0 when it is not given", 0, 255)),
        new("output", new TextShape("the whole output; blanks at the end do not matter")),
        new("contains", new ListShape("pieces of the output, in any order", "a piece", new TextShape("a piece"))),
        new("lacks", new ListShape("what the output must not have", "a piece", new TextShape("a piece"))),
        new("matches", new ListShape("regular expressions that the output must match; ^ and $ are those of lines", "an expression", new TextShape("an expression")))]);

    private static readonly ObjectShape s_step = new("a step", [
        new("say", new TextShape("what this step shows, for the reader")),
        new("on", new TextShape("the machine; the only one when it is not given", NameText, Name)),
        new("run", new TextShape("shell commands")),
        new("snapshot", new TextShape("keep the whole lab under this name", NameText, Name)),
        new("revert", new TextShape("go back to the snapshot of this name", NameText, Name)),
        new("expect", s_expect)]);

    /// <summary>A whole file.</summary>
    public static readonly ObjectShape File = new("A DriverLab lab: machines, what is set up in them, and steps with what they must show.", [
        new("lab", new TextShape("the lab's name", NameText, Name), Required: true),
        new("about", new TextShape("what the lab is for")),
        new("machines", new NamedShape("machines by name", Name, NameText, name => $"machine '{name}'", s_machine), Required: true),
        new("steps", new ListShape("steps, in this order", "a step", s_step))]);

    /// <summary>The JSON Schema that editors use.</summary>
    public static string JsonSchema()
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteString("$schema", "https://json-schema.org/draft/2020-12/schema");
            json.WriteString("title", "DriverLab lab");
            json.WriteString("description", File.Doc);
            File.Write(json);
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.ToArray()) + "\n";
    }
}
