namespace DriverLab.Linux;

/// <summary>A call that a task makes while others make theirs, begun with <see cref="IKernel.Begin"/>.</summary>
/// <remarks>Until it has ended, its task can make no other one. Disposing waits for nothing: a call that is still under way is given up as far as the kernel lets that happen.</remarks>
public interface IBackgroundCall : IDisposable
{
    /// <summary>True when it has returned.</summary>
    bool HasEnded { get; }

    /// <summary>Lets what can go on do so, until the call has returned or sleeps until something else happens.</summary>
    /// <param name="patiently">False when only what is under way already is of interest, as after each call of another task. True to be sure.</param>
    /// <returns><see cref="HasEnded"/>.</returns>
    bool Settle(bool patiently);

    /// <summary>A signal reaches the task whose handler does nothing and restarts nothing: a call that sleeps interruptibly ends with EINTR, or with what it has done so far.</summary>
    void Interrupt();
}
