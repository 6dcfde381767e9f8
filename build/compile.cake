// Restore, Guest, Command, Build.

FilePath guest = artifacts.Combine("guest").CombineWithFilePath("driverlab-guest");
FilePath command = artifacts.CombineWithFilePath("driverlab");

Task("Restore").Does(() => Run("dotnet", "restore", "DriverLab.sln", "-v", "quiet"));

Task("Guest")
    .Description("the program that runs inside the machines, compiled ahead of time; kept as long as its sources do not change")
    .Does(() =>
{
    string stamp = Stamp("guest");
    if (IsFresh("guest", stamp, guest))
    {
        Information("the guest program is up to date");
        return;
    }
    Information("compiling the guest program ahead of time (about half a minute)");
    Run("dotnet", "publish", "src/DriverLab.Guest", "-c", Configuration, "-r", "linux-x64", "-v", "quiet", "-nologo", "-o", guest.GetDirectory().FullPath);
    Remember("guest", stamp);
});

Task("Command")
    .Description("artifacts/driverlab")
    .IsDependentOn("Guest")
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
