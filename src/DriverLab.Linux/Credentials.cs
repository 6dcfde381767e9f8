namespace DriverLab.Linux;

/// <summary>User, group and supplementary groups that a task takes on.</summary>
/// <param name="Uid">Real, effective, saved and file-system user id.</param>
/// <param name="Gid">Real, effective, saved and file-system group id.</param>
/// <param name="Groups">Supplementary groups.</param>
public readonly record struct UserIds(uint Uid, uint Gid, ReadOnlyMemory<uint> Groups)
{
    /// <summary>The superuser, no supplementary groups.</summary>
    public static readonly UserIds Root = new(0, 0, default);

    /// <summary>A user whose group has the same number, no supplementary groups.</summary>
    public static UserIds User(uint id) => new(id, id, default);
}
