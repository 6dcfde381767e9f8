namespace DriverLab.Conformance.Fuzzing;

/// <summary>Mapped devices that a program has open for direct I/O: a few at a time, f1 and on.</summary>
internal sealed class OpenMaps(Draw draw, ProgramWriter writer)
{
    private const int Most = 4;

    private readonly List<string> _files = [];

    /// <summary>True when there is one to read or write.</summary>
    public bool Any => _files.Count > 0;

    /// <summary>One of them.</summary>
    public Scenarios.Word File => writer.Word(draw.Of(_files));

    /// <summary>Opens a map; when there are too many, all others are closed first.</summary>
    public void Open(string map)
    {
        if (_files.Count >= Most)
            CloseAll();
        string variable = "f" + (char)('1' + _files.Count);
        writer.Add(variable, "open", null, writer.Word("/dev/mapper/" + map), writer.Word("O_RDWR|O_DIRECT"));
        _files.Add(variable);
    }

    public void CloseAll()
    {
        foreach (string file in _files)
            writer.Add("close", writer.Word(file));
        _files.Clear();
    }

    /// <summary>A call of one of them, if there is one.</summary>
    public void On(string verb)
    {
        if (Any)
            writer.Add(verb, File);
    }
}
