namespace DriverLab.Rig.Machines;

/// <summary>What runs a guest's instructions, and how that was decided.</summary>
/// <param name="Name"><c>kvm</c> or <c>tcg</c>.</param>
/// <param name="Why">The reason in words, for reports.</param>
public sealed record Accelerator(string Name, string Why)
{
    /// <summary>Software emulation, asked for.</summary>
    public static readonly Accelerator Software = new("tcg", "asked for");
}
