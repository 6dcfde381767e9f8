using DriverLab.Linux;

namespace DriverLab.StorageDrivers;

/// <summary>Why a driver's operation failed: the kernel call or check that said no, on what, and its errno. A value, never thrown.</summary>
/// <param name="Call">The system call (<c>mount</c>), or the driver's own check (<c>create</c>, <c>tar</c>).</param>
/// <param name="Subject">The path, id or option that the call was about, printable.</param>
/// <param name="Errno">What the kernel answered, or the nearest errno of a check.</param>
/// <param name="Detail">One clause more where the errno alone does not tell; null where it does.</param>
public sealed record DriverError(string Call, string Subject, Errno Errno, string? Detail = null)
{
    /// <summary>Null when the call went well.</summary>
    public static DriverError? Of(Errno errno, string call, ReadOnlySpan<byte> path) =>
        errno == Errno.OK ? null : new(call, ByteText.Show(path), errno);

    /// <summary>For example <c>mount /var/lib/x/7/merged: EINVAL</c>.</summary>
    public override string ToString() => Detail is null ? $"{Call} {Subject}: {Errno}" : $"{Call} {Subject}: {Errno} ({Detail})";
}

/// <summary>A value, or why there is none.</summary>
/// <typeparam name="T">The type of the value.</typeparam>
public readonly record struct DriverResult<T>
{
    internal DriverResult(T value, DriverError? error) => (Value, Error) = (value, error);

    /// <summary>The value; meaningful only when <see cref="Error"/> is null.</summary>
    public T Value { get; }

    /// <summary>What went wrong, or null.</summary>
    public DriverError? Error { get; }

    /// <summary>True when there is a value.</summary>
    public bool IsOk => Error is null;

    /// <summary>A success.</summary>
    public static implicit operator DriverResult<T>(T value) => new(value, null);

    /// <summary>A failure.</summary>
    public static implicit operator DriverResult<T>(DriverError error) => new(default!, error);

    /// <inheritdoc/>
    public override string ToString() => Error?.ToString() ?? $"{Value}";
}

/// <summary>Makes results of interface types, which have no conversions.</summary>
public static class DriverResult
{
    /// <summary>A success.</summary>
    public static DriverResult<T> Of<T>(T value) => new(value, null);
}
