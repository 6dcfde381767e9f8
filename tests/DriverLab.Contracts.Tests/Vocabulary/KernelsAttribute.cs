using DriverLab.Linux;
using NUnit.Framework.Internal;

namespace DriverLab.Contracts.Tests;

/// <summary>The kernel versions that a test's expectation holds for. On others it is skipped, with the reason: another test of the pair says what they do.</summary>
/// <param name="because">What changed.</param>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class KernelsAttribute(string because) : Attribute
{
    /// <summary>The first line with this behaviour, for example <c>6.4</c>; null from the beginning.</summary>
    public string? From { get; init; }

    /// <summary>The first line without it; null up to now.</summary>
    public string? Before { get; init; }

    /// <summary>Skips the running test on a kernel outside the range.</summary>
    internal static void Check(KernelProfile profile)
    {
        foreach (var range in TestExecutionContext.CurrentContext.CurrentTest.Method?.GetCustomAttributes<KernelsAttribute>(true) ?? [])
        {
            if (!range.Holds(profile.Version))
                Assert.Ignore($"holds {range.Words()}, this is {profile.Version}: {range.Because}");
        }
    }

    private string Because { get; } = because;

    private bool Holds(KernelVersion version)
        => (From is null || Parse(From) <= version) && (Before is null || version < Parse(Before));

    private string Words() => string.Join(' ', new[] { From is null ? null : $"from {From}", Before is null ? null : $"before {Before}" }.OfType<string>());

    private static KernelVersion Parse(string text)
        => KernelVersion.TryParse(text, out var version) ? version : throw new ArgumentException($"kernel line {text}: expected two numbers such as 6.4");
}
