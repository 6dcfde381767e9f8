using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;

namespace DriverLab.Conformance.Running;

/// <summary>Knows the loop and device-mapper devices that a scenario makes, keeps their nodes as dmsetup would, and removes them at the end.</summary>
internal sealed class DeviceKeeper(IKernel keeper)
{
    private const int Tries = 50;
    private const long PauseNs = 10_000_000, UsualReadAhead = 256;

    private readonly HashSet<int> _loops = [];
    private readonly Dictionary<string, DevT> _maps = [];
    private readonly HashSet<string> _nodes = [];
    private readonly HashSet<string> _prefixes = [];

    /// <summary>Notes a loop device that may be bound.</summary>
    public void NoteLoop(int number) => _loops.Add(number);

    /// <summary>Notes a new mapped device and makes its node, as libdevmapper does.</summary>
    public void NoteMap(string name, DevT device)
    {
        _maps[name] = device;
        // A missing node shows when it is opened; what is there already, as 'control' is, stays.
        if (keeper.MknodAt(Fd.Cwd, Node(name), Mode.S_IFBLK | (Mode)0x180, device) == Errno.OK)
            _ = _nodes.Add(name);
    }

    /// <summary>Notes that mapped devices whose names begin so are the scenario's, whoever makes them.</summary>
    public void NoteMaps(string prefix) => _prefixes.Add(prefix);

    /// <summary>Forgets a mapped device and its node.</summary>
    public void ForgetMap(string name)
    {
        if (_maps.Remove(name) && _nodes.Remove(name))
            _ = keeper.UnlinkAt(Fd.Cwd, Node(name), AtFlags.None); // gone is what is wanted
    }

    /// <summary>A mapped device has another name.</summary>
    public void RenameMap(string name, string newName)
    {
        if (!_maps.TryGetValue(name, out var device))
            return;
        ForgetMap(name);
        NoteMap(newName, device);
    }

    /// <summary>Resumes what is suspended and takes away tables that wait, before files are closed: their pages would wait for a suspended device for ever.</summary>
    public void Wake()
    {
        if (_maps.Count == 0 && _prefixes.Count == 0)
            return;
        var control = keeper.OpenAt(Fd.Cwd, "/dev/mapper/control"u8, OpenFlags.O_RDWR, Mode.None);
        if (!control.IsOk)
            return; // the removal tells
        if (_prefixes.Count > 0 && keeper.DmList(control.Value) is { IsOk: true, Value: var listed })
        {
            foreach (var entry in listed.Where(entry => _prefixes.Any(prefix => entry.Name.StartsWith(prefix, StringComparison.Ordinal))))
                _maps[entry.Name] = entry.Dev;
        }
        foreach (var name in _maps.Keys.Reverse())
            Wake(control.Value, Encoding.UTF8.GetBytes(name));
        _ = keeper.Close(control.Value); // holds no data
    }

    private void Wake(Fd control, byte[] key)
    {
        // A table that waits holds the devices that it names open.
        _ = keeper.DmClear(control, key); // what matters is the removal
        var info = keeper.DmInfo(control, key);
        if (info.IsOk && info.Value.Has(DmFlags.DM_SUSPEND_FLAG))
            _ = keeper.DmResume(control, key); // what matters is the removal
    }

    /// <summary>Removes what is left, devices on top first, by trying again while anything goes.</summary>
    public void CleanUp(List<string> problems)
    {
        if (_maps.Count > 0)
            RemoveMaps(problems);
        DetachLoops(problems);
    }

    private void RemoveMaps(List<string> problems)
    {
        var control = keeper.OpenAt(Fd.Cwd, "/dev/mapper/control"u8, OpenFlags.O_RDWR, Mode.None);
        if (!control.IsOk)
        {
            problems.Add($"opening /dev/mapper/control {control.Error}");
            return;
        }
        var last = Errno.OK;
        for (int i = 0; i < Tries && _maps.Count > 0; i++)
        {
            if (i > 0)
                keeper.Sleep(PauseNs);
            foreach (var name in _maps.Keys.Reverse().ToArray())
            {
                byte[] key = Encoding.UTF8.GetBytes(name);
                if (i > 0)
                    Wake(control.Value, key);
                last = keeper.DmRemove(control.Value, key).Error;
                if (last is Errno.OK or Errno.ENXIO)
                    ForgetMap(name);
            }
        }
        foreach (var name in _maps.Keys)
            problems.Add($"dm device {name} {last}");
        _ = keeper.Close(control.Value); // holds no data
    }

    /// <summary>Gives each mapped device a table of errors, as dmsetup remove --force does, so that requests that it holds or that wait in its targets fail.</summary>
    public void FailRequests()
    {
        var control = keeper.OpenAt(Fd.Cwd, "/dev/mapper/control"u8, OpenFlags.O_RDWR, Mode.None);
        if (!control.IsOk)
            return;
        // Whoever waits for a device shows whether that helped.
        foreach (var name in _maps.Keys.Reverse())
        {
            byte[] key = Encoding.UTF8.GetBytes(name);
            var table = keeper.DmTable(control.Value, key);
            long sectors = table is { IsOk: true, Value.Rows: [.., var last] } ? last.Start + last.Length : 1;
            _ = keeper.DmLoad(control.Value, key, [new(0, sectors, "error", "")], false);
            _ = keeper.DmSuspend(control.Value, key, DmFlags.DM_NOFLUSH_FLAG | DmFlags.DM_SKIP_LOCKFS_FLAG);
            _ = keeper.DmResume(control.Value, key);
        }
        _ = keeper.Close(control.Value); // holds no data
    }

    /// <summary>A loop device below another one goes only after that has gone, so all are asked again until none is bound.</summary>
    private void DetachLoops(List<string> problems)
    {
        for (int i = 0; i < Tries && _loops.Count > 0; i++)
        {
            if (i > 0)
                keeper.Sleep(PauseNs);
            foreach (int number in _loops.OrderDescending().ToArray())
            {
                if (Detach(number))
                    _ = _loops.Remove(number);
            }
        }
        foreach (int number in _loops.Order())
            problems.Add($"loop device {number} stays bound");
    }

    private bool Detach(int number)
    {
        byte[] path = Encoding.UTF8.GetBytes($"/dev/loop{number}");
        var opened = keeper.OpenAt(Fd.Cwd, path, OpenFlags.O_RDONLY, Mode.None);
        if (!opened.IsOk)
            return opened.Error is Errno.ENOENT or Errno.ENXIO;
        // The next scenario may get this device, which keeps these.
        _ = keeper.BlkRoSet(opened.Value, false);
        _ = keeper.BlkRaSet(opened.Value, UsualReadAhead);
        _ = keeper.LoopClrFd(opened.Value); // ENXIO when it is unbound already
        _ = keeper.Close(opened.Value);     // the last close detaches
        return !IsBound(path);
    }

    private bool IsBound(byte[] path)
    {
        var opened = keeper.OpenAt(Fd.Cwd, path, OpenFlags.O_RDONLY, Mode.None);
        if (!opened.IsOk)
            return false;
        var error = keeper.LoopGetStatus64(opened.Value, out _);
        _ = keeper.Close(opened.Value); // only looked at
        return error != Errno.ENXIO;
    }

    private static byte[] Node(string name) => [.. "/dev/mapper/"u8, .. Encoding.UTF8.GetBytes(name)];
}
