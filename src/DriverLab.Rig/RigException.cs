namespace DriverLab.Rig;

/// <summary>The environment lacks something or refuses something: one sentence that names the thing, the value found and what to do. The command line exits with 3.</summary>
public class RigException : Exception
{
    /// <summary>A refusal with its sentence.</summary>
    public RigException(string message) : base(message) { }

    /// <summary>A refusal with its sentence and its cause.</summary>
    public RigException(string message, Exception? inner) : base(message, inner) { }
}

/// <summary>What the user asked for does not exist or makes no sense, for example an unknown kernel. The command line exits with 2.</summary>
public class RigUsageException(string message) : RigException(message);

/// <summary>A kernel of the catalogue cannot be had any more: the archive dropped it, or lists only parts of it. A run over several kernels goes on without it and says so.</summary>
/// <param name="line">Its line.</param>
/// <param name="message">The sentence.</param>
public sealed class KernelGoneException(string line, string message) : RigException(message)
{
    /// <summary>The line, for example <c>6.19</c>.</summary>
    public string Line { get; } = line;
}
