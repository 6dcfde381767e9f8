namespace DriverLab.Conformance.Running;

/// <summary>Buffers that a thread keeps from call to call: memory that is new each time costs more than what is written to it, and large arrays bring the collector to look at everything.</summary>
/// <remarks>The pool of the runtime would do as well, were it not for tasks whose threads live for one program: it keeps buffers by thread, and forgets those of threads that end.</remarks>
internal sealed class KeptMemory
{
    /// <summary>No buffer larger than this is kept.</summary>
    public const int MostBytes = 16 << 20;

    [ThreadStatic]
    private static KeptMemory? t_mine;

    private byte[] _spare = [];

    /// <summary>This thread's.</summary>
    public static KeptMemory Mine => t_mine ??= new();

    /// <summary>What <see cref="AlignedBuffer"/> gives out, over and over.</summary>
    public byte[] Room { get; set; } = [];

    /// <summary>Runs code on another thread, which uses the memory of this one.</summary>
    /// <param name="elsewhere">Runs what it is given on the other thread, and waits for it.</param>
    /// <param name="code">What is to run there.</param>
    public static void Lend(Action<Action> elsewhere, Action code)
    {
        var mine = Mine;
        elsewhere(() =>
        {
            t_mine = mine;
            code();
        });
    }

    /// <summary>A buffer of at least this many bytes, with whatever is in it, until it is given back.</summary>
    public static byte[] Rent(int bytes)
    {
        var mine = Mine;
        byte[] spare = mine._spare;
        if (spare.Length < bytes)
            return GC.AllocateUninitializedArray<byte>(bytes);
        mine._spare = [];
        return spare;
    }

    /// <summary>Gives a buffer back; the largest one is kept.</summary>
    public static void Return(byte[] buffer)
    {
        var mine = Mine;
        if (buffer.Length > mine._spare.Length && buffer.Length <= MostBytes)
            mine._spare = buffer;
    }
}
