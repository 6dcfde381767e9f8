using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using DriverLab.Labs.Files;
using DriverLab.Rig;
using DriverLab.Rig.Cache;

namespace DriverLab.Labs.Keeping;

/// <summary>The user's folder of labs that are up: a folder each, with the keeper's log and the keys for ssh. What makes a lab be up is its keeper's socket; a folder without one is a leftover.</summary>
/// <remarks>A lab ends with <c>lab down</c>, with its keeper, or with the computer. Machines and disks live in the keeper and in files without names, so a keeper that is killed leaves this folder only.</remarks>
public sealed class LabStore
{
    /// <summary>Over a folder.</summary>
    public LabStore(string root) => Root = Path.GetFullPath(root);

    /// <summary>The folder.</summary>
    public string Root { get; }

    /// <summary>The user's: <c>$DRIVERLAB_STATE</c>, else <c>$XDG_STATE_HOME/driverlab</c>, else <c>~/.local/state/driverlab</c>; below it <c>labs</c>.</summary>
    public static LabStore OfUser()
    {
        if (Environment.GetEnvironmentVariable("DRIVERLAB_STATE") is { Length: > 0 } chosen)
            return new(Path.Combine(chosen, "labs"));
        if (Environment.GetEnvironmentVariable("XDG_STATE_HOME") is { Length: > 0 } xdg)
            return new(Path.Combine(xdg, "driverlab", "labs"));
        string home = Environment.GetEnvironmentVariable("HOME") is { Length: > 0 } set ? set : Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        return new(Path.Combine(home.Length > 0 ? home : "/", ".local", "state", "driverlab", "labs"));
    }

    /// <summary>A lab's folder; made, for this user only, when it is missing.</summary>
    public string FolderOf(string lab)
    {
        string folder = Path.Combine(Root, lab);
        try
        {
            return Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RigException($"the folder {folder} of lab {lab} cannot be made: {e.Message}; choose another place with DRIVERLAB_STATE=DIR", e);
        }
    }

    /// <summary>The keeper's log.</summary>
    public string LogOf(string lab) => Path.Combine(Root, lab, "log");

    /// <summary>Configuration for ssh, scp and rsync.</summary>
    public string SshConfigOf(string lab) => Path.Combine(Root, lab, "ssh_config");

    /// <summary>Name of the keeper's abstract socket: gone with the keeper, one for each lab of each folder.</summary>
    public string SocketOf(string lab) => "driverlab-lab-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Root)))[..16] + "-" + lab;

    /// <summary>Names of labs that have a folder, up or not.</summary>
    public IReadOnlyList<string> Names => Directory.Exists(Root) ? [.. Directory.GetDirectories(Root).Select(folder => Path.GetFileName(folder)!).Order(StringComparer.Ordinal)] : [];

    /// <summary>Removes a lab's folder.</summary>
    public void Remove(string lab) => RigCache.Remove(Path.Combine(Root, lab));

    /// <summary>A lab that the user names by its name or by its file.</summary>
    /// <exception cref="RigUsageException">It is neither.</exception>
    public static string NameOf(string nameOrFile)
    {
        if (nameOrFile.EndsWith(".yaml", StringComparison.Ordinal) || nameOrFile.EndsWith(".yml", StringComparison.Ordinal) || nameOrFile.Contains('/'))
            return LabFile.Read(nameOrFile).Name;
        return Regex.IsMatch(nameOrFile, "^[a-z0-9][a-z0-9_.-]{0,19}$", RegexOptions.None, TimeSpan.FromSeconds(1)) ? nameOrFile
            : throw new RigUsageException($"'{nameOrFile}' is no lab; expected a lab file, or the name of a lab that is up");
    }
}

/// <summary>A request to a keeper: words, the first is the verb; then, for some, bytes.</summary>
internal enum LabFrame : byte
{
    /// <summary>To the keeper: words, separated by NUL.</summary>
    Request = 1,
    /// <summary>To the keeper: standard input; empty is its end.</summary>
    Input = 2,
    /// <summary>From the keeper: data for standard output.</summary>
    Output = 3,
    /// <summary>From the keeper: bytes for standard error.</summary>
    Errors = 4,
    /// <summary>From the keeper: a line of progress.</summary>
    Progress = 5,
    /// <summary>From the keeper: done, with an exit status as text.</summary>
    Done = 6,
    /// <summary>From the keeper: refused; a status, a blank, a sentence.</summary>
    Refused = 7,
}

/// <summary>Frames over a socket: kind, length in 4 bytes, bytes. Sending is safe from several threads.</summary>
internal sealed class LabWire(Stream stream) : IDisposable
{
    private readonly Lock _sending = new();

    public void Send(LabFrame kind, ReadOnlySpan<byte> bytes)
    {
        Span<byte> head = stackalloc byte[5];
        head[0] = (byte)kind;
        BitConverter.TryWriteBytes(head[1..], bytes.Length);
        lock (_sending)
        {
            stream.Write(head);
            stream.Write(bytes);
        }
    }

    public void Send(LabFrame kind, string text) => Send(kind, Encoding.UTF8.GetBytes(text));

    /// <summary>The next frame; null at the end.</summary>
    public async Task<(LabFrame Kind, byte[] Bytes)?> ReceiveAsync(CancellationToken cancellation)
    {
        byte[] head = new byte[5];
        if (await stream.ReadAtLeastAsync(head, 5, throwOnEndOfStream: false, cancellation).ConfigureAwait(false) < 5)
            return null;
        int length = BitConverter.ToInt32(head, 1);
        if (length is < 0 or > 64 << 20)
            return null;
        byte[] bytes = new byte[length];
        return await stream.ReadAtLeastAsync(bytes, length, throwOnEndOfStream: false, cancellation).ConfigureAwait(false) == length ? ((LabFrame)head[0], bytes) : null;
    }

    public void Dispose() => stream.Dispose();

    public static string Status(int status) => status.ToString(CultureInfo.InvariantCulture);
}
