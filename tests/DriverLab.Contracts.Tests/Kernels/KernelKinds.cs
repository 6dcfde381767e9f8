namespace DriverLab.Contracts.Tests;

/// <summary>Every kernel that the contracts run on.</summary>
public static class KernelKinds
{
    public static IEnumerable<TestFixtureData> All()
    {
        yield return Data(new HostKernelKind());
        yield return Data(new DecoratedKernelKind(new HostKernelKind()));
    }

    private static TestFixtureData Data(KernelKind kind) => new TestFixtureData(kind).SetArgDisplayNames(kind.Name);
}
