// What all targets share: where things are, and how to run a program with its output shown as it comes.

const string Configuration = "Release";

DirectoryPath root = MakeAbsolute(Directory("."));
DirectoryPath artifacts = root.Combine("artifacts");

string[] userArguments = (EnvironmentVariable("DRIVERLAB_ARGUMENTS") ?? "").Split('\n', StringSplitOptions.RemoveEmptyEntries);

/// Runs a program in the root folder; its output goes straight to the terminal. Fails the target on a code other than 0.
void Run(string program, params string[] arguments)
{
    int code = RunForCode(program, arguments);
    if (code != 0)
        throw new CakeException(code, $"{System.IO.Path.GetFileName(program)} {string.Join(' ', arguments)}: exit code {code}");
}

int RunForCode(string program, params string[] arguments)
{
    var start = new System.Diagnostics.ProcessStartInfo(program, arguments) { WorkingDirectory = root.FullPath, UseShellExecute = false };
    using var process = System.Diagnostics.Process.Start(start);
    process.WaitForExit();
    return process.ExitCode;
}

/// Runs a program and returns what it printed, without the last line's end.
string Capture(string program, params string[] arguments)
{
    var start = new System.Diagnostics.ProcessStartInfo(program, arguments) { WorkingDirectory = root.FullPath, UseShellExecute = false, RedirectStandardOutput = true };
    using var process = System.Diagnostics.Process.Start(start);
    string text = process.StandardOutput.ReadToEnd();
    process.WaitForExit();
    if (process.ExitCode != 0)
        throw new CakeException(process.ExitCode, $"{program} {string.Join(' ', arguments)}: exit code {process.ExitCode}");
    return text.TrimEnd('\n');
}

/// The key of what NAME is built from (build/stamp.sh).
string Stamp(string name) => Capture(root.Combine("build").CombineWithFilePath("stamp.sh").FullPath, name);

/// True when artifacts/NAME.stamp says that the product of this key is there.
bool IsFresh(string name, string stamp, FilePath product)
{
    var file = artifacts.CombineWithFilePath(name + ".stamp").FullPath;
    return System.IO.File.Exists(product.FullPath) && System.IO.File.Exists(file) && System.IO.File.ReadAllText(file).Trim() == stamp;
}

void Remember(string name, string stamp) => System.IO.File.WriteAllText(artifacts.CombineWithFilePath(name + ".stamp").FullPath, stamp + "\n");
