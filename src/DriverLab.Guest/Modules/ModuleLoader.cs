namespace DriverLab.Guest.Modules;

/// <summary>Loads modules with finit_module(2). The same program is the guest's <c>/sbin/modprobe</c>, which the kernel calls for what is missing.</summary>
internal sealed class ModuleLoader(ModuleIndex index)
{
    /// <summary>Loads a module and what it depends on. Null on success, else a sentence.</summary>
    public string? Load(string nameOrAlias)
    {
        var files = index.Closure(nameOrAlias);
        if (files.Count == 0)
            return $"module {nameOrAlias} is not in this image";
        foreach (string file in files)
        {
            int fd = LibC.Open(file, LibC.ORdOnly | LibC.OCloExec, 0);
            if (fd < 0)
                return $"open {file}: errno {LibC.LastError}";
            long result = LibC.FinitModule(LibC.SysFinitModule, fd, "", 0);
            int error = LibC.LastError;
            _ = LibC.Close(fd);
            if (result != 0 && error != LibC.Eexist)
                return $"finit_module {file}: errno {error}";
        }
        return null;
    }

    /// <summary>modprobe as the kernel calls it: <c>modprobe -q -- NAME</c>. Exit status 0 when loaded, 1 when not.</summary>
    public static int Modprobe(string[] arguments)
    {
        string? name = Array.FindLast(arguments, argument => !argument.StartsWith('-'));
        return name is not null && new ModuleLoader(ModuleIndex.Read()).Load(name) is null ? 0 : 1;
    }
}
