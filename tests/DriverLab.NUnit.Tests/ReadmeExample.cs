using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Rig.Machines;

namespace DriverLab.NUnit.Tests;

public class RenameTests
{
    [EmulatedKernel("6.12")]
    [RealKernel("6.1", "6.12")]
    public void A_file_renamed_over_itself_stays(IKernel kernel)
    {
        var root = Fd.Cwd;
        var fd = kernel.OpenAt(root, "/tmp/a"u8, OpenFlags.O_CREAT | OpenFlags.O_WRONLY, (Mode)0x1A4).Value;
        kernel.Close(fd);
        Assert.That(kernel.RenameAt2(root, "/tmp/a"u8, root, "/tmp/a"u8, 0), Is.EqualTo(Errno.OK));
    }

    [RealKernel("6.12")]
    public async Task A_file_survives_in_a_snapshot(Machine machine)
    {
        await machine.RunAsync("echo one > /tmp/file");
        await machine.SnapshotAsync("before");
        await machine.RunAsync("rm /tmp/file");
        await machine.RevertAsync("before");
        Assert.That((await machine.RunAsync("cat /tmp/file")).Output, Is.EqualTo("one\n"));
    }
}
