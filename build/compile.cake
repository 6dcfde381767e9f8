// Restore, Guest, Thin, Command, Build.

FilePath guest = artifacts.Combine("guest").CombineWithFilePath("driverlab-guest");
FilePath thin = artifacts.Combine("thin").CombineWithFilePath("driverlab-thin");
FilePath command = artifacts.CombineWithFilePath("driverlab");

Task("Restore").Does(() => Run("dotnet", "restore", "DriverLab.sln", "-v", "quiet"));

Task("Guest")
    .Description("the program that runs inside the machines, compiled ahead of time; kept as long as its sources do not change")
    .Does(() => CompileAhead("guest", "src/DriverLab.Guest", guest));

Task("Thin")
    .Description("the program that `driverlab thin` starts, compiled ahead of time; kept as long as its sources do not change")
    .Does(() => CompileAhead("thin", "src/DriverLab.ThinCommand", thin));

/// Publishes a project that is compiled ahead of time, unless its product is newer than its sources.
void CompileAhead(string name, string project, FilePath product)
{
    string stamp = Stamp(name);
    if (IsFresh(name, stamp, product))
    {
        Information($"{product.GetFilename()} is up to date");
        return;
    }
    Information($"compiling {product.GetFilename()} ahead of time (about half a minute)");
    Run("dotnet", "publish", project, "-c", Configuration, "-r", "linux-x64", "-v", "quiet", "-nologo", "-o", product.GetDirectory().FullPath);
    Remember(name, stamp);
}

Task("Command")
    .Description("artifacts/driverlab")
    .IsDependentOn("Guest")
    .IsDependentOn("Thin")
    .Does(() =>
{
    string stamp = Stamp("command");
    if (IsFresh("command", stamp, command))
    {
        Information("artifacts/driverlab is up to date");
        return;
    }
    Information("building the command");
    var app = artifacts.Combine("app");
    Run("dotnet", "publish", "src/DriverLab.Cli", "-c", Configuration, "-v", "quiet", "-nologo", "-o", app.FullPath);
    WriteLauncher();
    Remember("command", stamp);
});

Task("Build")
    .Description("everything, tests included; leaves the command at artifacts/driverlab")
    .IsDependentOn("Command")
    .Does(() =>
{
    Information("building the solution");
    Run("dotnet", "build", "DriverLab.sln", "-c", Configuration, "-v", "quiet", "-nologo");
});

/// Puts build/launcher.sh in place: the command must find the runtime that built it and the checkout that it belongs to.
void WriteLauncher()
{
    string dotnet = Capture("sh", "-c", "dirname \"$(readlink -f \"$(command -v dotnet)\")\"");
    string text = System.IO.File.ReadAllText(root.Combine("build").CombineWithFilePath("launcher.sh").FullPath).Replace("@DOTNET_ROOT@", dotnet);
    System.IO.File.WriteAllText(command.FullPath, text);
    Run("chmod", "755", command.FullPath);
}
