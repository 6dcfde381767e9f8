namespace DriverLab.Linux;

/// <summary>A task that has a thread of its own and can run a program there: the program's calls of this task then cost no hand-over.</summary>
public interface IProgramHost
{
    /// <summary>Runs the program and waits for it; its exception reaches the caller.</summary>
    void Run(Action program);
}
