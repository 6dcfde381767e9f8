// Pack: NuGet packages of the libraries.

Task("Pack")
    .Description("packages of the libraries, in artifacts/packages")
    .Does(() =>
{
    var packages = artifacts.Combine("packages");
    CleanDirectory(packages);
    Run("dotnet", "pack", "DriverLab.sln", "-c", Configuration, "-v", "quiet", "-nologo", "-o", packages.FullPath);
    foreach (var package in GetFiles(packages.FullPath + "/*.nupkg").OrderBy(file => file.FullPath, StringComparer.Ordinal))
        Information($"{package.GetFilename()}  {new System.IO.FileInfo(package.FullPath).Length / 1024} kB");
});
