return await DriverLab.Cli.CommandLine.RunAsync(args, Console.Out, Console.Error);
