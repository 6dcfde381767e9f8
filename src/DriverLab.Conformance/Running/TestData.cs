using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace DriverLab.Conformance.Running;

/// <summary>Random data that a seed decides alone, and the digest that stands for data in a trace.</summary>
/// <remarks>Both are written here because they must give the same bytes in the guest program, which has no cryptographic library, and for ever.</remarks>
public static class TestData
{
    /// <summary>What SplitMix64 counts by, and the factors of its mixing (Steele, Lea and Flood, 2014).</summary>
    private const ulong Gamma = 0x9E3779B97F4A7C15, First = 0xBF58476D1CE4E5B9, Second = 0x94D049BB133111EB;

    /// <summary>Fills a span with bytes that depend on the seed and the position alone (SplitMix64).</summary>
    public static void Fill(Span<byte> data, ulong seed)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(data);
        int done = Vector512.IsHardwareAccelerated ? FillVectors(words, seed) : 0;
        ulong state = seed + ((ulong)done * Gamma);
        for (; done < words.Length; done++)
            words[done] = InOrder(Mix(state += Gamma));
        data = data[(words.Length * sizeof(ulong))..];
        for (ulong last = Mix(state + Gamma); !data.IsEmpty; data = data[1..], last >>= 8)
            data[0] = (byte)last;
    }

    /// <summary>Fills as many words as there are whole vectors of: each word follows from its number alone.</summary>
    /// <returns>How many words those are.</returns>
    private static int FillVectors(Span<ulong> words, ulong seed)
    {
        int count = Vector512<ulong>.Count, whole = words.Length / count * count;
        var state = Vector512.Create(seed) + ((Vector512<ulong>.Indices + Vector512<ulong>.One) * Gamma);
        for (int i = 0; i < whole; i += count, state += Vector512.Create((ulong)count * Gamma))
        {
            var z = (state ^ (state >>> 30)) * First;
            z = (z ^ (z >>> 27)) * Second;
            (z ^ (z >>> 31)).CopyTo(words[i..]);
        }
        return whole;
    }

    /// <summary>A 64-bit digest of data; not cryptographic, good enough to see any accidental difference.</summary>
    public static ulong Digest(ReadOnlySpan<byte> data) => Finish(Update(Start, data), data.Length);

    /// <summary>Digests of some pieces of data, all of one length. One step waits for the one before it, so that four pieces at a time, or eight in the lanes of a vector, take hardly longer than one.</summary>
    /// <param name="data">What the pieces lie in.</param>
    /// <param name="starts">Where each one begins.</param>
    /// <param name="bytes">How long they are.</param>
    /// <param name="digests">What <see cref="Digest"/> says of each.</param>
    public static void Digests(ReadOnlySpan<byte> data, ReadOnlySpan<int> starts, int bytes, Span<ulong> digests)
    {
        int done = 0;
        if (Avx512DQ.IsSupported)
        {
            for (; done + 1 < starts.Length; done += Math.Min(Lanes, starts.Length - done))
                DigestLanes(data, starts.Slice(done, Math.Min(Lanes, starts.Length - done)), bytes, digests[done..]);
        }
        Span<ulong> scaled = stackalloc ulong[4 * ScaledWords];
        for (; done + 4 <= starts.Length; done += 4)
        {
            ReadOnlySpan<ulong> a = Words(data, starts[done], bytes), b = Words(data, starts[done + 1], bytes), c = Words(data, starts[done + 2], bytes), d = Words(data, starts[done + 3], bytes);
            var (first, second, third, fourth) = (Start, Start, Start, Start);
            for (int at = 0; at < a.Length; at += ScaledWords)
            {
                int count = Math.Min(ScaledWords, a.Length - at);
                Span<ulong> e = Scale(a.Slice(at, count), scaled), f = Scale(b.Slice(at, count), scaled[ScaledWords..]);
                Span<ulong> g = Scale(c.Slice(at, count), scaled[(2 * ScaledWords)..]), h = Scale(d.Slice(at, count), scaled[(3 * ScaledWords)..]);
                for (int i = 0; i < e.Length && i < f.Length && i < g.Length && i < h.Length; i++)
                {
                    first = Join(first, e[i]);
                    second = Join(second, f[i]);
                    third = Join(third, g[i]);
                    fourth = Join(fourth, h[i]);
                }
            }
            digests[done] = End(first, data, starts[done], bytes);
            digests[done + 1] = End(second, data, starts[done + 1], bytes);
            digests[done + 2] = End(third, data, starts[done + 2], bytes);
            digests[done + 3] = End(fourth, data, starts[done + 3], bytes);
        }
        for (; done < starts.Length; done++)
            digests[done] = Digest(data.Slice(starts[done], bytes));
    }

    /// <summary>Pieces whose digests are made in one vector: eight at the most, and from two on in less time than one by one.</summary>
    private const int Lanes = 8;

    private static void DigestLanes(ReadOnlySpan<byte> data, ReadOnlySpan<int> pieces, int bytes, Span<ulong> digests)
    {
        const int lineBytes = Lanes * sizeof(ulong);
        Span<int> starts = stackalloc int[Lanes];
        starts.Fill(pieces[0]); // lanes that are left over repeat the first piece
        pieces.CopyTo(starts);
        int whole = bytes / lineBytes * lineBytes;
        var states = Vector512.Create(Start);
        for (int at = 0; at < whole; at += lineBytes)
        {
            var (first, second) = Turn(Line(data, starts[0] + at), Line(data, starts[1] + at), Line(data, starts[2] + at), Line(data, starts[3] + at),
                Line(data, starts[4] + at), Line(data, starts[5] + at), Line(data, starts[6] + at), Line(data, starts[7] + at));
            states = Step(Step(Step(Step(states, first.A), second.A), first.B), second.B);
            states = Step(Step(Step(Step(states, first.C), second.C), first.D), second.D);
        }
        for (int i = 0; i < pieces.Length; i++)
            digests[i] = Finish(Update(states[i], data.Slice(starts[i] + whole, bytes - whole)), bytes);
    }

    private static Vector512<ulong> Line(ReadOnlySpan<byte> data, int at) => Vector512.Create(data[at..]).AsUInt64();

    private static Vector512<ulong> Step(Vector512<ulong> states, Vector512<ulong> words) => Avx512F.RotateLeft((states ^ (words * WordFactor)) * StateFactor, 29);

    /// <summary>Turns eight lines of words about: the even words of all lines, a vector for each, and the odd ones.</summary>
    private static (FourVectors Even, FourVectors Odd) Turn(Vector512<ulong> a, Vector512<ulong> b, Vector512<ulong> c, Vector512<ulong> d, Vector512<ulong> e, Vector512<ulong> f, Vector512<ulong> g, Vector512<ulong> h) =>
        (TurnPairs(Avx512F.UnpackLow(a, b), Avx512F.UnpackLow(c, d), Avx512F.UnpackLow(e, f), Avx512F.UnpackLow(g, h)),
            TurnPairs(Avx512F.UnpackHigh(a, b), Avx512F.UnpackHigh(c, d), Avx512F.UnpackHigh(e, f), Avx512F.UnpackHigh(g, h)));

    /// <summary>Turns four vectors of four pairs about.</summary>
    private static FourVectors TurnPairs(Vector512<ulong> a, Vector512<ulong> b, Vector512<ulong> c, Vector512<ulong> d)
    {
        const byte even = 0b10_00_10_00, odd = 0b11_01_11_01;
        Vector512<ulong> evenOfFirst = Avx512F.Shuffle4x128(a, b, even), oddOfFirst = Avx512F.Shuffle4x128(a, b, odd);
        Vector512<ulong> evenOfLast = Avx512F.Shuffle4x128(c, d, even), oddOfLast = Avx512F.Shuffle4x128(c, d, odd);
        return new(Avx512F.Shuffle4x128(evenOfFirst, evenOfLast, even), Avx512F.Shuffle4x128(oddOfFirst, oddOfLast, even),
            Avx512F.Shuffle4x128(evenOfFirst, evenOfLast, odd), Avx512F.Shuffle4x128(oddOfFirst, oddOfLast, odd));
    }

    private readonly record struct FourVectors(Vector512<ulong> A, Vector512<ulong> B, Vector512<ulong> C, Vector512<ulong> D);

    /// <summary>Words that are scaled at a time: so few that they stay in the nearest cache.</summary>
    private const int ScaledWords = 64;

    /// <summary>The half of <see cref="Step(ulong, ulong)"/> that waits for nothing, for many words at once.</summary>
    private static Span<ulong> Scale(ReadOnlySpan<ulong> words, Span<ulong> scaled)
    {
        int done = 0;
        if (Vector512.IsHardwareAccelerated && BitConverter.IsLittleEndian)
        {
            for (; done <= words.Length - Vector512<ulong>.Count; done += Vector512<ulong>.Count)
                (Vector512.Create(words[done..]) * WordFactor).CopyTo(scaled[done..]);
        }
        for (; done < words.Length; done++)
            scaled[done] = InOrder(words[done]) * WordFactor;
        return scaled[..words.Length];
    }

    private static ReadOnlySpan<ulong> Words(ReadOnlySpan<byte> data, int start, int bytes) => MemoryMarshal.Cast<byte, ulong>(data.Slice(start, bytes));

    /// <summary>Takes in what is left behind the last whole word.</summary>
    private static ulong End(ulong state, ReadOnlySpan<byte> data, int start, int bytes) => Finish(Update(state, data.Slice(start + (bytes & ~7), bytes & 7)), bytes);

    /// <summary>The state before the first byte; <see cref="Update"/> takes pieces whose lengths, except the last, are multiples of 8.</summary>
    public const ulong Start = 0x9E3779B97F4A7C15;

    /// <summary>Takes in more data.</summary>
    public static ulong Update(ulong state, ReadOnlySpan<byte> data)
    {
        while (data.Length >= 8)
        {
            state = Step(state, BinaryPrimitives.ReadUInt64LittleEndian(data));
            data = data[8..];
        }
        if (data.IsEmpty)
            return state;
        Span<byte> tail = stackalloc byte[8];
        tail.Clear();
        data.CopyTo(tail);
        return Step(state, BinaryPrimitives.ReadUInt64LittleEndian(tail));
    }

    /// <summary>The digest of all that was taken in.</summary>
    public static ulong Finish(ulong state, long length)
    {
        return Mix((state ^ (ulong)length) + Gamma);
    }

    /// <summary>What words and states are multiplied by: two primes of xxHash64.</summary>
    private const ulong WordFactor = 0xC2B2AE3D27D4EB4F, StateFactor = 0x9E3779B185EBCA87;

    private static ulong Step(ulong state, ulong word) => Join(state, word * WordFactor);

    private static ulong Join(ulong state, ulong scaled) => BitOperations.RotateLeft((state ^ scaled) * StateFactor, 29);

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * First;
        z = (z ^ (z >> 27)) * Second;
        return z ^ (z >> 31);
    }

    private static ulong InOrder(ulong word) => BitConverter.IsLittleEndian ? word : BinaryPrimitives.ReverseEndianness(word);
}
