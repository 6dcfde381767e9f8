using System.Runtime.CompilerServices;

namespace DriverLab.Linux;

/// <summary>What a system call returned: a value, or an error number. Never an exception.</summary>
/// <param name="Value">The value; meaningful only when <paramref name="Error"/> is <see cref="Errno.OK"/>.</param>
/// <param name="Error">The error number, or <see cref="Errno.OK"/>.</param>
/// <typeparam name="T">The type of the value.</typeparam>
public readonly record struct SysResult<T>(T Value, Errno Error)
{
    /// <summary>True when the call succeeded.</summary>
    public bool IsOk
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Error == Errno.OK;
    }

    /// <summary>A successful result.</summary>
    public static implicit operator SysResult<T>(T value) => new(value, Errno.OK);

    /// <summary>A failed result.</summary>
    public static implicit operator SysResult<T>(Errno error) => new(default!, error);

    /// <inheritdoc/>
    public override string ToString() => IsOk ? $"{Value}" : Error.ToString();
}

/// <summary>Thrown by the emulator where behaviour has not been written yet: the third outcome, a <em>gap</em>, that no errno could match by accident.</summary>
/// <param name="what">The behaviour in words, for example <c>fallocate INSERT_RANGE on ext4</c>.</param>
public sealed class NotModelledException(string what) : Exception(what)
{
    /// <summary>Never returns: lets a gap stand where a value is expected.</summary>
    public static Errno Throw(string what) => throw new NotModelledException(what);
}

/// <summary>Thrown by the emulator when the caller waits and nothing is left to run that could wake it: the fourth outcome.</summary>
/// <param name="what">What the caller waits for.</param>
public sealed class WouldHangException(string what) : Exception(what);

/// <summary>Thrown by the emulator where the real kernel crashes: a fifth outcome, which ends the task as the kernel's oops does. The emulator itself stays as it was.</summary>
/// <param name="what">What the kernel does wrong.</param>
public sealed class KernelOopsException(string what) : Exception(what);
