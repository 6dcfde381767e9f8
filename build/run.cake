// Conform and Bench: run what was built.

Task("Conform")
    .Description("the scenarios on the emulator and on a real kernel, compared")
    .IsDependentOn("Command")
    .Does(() => Run(command.FullPath, ["conform", .. userArguments]));

Task("Bench")
    .Description("each operation on the emulator, and beside it on the machine's own kernel")
    .IsDependentOn("Command")
    .Does(() => Run("dotnet", ["run", "-c", Configuration, "--project", "tests/Benchmarks", "--", .. userArguments]));
