using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Fuzzing;

/// <summary>A program on a union at /m: directories are filled before they are stacked, and the model sees them merged.</summary>
internal abstract class UnionProgram(Draw draw, ProgramWriter writer) : FileProgram(draw, writer)
{
    /// <summary>Mounts the union with drawn options.</summary>
    protected abstract void Mount();

    /// <summary>Lets a directory hide what is below it.</summary>
    protected abstract void MarkOpaque(string directory);

    /// <summary>Puts the mark that a name is gone into a directory.</summary>
    protected abstract void Whiteout(string directory, string name);

    /// <summary>Puts names into one of the directories.</summary>
    protected void Fill(string layer)
    {
        int count = 1 + Draw.Next(6);
        var made = new List<(string Path, Node Node)> { (layer, Base) };
        for (int i = 0; i < count; i++)
        {
            var (path, node) = Draw.Of(made);
            string name = Name();
            string child = path + "/" + name;
            switch (Draw.Next(10))
            {
                case < 4:
                    Writer.Add("mkdir", Draw.Chance(15) ? [Writer.Option("mode", Draw.Of("0777", "1777", "2755", "0700"))] : null, Writer.Word(child));
                    if ((node.Find(name) ?? Tree.Add(node, name, NodeKind.Directory)) is { Kind: NodeKind.Directory } merged)
                        made.Add((child, merged));
                    if (Draw.Chance(12))
                        MarkOpaque(child);
                    break;
                case < 7:
                    Writer.Add("write", Draw.Chance(20) ? [Writer.Option("mode", Draw.Of("0600", "0755", "4755", "0444"))] : null, Writer.Word(child), Data());
                    _ = Tree.Add(node, name, NodeKind.File);
                    if (Draw.Chance(25))
                    {
                        string other = Name();
                        Writer.Add("link", Writer.Word(child), Writer.Word(layer + "/" + other));
                        _ = Tree.Add(Base, other, NodeKind.File);
                    }
                    break;
                case 7:
                    Writer.Add("symlink", Writer.Word(Draw.Of("a", "/m/a", "nothing", "b/c", ".")), Writer.Word(child));
                    _ = Tree.Add(node, name, NodeKind.Symlink);
                    break;
                case 8:
                    Whiteout(path, name);
                    break;
                default:
                    Writer.Add("setxattr", Writer.Word(path), Writer.Word(Draw.Of("user.a", "trusted.b")), Writer.Word("v"));
                    break;
            }
        }
    }

    /// <summary>Another mount of the same directories, after the first has gone: what two mounts with one writable layer do is undefined.</summary>
    protected void MountAgain()
    {
        if (HasActors)
            return; // one of them may be there, or have an open file
        CloseAll();
        // The number of the file system may be given to another one meanwhile, by this program or by anybody on the machine.
        HidesDevices = true;
        Writer.Add("umount", Writer.Word("/m"));
        Mount();
    }

    /// <summary>Statements of the superuser, whoever acts otherwise.</summary>
    protected void AsMain(Action statements)
    {
        var actor = Writer.Actor;
        Writer.Actor = Actor.Main;
        statements();
        Writer.Actor = actor;
    }
}
