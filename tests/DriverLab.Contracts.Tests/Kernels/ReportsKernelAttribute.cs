using DriverLab.Linux;
using NUnit.Framework.Interfaces;

namespace DriverLab.Contracts.Tests;

/// <summary>Writes the kernel's kind to the output of a test that did not pass: a failure's name alone does not say which kernel failed.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class ReportsKernelAttribute : Attribute, ITestAction
{
    /// <inheritdoc/>
    public ActionTargets Targets => ActionTargets.Test;

    /// <inheritdoc/>
    public void BeforeTest(ITest test)
    {
    }

    /// <inheritdoc/>
    public void AfterTest(ITest test)
    {
        if (test.Fixture is Contract contract && TestContext.CurrentContext.Result.Outcome.Status != TestStatus.Passed)
            TestContext.Out.WriteLine($"kernel: {contract.Kind}");
    }
}
