using DriverLab.Guest;
using DriverLab.Guest.Modules;
using DriverLab.Guest.Transport;
using DriverLab.Guest.Wire;

if (Environment.GetCommandLineArgs()[0].EndsWith("modprobe", StringComparison.Ordinal))
    return ModuleLoader.Modprobe(args);

if (Environment.ProcessId != 1)
{
    Console.Error.WriteLine("driverlab-guest is process 1 of a DriverLab machine; `driverlab rig exec` starts one");
    return 2;
}

Init.MountAll();
DriverLab.Native.NativeKernel.Prepare(); // before anything that may want a random number
var loader = new ModuleLoader(ModuleIndex.Read());
// The port's own drivers first: what follows can then be told to the host.
_ = loader.Load("virtio_pci");
_ = loader.Load("virtio_console");
if (Port.Open("driverlab") is not { } port)
{
    Console.Error.WriteLine("driverlab-guest: no virtio-serial port named driverlab (is virtio_console in the image?)");
    return 1;
}
port.Send(FrameKind.Progress, 0, "loading modules");
var complaints = Init.LoadBootModules(loader);
if (RootDisk.FromCommandLine() is { } root && root.Enter(loader) is { } complaint)
    complaints.Add(complaint);
new Server(port, loader, GuestServices.Create(port), complaints).Run();
LibC.Sync();
return LibC.Reboot(LibC.RebootPowerOff);
