using DriverLab.Linux;

namespace DriverLab.StorageDrivers.Snapshots;

/// <summary>What a snapshot is; the numbers are containerd's.</summary>
public enum SnapshotKind
{
    /// <summary>Read-only, never committed.</summary>
    View = 1,
    /// <summary>Writable, known by its key.</summary>
    Active = 2,
    /// <summary>Read-only, the only kind that others stand on.</summary>
    Committed = 3,
}

/// <summary>A snapshot as containerd sees it.</summary>
/// <param name="Name">The key of an active one or a view, the name of a committed one.</param>
/// <param name="Parent">The name of the committed snapshot below; empty for none.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Created">When it was made, or committed.</param>
/// <param name="Updated">When its labels changed last.</param>
/// <param name="Labels">Labels, by key.</param>
public sealed record SnapshotInfo(string Name, string Parent, SnapshotKind Kind, DateTimeOffset Created, DateTimeOffset Updated, IReadOnlyDictionary<string, string> Labels);

/// <summary>The classes of failure that containerd tells apart; the names are those of gRPC's status codes.</summary>
public enum SnapshotCode
{
    Unknown,
    NotFound,
    AlreadyExists,
    InvalidArgument,
    FailedPrecondition,
    ResourceExhausted,
}

/// <summary>Why a snapshot operation failed.</summary>
/// <param name="Code">The class.</param>
/// <param name="Message">One sentence.</param>
public sealed record SnapshotFault(SnapshotCode Code, string Message)
{
    /// <summary>What a driver said: its own business, and so Unknown to containerd, but for a full disk.</summary>
    public static SnapshotFault? Of(DriverError? error) => error is null
        ? null
        : new(error.Errno is Errno.ENOSPC or Errno.EDQUOT ? SnapshotCode.ResourceExhausted : SnapshotCode.Unknown, error.ToString());

    /// <inheritdoc/>
    public override string ToString() => Message;
}

/// <summary>A value, or why there is none.</summary>
/// <typeparam name="T">The type of the value.</typeparam>
public readonly record struct SnapshotResult<T>
{
    private SnapshotResult(T value, SnapshotFault? fault) => (Value, Fault) = (value, fault);

    /// <summary>The value; meaningful only when <see cref="Fault"/> is null.</summary>
    public T Value { get; }

    /// <summary>What went wrong, or null.</summary>
    public SnapshotFault? Fault { get; }

    /// <summary>A success.</summary>
    public static implicit operator SnapshotResult<T>(T value) => new(value, null);

    /// <summary>A failure.</summary>
    public static implicit operator SnapshotResult<T>(SnapshotFault fault) => new(default!, fault);
}
