using DriverLab.Linux.Abi;
using DriverLab.Native;
using DriverLab.StorageDrivers.Tests;

// driverlab-crash-sweep DRIVER HOME STORE [OPERATION ...]: dies at every call of each operation on this machine's kernel and looks at what is left. Prints a line for each operation; exit code 1 and a
// sentence on standard error for the first thing that is not as it must be.
if (args is not [var driver, var home, var store, .. var operations])
{
    Console.Error.WriteLine("usage: driverlab-crash-sweep DRIVER HOME STORE [OPERATION ...]");
    return 2;
}
NativeKernel.Prepare();
using var kernel = NativeKernel.NewTask();
_ = kernel.Umask(Mode.None);
var crash = new StoreCrash(driver, home, store);
try
{
    foreach (string operation in operations.Length > 0 ? operations : StoreCrash.Operations)
        Console.WriteLine($"{driver} {operation}: {crash.Sweep(kernel, operation, stride: 1)} states");
    crash.End(kernel);
    return 0;
}
catch (StoreCrashException e)
{
    Console.Error.WriteLine($"{driver}: {e.Message}");
    return 1;
}
