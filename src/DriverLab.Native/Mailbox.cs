using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace DriverLab.Native;

/// <summary>Where a call is handed to another task and its result is handed back: two sequence numbers, on which each side spins for a moment and then sleeps. Native memory.</summary>
/// <remarks><see cref="ProcessCode"/> knows where each field is.</remarks>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct Mailbox
{
    private const int FutexWaitPrivate = 128, FutexWakePrivate = 129;

    public int Posted, Done, WorkerSleeps, CallerSleeps;
    public int Spins;
    public nint Number, A, B, C, D, E, F, Result;

    /// <summary>An empty one.</summary>
    /// <param name="spins">False: each side sleeps at once. Where one processor serves both sides that is always so: a side that spins keeps the other one from answering.</param>
    internal static Mailbox* Allocate(bool spins)
    {
        var mail = (Mailbox*)NativeMemory.AlignedAlloc((nuint)sizeof(Mailbox), 64);
        *mail = new Mailbox { Posted = 1, Spins = spins && Environment.ProcessorCount > 1 ? 400 : 0 };
        return mail;
    }

    internal static void Wake(int* word) => _ = Libc.Syscall(Nr.Futex, (nint)word, FutexWakePrivate, 1, 0, 0, 0);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Wait(int* word, int wanted, int* sleeps, int spins)
    {
        for (int i = 0; i < spins; i++)
        {
            if (Volatile.Read(ref *word) == wanted)
                return;
            if (X86Base.IsSupported)
                X86Base.Pause();
        }
        Volatile.Write(ref *sleeps, 1);
        Interlocked.MemoryBarrier();
        int seen;
        while ((seen = Volatile.Read(ref *word)) != wanted)
            _ = Libc.Syscall(Nr.Futex, (nint)word, FutexWaitPrivate, seen, 0, 0, 0);
        Volatile.Write(ref *sleeps, 0);
    }
}
