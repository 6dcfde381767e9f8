using DriverLab.Benchmarks;

// driverlab-bench            the rows with BenchmarkDotNet, then the table of ratios, then memory
// driverlab-bench --quick    the same rows with a short loop of our own
// driverlab-bench --memory   only the memory rows
string[] known = ["--quick", "--memory"];
if (args.FirstOrDefault(argument => !known.Contains(argument)) is { } unknown)
{
    Console.Error.WriteLine($"bench: '{unknown}': expected {string.Join(" or ", known)}, or nothing");
    return 2;
}
if (!PrivateMounts.Entered && PrivateMounts.Enter(args) is { } code)
    return code;

if (!args.Contains("--memory"))
{
    var rows = args.Contains("--quick") ? Quick.Run() : Careful.Run();
    Report.Print(rows, Console.Out);
}
Memory.Print(Console.Out);
return 0;
