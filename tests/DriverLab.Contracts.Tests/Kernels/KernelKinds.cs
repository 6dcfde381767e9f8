namespace DriverLab.Contracts.Tests;

/// <summary>Every kernel that the contracts run on.</summary>
public static class KernelKinds
{
    private static readonly string[] s_lines = ["6.1", "6.12"];

    public static IEnumerable<TestFixtureData> All()
    {
        yield return Data(new HostKernelKind());
        yield return Data(new DecoratedKernelKind(new HostKernelKind()));
        yield return Data(new AufsKernelKind());
        foreach (string line in s_lines)
        {
            yield return Data(new EmulatedKernelKind(line));
            var guest = Data(new GuestKernelKind(line));
            guest.Properties.Add("Category", "rig");
            yield return guest;
        }
    }

    private static TestFixtureData Data(KernelKind kind) => new TestFixtureData(kind).SetArgDisplayNames(kind.Name);
}
