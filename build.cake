// The targets of ./build.sh. Each also runs alone: dotnet cake --target=NAME. Arguments of the user come in DRIVERLAB_ARGUMENTS, one a line.
#load build/common.cake
#load build/compile.cake
#load build/test.cake
#load build/run.cake
#load build/pack.cake

Task("Default").IsDependentOn("Build");

RunTarget(Argument("target", "Default"));
