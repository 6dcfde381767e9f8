using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Native;

namespace DriverLab.Contracts.Tests;

/// <summary>A kind of kernel to test: a name, not a booted kernel, so that listing tests costs nothing.</summary>
public abstract record KernelKind(string Name)
{
    /// <summary>A new task of the superuser with the kernel's own root.</summary>
    public abstract IKernel NewTask();

    /// <summary>Mounts the empty file system on /tmp that a test has as its root.</summary>
    public virtual Errno MountRoot(IKernel kernel) => kernel.Mount("contract", "/tmp", "tmpfs", MountFlags.None, "mode=0755");

    /// <summary>Why a test does not hold on this kind's file system; null when it does.</summary>
    /// <param name="test">Its name, with arguments.</param>
    public virtual string? Differs(string test) => null;

    /// <inheritdoc/>
    public sealed override string ToString() => Name;
}

/// <summary>The kernel that the tests run on, for the superuser only. Every task lives in name spaces of its own.</summary>
public sealed record HostKernelKind() : KernelKind("host")
{
    /// <inheritdoc/>
    public override IKernel NewTask()
    {
        if (!Environment.IsPrivilegedProcess)
            Assert.Ignore("kind host: the tests' own kernel needs the superuser (mount name spaces, ids, device nodes)");
        return NativeKernel.NewTask();
    }
}
