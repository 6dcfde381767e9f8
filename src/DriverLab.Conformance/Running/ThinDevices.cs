using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;

namespace DriverLab.Conformance.Running;

/// <summary>The devices that a devicemapper driver makes by itself: known to the keeper, which removes what is left, and to the labels.</summary>
internal static class ThinDevices
{
    /// <summary>Takes a home's name for its devices down.</summary>
    public static void NoteHome(StepContext c, byte[] home)
    {
        if (c.Task.Statx(Fd.Cwd, home, AtFlags.None, StatxMask.STATX_BASIC_STATS, out var stat) != Errno.OK)
            return;
        string prefix = $"docker-{stat.Dev}-{stat.Ino}";
        c.Run.Sandbox.Devices.NoteMaps(prefix + "-");
        c.Run.Labels.NameHome(prefix);
        c.Run.ThinHomes.Add(prefix + "-");
        NoteAll(c);
    }

    /// <summary>Labels the devices that there are now: <c>pool</c>, <c>base</c>, a layer's by its id, and the pool's loop devices.</summary>
    public static void NoteAll(StepContext c)
    {
        if (c.Run.ThinHomes.Count == 0)
            return;
        var control = c.Task.OpenAt(Fd.Cwd, "/dev/mapper/control"u8, OpenFlags.O_RDWR, Mode.None);
        var listed = control.IsOk ? c.Task.DmList(control.Value) : control.Error;
        foreach (var entry in listed.IsOk ? listed.Value.OrderBy(static e => e.Name, StringComparer.Ordinal) : Enumerable.Empty<DmListEntry>())
            if (c.Run.ThinHomes.FirstOrDefault(home => entry.Name.StartsWith(home, StringComparison.Ordinal)) is { } home)
                Note(c, control.Value, entry, entry.Name[home.Length..]);
        if (control.IsOk)
            _ = c.Task.Close(control.Value); // only looked at
    }

    private static void Note(StepContext c, Fd control, DmListEntry entry, string label)
    {
        c.Run.Labels.Name(entry.Dev, label);
        if (label != "pool" || c.Task.DmDeps(control, entry.Dev) is not { IsOk: true } deps)
            return;
        foreach (var device in deps.Value.Where(static d => d.Major == Loop.Major).OrderBy(static d => d.Minor))
            c.Run.Labels.NameLoop((int)device.Minor);
    }
}
