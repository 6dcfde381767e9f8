using System.Runtime.InteropServices;

namespace DriverLab.Linux;

/// <summary>A line of uid_map or gid_map: <paramref name="Count"/> ids from <paramref name="Inside"/> on are those from <paramref name="Outside"/> on in the name space around it.</summary>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct IdMapExtent(uint Inside, uint Outside, uint Count)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Inside} {Outside} {Count}";
}

/// <summary>What a user name space takes its ids from. Without extents no id has a meaning in it.</summary>
/// <param name="Uids">Users.</param>
/// <param name="Gids">Groups.</param>
public readonly record struct UserMaps(ReadOnlyMemory<IdMapExtent> Uids, ReadOnlyMemory<IdMapExtent> Gids);
