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
public sealed class RigUsageException(string message) : RigException(message);
