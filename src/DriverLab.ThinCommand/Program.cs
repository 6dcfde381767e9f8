return await DriverLab.Cli.Commands.Thin.ThinCommand.RunAsync(args, Console.Out, Console.Error);
