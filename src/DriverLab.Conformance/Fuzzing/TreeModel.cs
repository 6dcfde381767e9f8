namespace DriverLab.Conformance.Fuzzing;

/// <summary>What the generator believes a name to be.</summary>
internal enum NodeKind
{
    Directory,
    File,
    Symlink,
    Other,
}

/// <summary>A name that the generator believes to exist.</summary>
internal sealed class Node(Node? parent, string name, NodeKind kind)
{
    public Node? Parent { get; set; } = parent;
    public string Name { get; set; } = name;
    public NodeKind Kind { get; set; } = kind;
    public List<Node> Children { get; } = [];

    /// <summary>True for names that operations must leave alone: the layers of a mounted overlay.</summary>
    public bool IsFixed { get; set; }

    public Node? Find(string name)
    {
        foreach (var child in Children)
        {
            if (child.Name == name)
                return child;
        }
        return null;
    }

    public string Path => Parent is null ? "/" : Parent.Parent is null ? "/" + Name : Parent.Path + "/" + Name;

    public bool IsBelow(Node other)
    {
        for (var node = this; node is not null; node = node.Parent)
        {
            if (node == other)
                return true;
        }
        return false;
    }
}

/// <summary>The tree as the generator believes it to be. It only has to be right mostly: kernels decide what happens.</summary>
internal sealed class TreeModel
{
    private readonly List<Node> _all = [];

    public TreeModel() => Clear();

    /// <summary>The directory that new names are made in and below.</summary>
    public Node Root { get; private set; } = null!;

    /// <summary>Every node but the root.</summary>
    public List<Node> All => _all;

    public void Clear()
    {
        _all.Clear();
        Root = new(null, "", NodeKind.Directory);
    }

    public Node? Add(Node parent, string name, NodeKind kind)
    {
        if (parent.Kind != NodeKind.Directory || parent.Find(name) is not null)
            return null;
        var node = new Node(parent, name, kind);
        parent.Children.Add(node);
        _all.Add(node);
        return node;
    }

    public void Remove(Node node)
    {
        _ = node.Parent?.Children.Remove(node);
        Forget(node);
    }

    public void Move(Node node, Node parent, string name)
    {
        if (parent.IsBelow(node) || parent.Kind != NodeKind.Directory)
            return;
        if (parent.Find(name) is { } old && old != node)
        {
            if ((old.Kind == NodeKind.Directory) != (node.Kind == NodeKind.Directory) || old.Children.Count > 0)
                return;
            Remove(old);
        }
        _ = node.Parent?.Children.Remove(node);
        (node.Parent, node.Name) = (parent, name);
        parent.Children.Add(node);
    }

    private void Forget(Node node)
    {
        foreach (var child in node.Children)
            Forget(child);
        _ = _all.Remove(node);
    }
}
