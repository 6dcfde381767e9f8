namespace DriverLab.Guest.Transport;

/// <summary>Takes one line of a trace; when it returns, the host has the line.</summary>
internal delegate void LineSink(ReadOnlySpan<byte> line);

/// <summary>What the guest can do beyond looking after itself. Filled in by <c>Program</c>, so that the transport knows neither the runner nor the kernel interface.</summary>
/// <param name="RunProgram">Runs a batch of programs on this kernel and gives each trace line to the sink before it makes the next call.</param>
/// <param name="KernelCall">Carries out one encoded IKernel call and returns the encoded result; called from one thread only.</param>
internal sealed record Services(Action<ReadOnlyMemory<byte>, LineSink> RunProgram, Func<ReadOnlyMemory<byte>, byte[]> KernelCall);
