using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Fuzzing;

/// <summary>Programs by number: the same number gives the same program, so that a run can be sharded, resumed and repeated.</summary>
public interface IProgramSource
{
    /// <summary>The suite that the programs belong to.</summary>
    string Suite { get; }

    /// <summary>How many there are.</summary>
    long Count { get; }

    /// <summary>The program with a number from 0 to <see cref="Count"/> - 1.</summary>
    Scenario Make(long number);
}
