using DriverLab.Rig.Images;
using DriverLab.Testing;

namespace DriverLab.StorageDrivers.Tests;

/// <summary>The sweep as a program for machines with the libraries that it loads, published from this checkout by the first test that asks, and gone with the tests.</summary>
[SetUpFixture]
public sealed class CrashSweepProgram
{
    private static DirectoryInfo? s_folder;

    /// <summary>The program's name in <see cref="Folder"/>.</summary>
    public const string Name = "driverlab-crash-sweep";

    /// <summary>The folder with the program, and with its libraries in <c>lib</c>.</summary>
    public static string Folder
    {
        get
        {
            if (s_folder is null)
            {
                string root = GuestProgram.SourceRoot() ?? throw new IgnoreException("the program is published from a checkout, and there is none");
                var folder = Directory.CreateTempSubdirectory("driverlab-crash-sweep-");
                // Apart from the ordinary build, which other programs may be running from.
                _ = HostProgram.Run("dotnet", "publish", $"{root}/tests/CrashSweep", "-c", "Release", "-r", "linux-x64", "-o", $"{folder}/program", "--artifacts-path", $"{folder}/build", "-nologo", "-v", "quiet", "-nodeReuse:false");
                _ = HostProgram.Run("bash", "-ec", """cd "$0"; rm -f *.xml *.pdb; mkdir lib; cp -L $(ldd "$1" | grep -oE '/[^ ]+') /usr/lib/x86_64-linux-gnu/lib{ssl,crypto}.so.3 lib""", $"{folder}/program", Name);
                s_folder = folder;
            }
            return $"{s_folder}/program";
        }
    }

    [OneTimeTearDown]
    public void End() => s_folder?.Delete(recursive: true);
}
