using DriverLab.Linux;
using DriverLab.Rig;
using DriverLab.Rig.Machines;
using NUnit.Framework;
using NUnit.Framework.Interfaces;
using NUnit.Framework.Internal;
using NUnit.Framework.Internal.Builders;
using NUnit.Framework.Internal.Commands;

namespace DriverLab.NUnit;

/// <summary>Makes a test of a method for each kernel that it names; the method's one parameter is the kernel. It is started for the test and gone after it.</summary>
/// <param name="kind">What the test's name says before the kernel.</param>
/// <param name="kernels">Kernel lines.</param>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
public abstract class KernelAttribute(string kind, string[] kernels) : NUnitAttribute, ITestBuilder, IWrapTestMethod, IImplyFixture
{
    private const string Property = "Kernel";
    private readonly NUnitTestCaseBuilder builder = new();

    /// <summary>The kernel lines.</summary>
    public IReadOnlyList<string> Kernels { get; } = kernels;

    /// <summary>Types that the method's parameter may have.</summary>
    private protected abstract IReadOnlyList<Type> Types { get; }

    /// <summary>Starts a kernel as the wanted type.</summary>
    private protected abstract Task<Subject> StartAsync(string kernel, Type type);

    /// <summary>What a test gets, and what is to be ended after it.</summary>
    /// <param name="Argument">For the method.</param>
    /// <param name="Facts">Says, when the test has failed, what it ran on.</param>
    /// <param name="EndAsync">Ends it.</param>
    private protected sealed record Subject(object Argument, Func<string> Facts, Func<ValueTask> EndAsync);

    /// <inheritdoc/>
    public IEnumerable<TestMethod> BuildFrom(IMethodInfo method, Test? suite)
    {
        var parameters = method.GetParameters();
        foreach (string kernel in Kernels)
        {
            var test = new TestCaseParameters([null]) { TestName = $"{method.Name}({kind} {kernel})" };
            test.Properties.Set(Property, $"{kind} {kernel}");
            test.Properties.Add(PropertyNames.Category, kind == "real" ? "rig" : kind);
            if (parameters.Length != 1 || !Types.Contains(parameters[0].ParameterType))
            {
                test.RunState = RunState.NotRunnable;
                test.Properties.Set(PropertyNames.SkipReason, $"{method.Name} must have one parameter, of type {string.Join(" or ", Types.Select(type => type.Name))}");
            }
            yield return builder.BuildTestMethod(method, suite, test);
        }
    }

    /// <inheritdoc/>
    public TestCommand Wrap(TestCommand command) => new WithKernel(command, this, kind);

    /// <summary>Starts the kernel, runs the test with it, ends it.</summary>
    private sealed class WithKernel(TestCommand inner, KernelAttribute attribute, string kind) : DelegatingTestCommand(inner)
    {
        public override TestResult Execute(TestExecutionContext context)
        {
            string wanted = context.CurrentTest.Properties.Get(Property) as string ?? "";
            // Another attribute of the same method may have made this test.
            if (!wanted.StartsWith(kind + " ", StringComparison.Ordinal) || context.CurrentTest.Arguments is not [null])
                return innerCommand.Execute(context);
            string kernel = wanted[(kind.Length + 1)..];
            Subject subject;
            try
            {
                subject = attribute.StartAsync(kernel, context.CurrentTest.Method!.GetParameters()[0].ParameterType).GetAwaiter().GetResult();
            }
            catch (RigException e) when (e is not MachineException and not RigUsageException)
            {
                context.CurrentResult.SetResult(ResultState.Ignored, $"no kernel {kernel} here: {e.Message}");
                return context.CurrentResult;
            }
            context.CurrentTest.Arguments[0] = subject.Argument;
            try
            {
                return innerCommand.Execute(context);
            }
            finally
            {
                if (context.CurrentResult.ResultState.Status == TestStatus.Failed)
                    TestContext.Out.WriteLine(subject.Facts());
                subject.EndAsync().AsTask().GetAwaiter().GetResult();
                context.CurrentTest.Arguments[0] = null;
            }
        }
    }
}
