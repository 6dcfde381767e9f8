using DriverLab.Rig;
using NUnit.Framework;

namespace DriverLab.Testing;

/// <summary>What a test does where no machine can be had. One rule for all test projects that start some.</summary>
internal static class NoRig
{
    /// <summary>Leaves the test out, and says why; the caller throws on. Where <c>build.sh</c> runs the tests all that machines need is installed, and one that cannot be had is a failure: nothing is ignored.</summary>
    public static void Ignore(RigException e) => Ignore(e.Message);

    /// <inheritdoc cref="Ignore(RigException)"/>
    public static void Ignore(string reason)
    {
        if (Environment.GetEnvironmentVariable("DRIVERLAB_TESTS_NEED_RIG") != "1")
            Assert.Ignore("no rig here: " + reason);
    }
}
