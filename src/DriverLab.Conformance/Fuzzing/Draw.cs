using DriverLab.Simulation;

namespace DriverLab.Conformance.Fuzzing;

/// <summary>Choices of one program, from a stream of random numbers that seed, suite and the program's number decide alone.</summary>
internal sealed class Draw(Prng prng)
{
    /// <summary>A number from 0 to <paramref name="bound"/> - 1.</summary>
    public int Next(int bound) => prng.Next(bound);

    /// <summary>True this many times of a hundred.</summary>
    public bool Chance(int percent) => prng.Next(100) < percent;

    /// <summary>One of several.</summary>
    public T Of<T>(params ReadOnlySpan<T> choices) => choices[prng.Next(choices.Length)];

    /// <summary>One of a list that is not empty.</summary>
    public T Of<T>(List<T> choices) => choices[prng.Next(choices.Count)];
}
