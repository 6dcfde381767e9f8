using DriverLab.DeviceMapper.PersistentData;
using DriverLab.Formats;
using DriverLab.Formats.Thin;
using DriverLab.Linux;
using System.Runtime.InteropServices;

namespace DriverLab.DeviceMapper.Targets;

/// <summary>Mappings from virtual to data blocks.</summary>
internal sealed partial class ThinMetadata
{
    /// <summary>The data block of a virtual block, from what is in memory.</summary>
    /// <returns>OK, ENODATA (not mapped), EAGAIN (would have to read), EILSEQ, ENOTBLK (not sound).</returns>
    public Errno FindCached(ThinDevice device, ulong block, out ThinLookup result)
    {
        result = default;
        if (_failed)
            return Errno.EINVAL;
        if (IsBusy)
            return Errno.EAGAIN;
        try
        {
            if (device.MappingRootOf != _root)
            {
                var top = _top.TryFindCached(_root, device.Id, out ulong root);
                if (top != Errno.OK)
                    return top;
                (device.MappingRoot, device.MappingRootOf) = (root, _root);
            }
            var error = _mappings.TryFindCached(device.MappingRoot, block, out ulong packed);
            if (error == Errno.OK)
                result = Lookup(device, packed);
            return error;
        }
        catch (MetadataException e)
        {
            return e.Error;
        }
    }

    /// <returns>OK, ENODATA (not mapped), and what the metadata say.</returns>
    public Errno Find(ThinDevice device, ulong block, out ThinLookup result)
    {
        result = default;
        try
        {
            Enter(changes: false);
            return TryFind(device, block, out result) ? Errno.OK : Errno.ENODATA;
        }
        catch (MetadataException e)
        {
            return e.Error;
        }
        finally
        {
            Leave();
        }
    }

    private bool TryFind(ThinDevice device, ulong block, out ThinLookup result)
    {
        result = default;
        if (!_mappings.TryFind(MappingRoot(device), block, out var value))
            return false;
        result = Lookup(device, MemoryMarshal.Read<Le<ulong>>(value).Value);
        return true;
    }

    private static ThinLookup Lookup(ThinDevice device, ulong packed)
    {
        var mapping = ThinMapping.Unpack(packed);
        return new(mapping.DataBlock, mapping.Time < device.SnapshottedTime);
    }

    private ulong MappingRoot(ThinDevice device)
    {
        if (device.MappingRootOf != _root)
        {
            if (!_top.TryFind(_root, device.Id, out var value))
                throw new MetadataException(Errno.ENODATA);
            (device.MappingRoot, device.MappingRootOf) = (MemoryMarshal.Read<Le<ulong>>(value).Value, _root);
        }
        return device.MappingRoot;
    }

    /// <summary>The first run of mapped blocks in a range that are neighbours on the data device too.</summary>
    /// <returns>OK, ENODATA (none), and what the metadata say.</returns>
    /// <remarks>Linux drivers/md/dm-thin-metadata.c: dm_thin_find_mapped_range().</remarks>
    public Errno FindMappedRange(ThinDevice device, ulong begin, ulong end, out ThinRange range)
    {
        range = default;
        try
        {
            Enter(changes: false);
            if (begin >= end || !_mappings.TryFindNext(MappingRoot(device), begin, out ulong first, out var value) || first >= end)
                return Errno.ENODATA;
            var start = Lookup(device, MemoryMarshal.Read<Le<ulong>>(value).Value);
            ulong next = first + 1;
            while (next != end && TryFind(device, next, out var found) && found.DataBlock == start.DataBlock + (next - first) && found.IsShared == start.IsShared)
                next++;
            range = new(first, next, start.DataBlock, start.IsShared);
            return Errno.OK;
        }
        catch (MetadataException e)
        {
            return e.Error;
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Maps a virtual block; a data block that it was mapped to before loses a user.</summary>
    /// <remarks>Linux drivers/md/dm-thin-metadata.c: __insert().</remarks>
    public Errno Insert(ThinDevice device, ulong block, ulong dataBlock)
    {
        try
        {
            Enter(changes: true);
            ulong root = _root;
            var top = _top.MakeRoom(ref root, device.Id, out int index);
            if (index >= top.Node.Count || top.Node.Key(index) != device.Id)
                throw new MetadataException(Errno.ENODATA);
            ulong tree = top.Node.Value64(index);
            Le<ulong> value = new ThinMapping(dataBlock, _time).Packed;
            bool isNew = _mappings.Insert(ref tree, block, MemoryMarshal.AsBytes(new ReadOnlySpan<Le<ulong>>(in value)));
            top.Node.SetValue64(index, tree);
            _root = root;
            (device.MappingRoot, device.MappingRootOf) = (tree, root);
            device.IsChanged = true;
            if (isNew)
                device.MappedBlocks++;
            return Errno.OK;
        }
        catch (MetadataException e)
        {
            return e.Error;
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Unmaps a range. The mapping tree is taken out meanwhile and put back, as the kernel does: that decides which nodes are copied.</summary>
    /// <remarks>Linux drivers/md/dm-thin-metadata.c: __remove_range().</remarks>
    public Errno RemoveRange(ThinDevice device, ulong begin, ulong end)
    {
        try
        {
            Enter(changes: true);
            ulong tree = MappingRoot(device), removed = 0;
            _transactions.Inc(tree);
            _top.Remove(ref _root, device.Id);
            while (begin < end && _mappings.TryFindNext(tree, begin, out begin, out _) && begin < end)
                removed += _mappings.RemoveLeaves(ref tree, ref begin, end);
            device.MappedBlocks -= removed;
            device.IsChanged = true;
            InsertTree(device.Id, tree);
            device.MappingRootOf = 0;
            return Errno.OK;
        }
        catch (MetadataException e)
        {
            return e.Error;
        }
        finally
        {
            Leave();
        }
    }

    /// <returns>ENOSPC: no data block is free; and what the metadata say, where ENOSPC of theirs is one too.</returns>
    public Errno AllocateData(out ulong block)
    {
        block = 0;
        try
        {
            Enter(changes: true);
            return _dataMap.TryNewBlock(out block) ? Errno.OK : Errno.ENOSPC;
        }
        catch (MetadataException e)
        {
            return e.Error;
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Gives data blocks one user more, or one less.</summary>
    public Errno ChangeData(ulong begin, ulong end, bool up)
    {
        try
        {
            Enter(changes: true);
            for (ulong block = begin; block < end; block++)
            {
                if (up)
                    _dataMap.Inc(block);
                else
                    _dataMap.Dec(block);
            }
            return Errno.OK;
        }
        catch (MetadataException e)
        {
            return e.Error;
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>True when a data block has more than one user.</summary>
    public Errno IsDataShared(ulong block, out bool isShared)
    {
        isShared = true;
        try
        {
            Enter(changes: false);
            isShared = _dataMap.Count(block) > 1;
            return Errno.OK;
        }
        catch (MetadataException e)
        {
            return e.Error;
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>The highest virtual block that is mapped; false when none is.</summary>
    public Errno HighestMapped(ThinDevice device, out bool isAny, out ulong block)
    {
        (isAny, block) = (false, 0);
        try
        {
            Enter(changes: false);
            isAny = _mappings.TryHighestKey(MappingRoot(device), out block);
            return Errno.OK;
        }
        catch (MetadataException e)
        {
            return e.Error;
        }
        finally
        {
            Leave();
        }
    }
}
