using DriverLab.Benchmarks;

// driverlab-bench            the rows with BenchmarkDotNet, then the table of ratios, then memory
// driverlab-bench --quick    the same rows with a short loop of our own
// driverlab-bench --memory   only the memory rows
// driverlab-bench --large    a merged directory of a million entries and a file of a TiB, beside the machine's kernel
// driverlab-bench --thin     check, dump and restore of thin metadata beside thin-provisioning-tools (and those in the folder DRIVERLAB_THIN_PEER)
// driverlab-bench --crash    states of a power cut built and judged per second
// driverlab-bench --alone [suites]  programs of the fuzzer on the emulator alone: operations and system calls a second of one processor
// driverlab-bench --layers   layers unpacked and written out beside GNU tar and umoci, a stack of 100 layers, and containers a second beside containerd's own snapshotter and Docker's overlay2
// driverlab-bench --thin-scale  their cost per mapping from 10^4 to 10^7 mappings
// driverlab-bench --thin-io  bios of 4 KiB through a thin device in process: fresh, provisioned, after a snapshot
// driverlab-bench --thin-io-scale  their cost as the number of mappings grows, 10^4 to 10^8
// driverlab-bench --nbd      4 KiB at depth 1 and 32, 1 MiB in sequence with fio, beside nbdkit and qemu-nbd
if (NbdPeers.IsWorker(args))
    return NbdPeers.Work(args);
if (args is ["--alone", .. var suites])
    return AloneRow.Print(suites, Console.Out);
string[] known = ["--thin", "--thin-scale", "--thin-io", "--thin-io-scale", "--nbd", "--quick", "--memory", "--layers", "--crash", "--large"];
if (args.FirstOrDefault(argument => !known.Contains(argument)) is { } unknown)
{
    Console.Error.WriteLine($"bench: '{unknown}': expected {string.Join(" or ", known)}, or nothing");
    return 2;
}
if (args.Contains("--thin-scale"))
    ThinPeers.PrintScale(Console.Out);
if (args.Contains("--thin"))
    return ThinPeers.Print(Console.Out);
if (args.Contains("--crash"))
    return CrashRow.Print(Console.Out);
if (args.Contains("--thin-io"))
    ThinIo.Print(Console.Out);
if (args.Contains("--thin-io-scale"))
    ThinIo.PrintScale(Console.Out, 100_000_000);
if (args.Contains("--nbd"))
    return NbdPeers.Print(Console.Out);
if (args.Contains("--thin-io") || args.Contains("--thin-io-scale") || args.Contains("--thin-scale"))
    return 0;
if (!PrivateMounts.Entered && PrivateMounts.Enter(args) is { } code)
    return code;

if (args.Contains("--layers"))
    return LayerPeers.Print(Console.Out);
if (args.Contains("--large"))
{
    Large.Print(Console.Out);
    return 0;
}
if (!args.Contains("--memory"))
{
    var rows = args.Contains("--quick") ? Quick.Run() : Careful.Run();
    Report.Print(rows, Console.Out);
}
Memory.Print(Console.Out);
return 0;
