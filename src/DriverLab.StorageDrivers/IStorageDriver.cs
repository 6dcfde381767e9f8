using DriverLab.StorageDrivers.Layers;

namespace DriverLab.StorageDrivers;

/// <summary>
/// A storage driver: it keeps layers, each made from a parent, hands out a layer's merged tree as a directory, and turns layers into tars and back.
/// </summary>
/// <remarks>
/// <para>Ids are opaque (<see cref="LayerId"/>). The empty string as a parent means none. A driver reaches the kernel through <see cref="Linux.IKernel"/> only; kernel outcomes
/// come back as <see cref="DriverError"/>, never as exceptions. A driver is used by one thread at a time.</para>
/// <para>The layer store above keeps order: it never removes a layer that has children, it writes no layer after making a child of it. Drivers do not check children.</para>
/// <para>Modelled on moby's graphdriver contract (20.10); what differs is said at the member, beginning with "Unlike Docker".</para>
/// </remarks>
public interface IStorageDriver : IDisposable
{
    /// <summary>The driver's name: <c>vfs</c>, <c>overlay2</c>.</summary>
    string Name { get; }

    /// <summary>Makes a read-only layer, filled afterwards by <see cref="ApplyDiff"/> and then only read.</summary>
    /// <returns>EINVAL (id, an option it refuses: <c>size</c> is for read-write layers), EEXIST (id), ENOENT (parent), then what the kernel says. A failure leaves no layer.
    /// Unlike Docker's overlay2, a second Create of an id is refused instead of giving it a second link.</returns>
    DriverError? Create(string id, string parent, LayerOptions options);

    /// <summary>Makes a container's writable layer; errors as <see cref="Create"/>, and EOPNOTSUPP for a <c>size</c> where the file system has no project quota.</summary>
    DriverError? CreateReadWrite(string id, string parent, LayerOptions options);

    /// <summary>The directory with the layer's merged tree, mounted if need be. Counted: a second Get gives the same directory, each Get wants a <see cref="Put"/>.</summary>
    /// <returns>EINVAL (id), ENOENT (id), then what mount(2) says.</returns>
    DriverResult<string> Get(string id);

    /// <summary>Takes one Get back; the last one unmounts. A Put too many, or of an unknown id, does nothing.</summary>
    /// <returns>EINVAL (id). Errors of umount are not reported: the mount is taken away lazily.</returns>
    DriverError? Put(string id);

    /// <summary>Deletes a layer and its files. Unknown ids are no error.</summary>
    /// <returns>EINVAL (id), EBUSY (still counted by Get, something mounted inside it, or what stays busy for 50 tries 100 ms apart), then what the kernel says.
    /// Unlike Docker, a layer that this driver itself still has mounted, or that holds another mount, is refused at once instead of being unmounted.</returns>
    DriverError? Remove(string id);

    /// <summary>True when the id names a layer.</summary>
    bool Exists(string id);

    /// <summary>What <c>docker info</c> prints of the driver: pairs in a fixed order.</summary>
    IReadOnlyList<KeyValuePair<string, string>> Status();

    /// <summary>What <c>docker inspect</c> prints of the layer: its directories by role.</summary>
    /// <returns>EINVAL (id), ENOENT (id).</returns>
    DriverResult<IReadOnlyList<KeyValuePair<string, string>>> Metadata(string id);

    /// <summary>Releases what the driver holds at the end of its life; layers stay.</summary>
    DriverError? Cleanup();

    /// <summary>Writes a layer as a tar: what it adds, changes and deletes relative to a parent; with an empty parent the whole tree.</summary>
    /// <param name="id">The layer.</param>
    /// <param name="parent">Its parent, any other layer, or empty.</param>
    /// <param name="tar">Receives ustar with pax records where they are needed; entries in byte order of their paths, deletions as OCI whiteouts.</param>
    /// <returns>EINVAL (id), ENOENT (id, parent), then what the kernel says.</returns>
    DriverError? Diff(string id, string parent, Stream tar);

    /// <summary>The paths that differ between a layer and a parent, in byte order. Found by walking both trees: see <see cref="TreeChanges"/> for what counts.</summary>
    /// <returns>As <see cref="Diff"/>.</returns>
    DriverResult<IReadOnlyList<Change>> Changes(string id, string parent);

    /// <summary>Unpacks a tar over a layer that was made from this parent, honouring whiteouts; see <see cref="LayerApplier"/> for the rules it keeps.</summary>
    /// <returns>EINVAL (id), ENOENT (id), EBADMSG (not a tar), EINVAL (an entry that must not be), E2BIG (limits), then what the kernel says. A failure leaves a layer to be removed.</returns>
    DriverResult<ApplyResult> ApplyDiff(string id, string parent, Stream tar);

    /// <summary>Bytes of the regular files that a layer adds or changes relative to a parent; a file with several names counts once.</summary>
    /// <returns>As <see cref="Diff"/>.</returns>
    DriverResult<long> DiffSize(string id, string parent);
}
