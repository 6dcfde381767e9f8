using System.Buffers.Binary;
using System.Text;
using DriverLab.Guest.Wire;
using DriverLab.Rig.Cache;
using DriverLab.Rig.Images;
using DriverLab.Rig.Kernels;
using DriverLab.Rig.Machines;

namespace DriverLab.Rig.Tests;

/// <summary>Archives, modules and their order, images in the cache.</summary>
public class ImageTests
{
    [Test]
    public void The_same_entries_give_the_same_archive()
    {
        byte[] first = Archive(), second = Archive();
        Assert.That(second, Is.EqualTo(first));
        Assert.That(first.Length % 512, Is.Zero);
        string text = Encoding.ASCII.GetString(first);
        Assert.That(text, Does.StartWith("07070100000001000041ED"));
        Assert.That(text.IndexOf("a/b/file\0", StringComparison.Ordinal) % 4, Is.EqualTo(110 % 4), "a header begins on a multiple of four");
        Assert.That(text, Does.Contain("TRAILER!!!"));

        static byte[] Archive()
        {
            using var stream = new MemoryStream();
            var cpio = new CpioWriter(stream);
            cpio.AddFile("/a/b/file", "hello"u8, 0x1A4);
            cpio.AddDirectory("a/b");
            cpio.AddLink("a/link", "b/file");
            cpio.Finish();
            return stream.ToArray();
        }
    }

    [Test]
    public async Task Modules_come_after_what_they_need_and_built_in_ones_are_left_out()
    {
        using var folder = new TemporaryFolder();
        Module(folder, "dm-thin-pool", "depends=dm-mod,dm-persistent-data", "alias=dm-thin");
        Module(folder, "dm-persistent-data", "depends=libcrc32c,dm-mod");
        Module(folder, "dm-mod", "depends=", "alias=devname:mapper/control", "alias=pci:v*");
        Module(folder, "libcrc32c", "depends=", "softdep=pre: crc32c post: other");
        Module(folder, "crc32c", "depends=");
        _ = folder.Write("modules.builtin", "kernel/fs/ext4/ext4.ko\nkernel/drivers/virtio/virtio_pci.ko\n");

        var tree = new ModuleTree(folder.Path);
        var order = await tree.ResolveAsync(["virtio_pci", "dm_thin_pool", "dm-mod", "missing"], default);
        Assert.That(order.Select(module => module.Info.Name), Is.EqualTo(new[] { "dm_mod", "crc32c", "libcrc32c", "dm_persistent_data", "dm_thin_pool" }));
        Assert.That(order[0].Info.Aliases, Is.EqualTo(new[] { "devname:mapper/control" }), "patterns are for hardware");
        Assert.That(tree.IsBuiltIn("ext4"));
        Assert.That(ModuleLists.Dep(order), Is.EqualTo("""
            dm_mod.ko:
            crc32c.ko:
            libcrc32c.ko: crc32c.ko
            dm_persistent_data.ko: dm_mod.ko libcrc32c.ko crc32c.ko
            dm_thin_pool.ko: dm_persistent_data.ko libcrc32c.ko crc32c.ko dm_mod.ko

            """), "all that a module needs, the last to be loaded first");
    }

    [Test]
    public void A_module_that_is_none_is_named()
    {
        Assert.That(Assert.Throws<RigException>(() => ModuleInfo.Parse("x.ko", "not an ELF file"u8))!.Message, Does.StartWith("x.ko is no kernel module"));
        byte[] cut = Elf("depends=\0")[..70];
        Assert.That(Assert.Throws<RigException>(() => ModuleInfo.Parse("x.ko", cut))!.Message, Does.StartWith("x.ko is a damaged kernel module"));
    }

