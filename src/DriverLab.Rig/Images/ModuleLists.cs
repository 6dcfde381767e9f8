using System.Text;

namespace DriverLab.Rig.Images;

/// <summary>The lists that tell what modules an image has, and what each needs.</summary>
internal static class ModuleLists
{
    /// <summary>For the guest program: name, file, direct dependencies and aliases, separated by tabs.</summary>
    public static string Guest(IReadOnlyList<ModuleTree.Module> modules, string folder) =>
        string.Concat(modules.Select(module => $"{module.Info.Name}\t{folder}/{module.Info.Name}.ko\t{string.Join(',', Needs(module))}\t{string.Join(',', module.Info.Aliases)}\n"));

    /// <summary><c>modules.dep</c>: a file, and all files that have to be loaded before it, the last of them first. modules.dep(5).</summary>
    public static string Dep(IReadOnlyList<ModuleTree.Module> modules)
    {
        var byName = modules.ToDictionary(module => module.Info.Name);
        var text = new StringBuilder();
        foreach (var module in modules)
        {
            var (before, seen) = (new List<string>(), new HashSet<string> { module.Info.Name });
            Collect(module);
            before.Reverse();
            _ = text.Append(module.Info.Name).Append(".ko:").AppendJoin("", before.Select(name => $" {name}.ko")).Append('\n');

            void Collect(ModuleTree.Module of)
            {
                foreach (string name in Needs(of).Where(name => byName.ContainsKey(name) && seen.Add(name)))
                {
                    Collect(byName[name]);
                    before.Add(name);
                }
            }
        }
        return text.ToString();
    }

    /// <summary><c>modules.alias</c>: patterns by which the kernel and people ask for a module.</summary>
    public static string Alias(IReadOnlyList<ModuleTree.Module> modules) =>
        string.Concat(modules.SelectMany(module => module.Info.Aliases.Select(alias => $"alias {alias} {module.Info.Name}\n")));

    private static IEnumerable<string> Needs(ModuleTree.Module module) => module.Info.Before.Concat(module.Info.Dependencies).Select(ModuleInfo.Normal);
}
