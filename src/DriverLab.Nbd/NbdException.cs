namespace DriverLab.Nbd;

/// <summary>A client broke the protocol, or a socket cannot be made: one sentence.</summary>
public sealed class NbdException : Exception
{
    /// <summary>With its sentence.</summary>
    public NbdException(string message) : base(message) { }

    /// <summary>With its sentence and its cause.</summary>
    public NbdException(string message, Exception inner) : base(message, inner) { }
}