    [Test]
    public async Task An_image_is_made_once_made_again_when_damaged_and_anew_when_an_input_changes()
    {
        if (!File.Exists("/bin/busybox"))
            Assert.Ignore("no /bin/busybox: install busybox-static");
        using var folder = new TemporaryFolder();
        var cache = new RigCache(folder.Path);
        var builder = new ImageBuilder(cache, new KernelStore(cache, KernelCatalogue.BuiltIn()));
        Module(folder, "loop", "depends=", "alias=devname:loop-control");
        var kernel = new KernelEntry("6.1", "6.1.0", "file", folder.Write("vmlinuz", "k"), folder.Path, "digest", new("6.1", new(6, 1)));
        string guest = folder.Write("guest", "program");

        var first = await builder.BuildAsync(kernel, guest, new(), null, default);
        byte[] bytes = File.ReadAllBytes(first.File);
        Assert.That(Encoding.UTF8.GetString(bytes), Does.Contain("loop\t/lib/modules/6.1.0/loop.ko\t\tdevname:loop_control\n").And.Contain("alias devname:loop_control loop\n"));
        var made = File.GetLastWriteTimeUtc(first.File);
        _ = await builder.BuildAsync(kernel, guest, new(), null, default);
        Assert.That(File.GetLastWriteTimeUtc(first.File), Is.EqualTo(made), "made once");

        File.WriteAllText(first.File, "damaged");
        var repaired = await builder.BuildAsync(kernel, guest, new(), null, default);
        Assert.That(repaired.File, Is.EqualTo(first.File));
        Assert.That(File.ReadAllBytes(repaired.File), Is.EqualTo(bytes), "made again, bit for bit");

        File.WriteAllText(guest, "another program");
        Assert.That((await builder.BuildAsync(kernel, guest, new(), null, default)).Digest, Is.Not.EqualTo(first.Digest));
        var asset = new ImageFile("/layers/one.tar", folder.Write("one.tar", "tar"));
        Assert.That((await builder.BuildAsync(kernel, guest, new() { Files = [asset] }, null, default)).Digest, Is.Not.EqualTo(first.Digest));
        var missing = new ImageFile("/x", folder.Path + "/nowhere");
        _ = await Assert.ThrowsAsync<RigUsageException>(() => builder.BuildAsync(kernel, guest, new() { Files = [missing] }, null, default));
    }

    [Test]
    public void Frames_survive_the_wire_and_noise_is_noticed()
    {
        Span<byte> bytes = stackalloc byte[FrameHeader.Size];
        var header = new FrameHeader(12345, FrameKind.TraceLine, 77);
        header.Write(bytes);
        Assert.That(FrameHeader.TryRead(bytes, out var read) && read == header);
        bytes[0] ^= 1;
        Assert.That(FrameHeader.TryRead(bytes, out _), Is.False);
        Assert.That(Payload.ReadWords(Payload.Words(["sh", "-c", "", "a b"])), Is.EqualTo(new[] { "sh", "-c", "", "a b" }));
        Payload.ReadFile(Payload.File("/a", 0x1A4, true, "text"u8), out string path, out uint mode, out bool append, out var content);
        Assert.That((path, mode, append, Encoding.UTF8.GetString(content)), Is.EqualTo(("/a", 0x1A4u, true, "text")));
    }

    [Test]
    public void A_panic_is_found_with_the_oops_before_it()
    {
        var console = new ConsoleTail();
        Assert.That(console.Panic(), Is.Null);
        console.Add("[1.0] BUG: kernel NULL pointer dereference, address: 0000\r\n[1.1] RIP: x\r\n[1.2] Kernel panic - not syncing: Fatal exception\r\n"u8);
        Assert.That(console.Panic(), Is.EqualTo("BUG: kernel NULL pointer dereference, address: 0000 (Fatal exception)"));
        Assert.That(console.Tail(1), Does.StartWith("[1.0] BUG"), "the tail reaches back to the oops");
        console.Add(new byte[200 << 10]);
        Assert.That(console.Panic(), Is.Null, "the ring forgets");
    }

    private static void Module(TemporaryFolder folder, string name, params string[] info)
    {
        string file = folder.Write($"kernel/drivers/{name}.ko", "");
        File.WriteAllBytes(file, Elf(string.Join('\0', info) + "\0"));
    }

    /// <summary>The smallest file with a .modinfo section: header, two contents, three section headers.</summary>
    private static byte[] Elf(string info)
    {
        byte[] names = Encoding.ASCII.GetBytes("\0.modinfo\0.shstrtab\0"), content = Encoding.ASCII.GetBytes(info);
        int table = 64 + names.Length + content.Length;
        var elf = new byte[table + (3 * 64)];
        "\u007fELF\u0002\u0001"u8.CopyTo(elf);
        BinaryPrimitives.WriteInt64LittleEndian(elf.AsSpan(0x28), table);
        BinaryPrimitives.WriteUInt16LittleEndian(elf.AsSpan(0x3C), 3);
        BinaryPrimitives.WriteUInt16LittleEndian(elf.AsSpan(0x3E), 2);
        names.CopyTo(elf, 64);
        content.CopyTo(elf, 64 + names.Length);
        Section(1, 1, 64 + names.Length, content.Length);
        Section(2, 10, 64, names.Length);
        return elf;

        void Section(int index, int name, int offset, int size)
        {
            var at = elf.AsSpan(table + (index * 64));
            BinaryPrimitives.WriteInt32LittleEndian(at, name);
            BinaryPrimitives.WriteInt64LittleEndian(at[0x18..], offset);
            BinaryPrimitives.WriteInt64LittleEndian(at[0x20..], size);
        }
    }
}
