using System.Diagnostics;
using System.Runtime.InteropServices;
using DriverLab.Rig;
using DriverLab.Rig.Machines;
using DriverLab.Testing;

namespace DriverLab.Cli.Tests;

/// <summary><c>driverlab layers --kernel host</c> inside a machine, where the kernel has device-mapper: the command itself runs there, with the .NET runtime of this test beside it.</summary>
[NonParallelizable]
[Category("long")]
public sealed class LayersInMachineTests
{
    private const string Options = "--root /store --kernel host --driver devicemapper --opt dm.basesize=64m --opt dm.loopdatasize=1g --opt dm.loopmetadatasize=16m";

    [Test]
    public async Task A_container_lives_on_devicemapper_by_separate_commands()
    {
        await using var guest = await StartAsync();
        string folder = Directory.CreateTempSubdirectory("driverlab-layers-").FullName;
        try
        {
            Bundle($"{folder}/bundle.tar");
            await File.WriteAllBytesAsync($"{folder}/image.tar", LayersCommandTests.Image());
            await guest.CopyInAsync($"{folder}/bundle.tar", "/tmp/bundle.tar");
            await guest.CopyInAsync($"{folder}/image.tar", "/tmp/image.tar");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
        _ = await Run("tar -xf /tmp/bundle.tar -C / && rm /tmp/bundle.tar");
        Assert.That(await Layers("import /tmp/image.tar"), Does.Contain("demo:1"));
        _ = await Layers("create box demo:1");
        string root = (await Layers("mount box")).Trim();
        Assert.That(await Run($"cat {root}/etc/name {root}/new; ls {root}/etc; echo -n mine! > {root}/mine; grep -c ' {root[..root.LastIndexOf('/')]} ext4 ' /proc/mounts"), Is.EqualTo("twonewname\n1\n"));
        _ = await Layers("unmount box");
        Assert.That(await Layers("changes box"), Does.StartWith("A /mine\n"));
        _ = await Layers("commit box mine:1");
        Assert.That(await Layers("tree"), Does.Contain("[mine:1]").And.Contain("container box"));
        Assert.That(await Layers("check --contents"), Is.EqualTo("nothing is wrong\n"));
        Assert.That(await Layers("remove box"), Is.EqualTo("container box is gone\n"));
        Assert.That(await Run("ls /dev/mapper; cat /sys/block/loop*/loop/backing_file 2>/dev/null; true"), Is.EqualTo("control\n"), "each command takes its devices away");

        async Task<string> Run(string shell)
        {
            var result = await guest.RunAsync(shell);
            Assert.That(result.Status, Is.Zero, $"{shell}: {result.Output}{result.Errors}");
            return result.Output;
        }

        Task<string> Layers(string verb) => Run($"DOTNET_EnableDiagnostics=0 DOTNET_TieredPGO=0 {Runtime}/dotnet /driverlab/driverlab.dll layers {Options} {verb}");
    }

    private static string Runtime => Path.GetFullPath(RuntimeEnvironment.GetRuntimeDirectory() + "../../..");

    /// <summary>The command, the runtime, and the libraries of this machine that the runtime is linked to or loads.</summary>
    private static void Bundle(string archive)
    {
        const string script = """
            set -e
            libraries=$(ldd "$2/dotnet" "$2"/host/fxr/*/*.so "$3"/*.so | grep -oE '[[:space:]]/lib[^ :]*' | sort -u | cut -c3-)
            tar -chf "$1" --exclude='*.pdb' --exclude='*.xml' --transform "s,^${4#/},driverlab," -C / $libraries lib/x86_64-linux-gnu/libssl.so.3 lib/x86_64-linux-gnu/libcrypto.so.3 "${2#/}/dotnet" "${2#/}/host" "${2#/}/shared" "${4#/}"
            """;
        using var process = Process.Start(new ProcessStartInfo("bash", ["-c", script, "bundle", archive, Runtime, RuntimeEnvironment.GetRuntimeDirectory(), TestContext.CurrentContext.TestDirectory]))!;
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.Zero, "tar");
    }

    private static async Task<Machine> StartAsync()
    {
        try
        {
            return await Machine.StartAsync("6.12", new() { MemoryMiB = 2048 });
        }
        catch (RigException e) when (e is not MachineException and not RigUsageException)
        {
            NoRig.Ignore(e);
            throw;
        }
    }
}
