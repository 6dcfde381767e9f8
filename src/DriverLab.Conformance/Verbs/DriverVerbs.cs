using DriverLab.Conformance.Running;

namespace DriverLab.Conformance.Verbs;

/// <summary>Storage drivers: <c>driver overlay2 create layer parent</c>. The driver's name comes before the operation in a scenario and is argument 0 here.</summary>
internal static class DriverVerbs
{
    public static IReadOnlyList<Verb> All { get; } =
    [
        new("driver create", [P.Name("driver"), P.Name("layer"), P.Name("parent").Optional()], "Makes a layer from a parent.", NotYet),
    ];

    private static string NotYet(StepContext c) => $"gap: storage driver {c.Text(0)}";
}
