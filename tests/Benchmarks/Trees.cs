using DriverLab.Linux;
using DriverLab.Native;

namespace DriverLab.Benchmarks;

/// <summary>Both kernels with their trees made, and the subjects on them.</summary>
internal sealed class Trees
{
    private readonly IKernel _emulator = Emulators.Boot();
    private readonly string? _noHost;
    private readonly string? _noHostOverlay;

    public Trees()
    {
        Tree.MakeTmpfs(_emulator);
        Tree.MakeOverlay(_emulator);
        _noHost = PrivateMounts.Entered ? null : "this machine gives no private mount namespace";
        if (_noHost is null)
            (_noHost, _noHostOverlay) = MakeHostTrees();
    }

    /// <summary>Where each tree is mounted, on both kernels.</summary>
    public static readonly (string Name, string Root)[] All = [("tmpfs", "/mnt/t"), ("overlay", "/mnt/m")];

    public Subject OnEmulator(string root) => new EmulatedSubject(_emulator, root);

    /// <summary>The subject on the machine's kernel, or the reason why there is none.</summary>
    public (Subject? Subject, string? WhyNot) OnHost(string root)
    {
        string? whyNot = _noHost ?? (root == "/mnt/m" ? _noHostOverlay : null);
        return whyNot is null ? (new HostSubject(root), null) : (null, whyNot);
    }

    private static (string? NoHost, string? NoOverlay) MakeHostTrees()
    {
        using var host = NativeKernel.NewTask();
        try
        {
            host.Run(Tree.MakeTmpfs);
        }
        catch (InvalidOperationException error)
        {
            return (error.Message, error.Message);
        }
        try
        {
            host.Run(Tree.MakeOverlay);
        }
        catch (InvalidOperationException error)
        {
            return (null, error.Message);
        }
        return (null, null);
    }
}
