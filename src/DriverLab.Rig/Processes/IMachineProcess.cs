namespace DriverLab.Rig.Processes;

/// <summary>What runs a machine, wherever it is: its port, its console, its end.</summary>
internal interface IMachineProcess : IAsyncDisposable
{
    /// <summary>Process id on this host; 0 when it is not known.</summary>
    int Id { get; }

    /// <summary>Bytes to the guest's port.</summary>
    Stream Input { get; }

    /// <summary>Bytes from the guest's port; ends with the machine.</summary>
    Stream Output { get; }

    /// <summary>What the guest's console, and the machine's program, say.</summary>
    Stream Error { get; }

    /// <summary>Completes with the exit status, 128 + signal for a killed one, when the machine has ended.</summary>
    Task<int> Exited { get; }

    /// <summary>Ends it at once; no answer is waited for.</summary>
    void Kill();
}
