using System.Globalization;
using System.Text;
using DriverLab.Conformance.Scenarios;

namespace DriverLab.Conformance.Fuzzing;

/// <summary>Every program of a few operations over a small fixed set of names: what is left out by chance cannot be missed here.</summary>
/// <remarks>Mohan et al., "Finding Crash-Consistency Bugs with Bounded Black-Box Crash Testing", OSDI 2018: most bugs need three operations or fewer on a fresh file system.</remarks>
public sealed class ExhaustivePrograms : IProgramSource
{
    private static readonly string[] s_vfsSetUp =
    [
        "write /a one", "mkdir /d", "write /d/c two",
    ];

    private static readonly string[] s_overlaySetUp =
    [
        "mkdir /l /u /w /m", "write /l/a one", "link /l/a /l/b", "mkdir /l/d", "write /l/d/c two", "symlink a /l/s",
        "mount overlay /m lowerdir=/l upperdir=/u workdir=/w",
    ];

    /// <summary>The operations; <c>~</c> stands for the place where the names are.</summary>
    private static readonly string[] s_operations =
    [
        "write ~/a x", "write ~/b y append", "write ~/d/a z", "truncate ~/a 0", "truncate ~/a 5000", "f = open ~/a O_RDWR ; pwrite f w 1", "f = open ~/b O_RDWR|O_CREAT|O_EXCL",
        "f = open ~/a O_RDONLY|O_TRUNC", "f = open ~/d O_RDWR|O_TMPFILE ; link \"\" ~/d/t at=f empty",
        "unlink ~/a", "unlink ~/b", "unlink ~/d/c", "unlink ~/d", "rmdir ~/d", "rmdir ~/a", "mkdir ~/d", "mkdir ~/e", "mkdir ~/d/e", "mkdir ~/a",
        "link ~/a ~/b", "link ~/a ~/d/b", "link ~/d ~/e", "symlink a ~/b", "symlink d ~/e", "symlink ../a ~/d/c",
        "rename ~/a ~/b", "rename ~/b ~/a", "rename ~/a ~/d/c", "rename ~/d/c ~/a", "rename ~/d ~/e", "rename ~/e ~/d", "rename ~/d ~/d/e", "rename ~/a ~/d",
        "rename ~/a ~/d RENAME_EXCHANGE", "rename ~/a ~/b RENAME_EXCHANGE", "rename ~/d ~/e RENAME_NOREPLACE", "rename ~/a ~/b RENAME_WHITEOUT",
        "chmod ~/a 0", "chmod ~/d 0500", "chown ~/a 1000 1000", "lchown ~/b 5 5", "setxattr ~/a user.x v", "removexattr ~/a user.x", "setxattr ~/d trusted.x v",
        "mknod ~/b chr 0600 0 0", "readdir ~", "readdir ~/d", "alice(uid 1000 gid 1000): unlink ~/d/c",
    ];

    private readonly string[] _setUp;
    private readonly string _place;
    private readonly string[] _needs;
    private readonly int _length;

    /// <summary>All programs of a suite with this many operations.</summary>
    /// <param name="suite">vfs or overlay.</param>
    /// <param name="length">1 to 3.</param>
    public ExhaustivePrograms(string suite, int length)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, 3);
        Suite = Suites.Contains(suite) ? suite : throw new ArgumentOutOfRangeException(nameof(suite), suite, "no fixed set of operations");
        (_setUp, _place, _needs) = suite == "overlay" ? (s_overlaySetUp, "/m", new[] { "overlay", "tmpfs" }) : (s_vfsSetUp, "", ["tmpfs"]);
        _length = length;
        Count = 1;
        for (int i = 0; i < length; i++)
            Count *= s_operations.Length;
    }

    /// <summary>The suites that have a fixed set of operations.</summary>
    public static IReadOnlyList<string> Suites { get; } = ["overlay", "vfs"];

    /// <inheritdoc/>
    public string Suite { get; }

    /// <inheritdoc/>
    public long Count { get; }

    /// <inheritdoc/>
    public Scenario Make(long number)
    {
        var text = new StringBuilder().Append("suite ").Append(Suite).Append("\nneeds ").AppendJoin(", ", _needs).Append('\n');
        foreach (string statement in _setUp)
            _ = text.Append(statement).Append('\n');
        bool metAlice = false;
        long rest = number;
        for (int i = 0; i < _length; i++, rest /= s_operations.Length)
        {
            string operation = s_operations[rest % s_operations.Length].Replace("~", _place.Length > 0 ? _place : "", StringComparison.Ordinal);
            if (operation.StartsWith("alice", StringComparison.Ordinal))
            {
                operation = metAlice ? "alice" + operation[operation.IndexOf(':', StringComparison.Ordinal)..] : operation;
                metAlice = true;
            }
            _ = text.Append(operation == "readdir " ? "readdir /" : operation).Append('\n');
        }
        _ = text.Append("checkpoint\n");
        string name = string.Create(CultureInfo.InvariantCulture, $"{Suite}/all-{_length}/{number}");
        return ScenarioParser.Parse(name, name + ScenarioStore.Extension, text.ToString());
    }
}
