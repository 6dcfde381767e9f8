using System.Collections.Immutable;

namespace DriverLab.Rig.Kernels;

/// <summary>One line of kernels as a distribution packages it.</summary>
/// <param name="Line">Major and minor number, for example <c>6.12</c>.</param>
/// <param name="Suites">Debian suites that carry it.</param>
/// <param name="Note">Where it comes from, in words.</param>
public sealed record KernelLine(string Line, ImmutableArray<string> Suites, string Note);

/// <summary>The kernels that can be asked for by line: <c>vm-images/kernels.txt</c>, which is built into this assembly.</summary>
public sealed class KernelCatalogue
{
    private KernelCatalogue(ImmutableArray<KernelLine> lines) => Lines = lines;

    /// <summary>The lines, oldest first.</summary>
    public ImmutableArray<KernelLine> Lines { get; }

    /// <summary>The catalogue that was built in.</summary>
    public static KernelCatalogue BuiltIn()
    {
        using var stream = typeof(KernelCatalogue).Assembly.GetManifestResourceStream("kernels.txt")!;
        using var reader = new StreamReader(stream);
        return Parse(reader.ReadToEnd(), "vm-images/kernels.txt");
    }

    /// <summary>Reads a catalogue; <paramref name="file"/> is named in errors.</summary>
    /// <exception cref="RigUsageException">A line is not <c>LINE SUITES NOTE</c>.</exception>
    public static KernelCatalogue Parse(string text, string file)
    {
        var lines = ImmutableArray.CreateBuilder<KernelLine>();
        int number = 0;
        foreach (string raw in text.Split('\n'))
        {
            number++;
            string content = raw.Split('#')[0].Trim();
            if (content.Length == 0)
                continue;
            string[] field = content.Split((char[])[' ', '\t'], 3, StringSplitOptions.RemoveEmptyEntries);
            if (field.Length < 2 || !Linux.KernelVersion.TryParse(field[0], out var version) || version.Line != field[0])
                throw new RigUsageException($"{file}:{number}: '{content}' is no catalogue line; expected: LINE SUITE[,SUITE] NOTE, for example '6.12 trixie Debian 13'");
            if (lines.Any(known => known.Line == field[0]))
                throw new RigUsageException($"{file}:{number}: line {field[0]} is listed twice");
            lines.Add(new(field[0], [.. field[1].Split(',', StringSplitOptions.RemoveEmptyEntries)], field.Length > 2 ? field[2].Trim() : ""));
        }
        return new(lines.ToImmutable());
    }

    /// <summary>The line of that name.</summary>
    /// <exception cref="RigUsageException">There is none; the sentence lists what there is.</exception>
    public KernelLine Find(string line) =>
        Lines.FirstOrDefault(known => known.Line == line) ??
        throw new RigUsageException($"kernel '{line}' is not in the catalogue; known lines: {string.Join(", ", Lines.Select(known => known.Line))}; for any other kernel use --kernel-image FILE");
}
