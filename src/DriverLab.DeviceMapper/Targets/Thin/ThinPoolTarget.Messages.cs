using System.Text;
using DriverLab.Linux;

namespace DriverLab.DeviceMapper.Targets;

/// <summary>Messages to a pool. Each one that succeeds is committed; how that goes is not told.</summary>
/// <remarks>Linux drivers/md/dm-thin.c: pool_message().</remarks>
internal sealed partial class ThinPoolTarget
{
    public override Errno Message(string[] words, StringBuilder answer)
    {
        if (_pool.Mode >= PoolMode.OutOfMetadataSpace)
        {
            Log($"{Table.Device.Number}: unable to service pool target messages in READ_ONLY or FAIL mode");
            return Errno.EOPNOTSUPP;
        }
        var error = words[0].ToLowerInvariant() switch
        {
            "create_thin" => CreateThin(words),
            "create_snap" => CreateSnapshot(words),
            "delete" => Delete(words),
            "set_transaction_id" => SetTransactionId(words),
            "reserve_metadata_snap" => ReserveSnapshot(words),
            "release_metadata_snap" => ReleaseSnapshot(words),
            _ => Unknown(words),
        };
        if (error == Errno.OK)
            _ = _pool.Commit();
        return error;
    }

    private Errno Unknown(string[] words)
    {
        Log($"Unrecognised thin pool target message received: {words[0]}");
        return Errno.EINVAL;
    }

    private bool HasCount(string[] words, int count)
    {
        if (words.Length == count)
            return true;
        Log($"Message received with {words.Length} arguments instead of {count}.");
        return false;
    }

    private bool ReadId(string word, out ulong id)
    {
        if (ThinType.TryReadId(word, out id))
            return true;
        Log($"Message received with invalid device id: {word}");
        return false;
    }

    private Errno Tell(Errno error, string sentence)
    {
        if (error != Errno.OK)
            Log(sentence);
        return error;
    }

    private Errno CreateThin(string[] words)
        => HasCount(words, 2) && ReadId(words[1], out ulong id)
            ? Tell(_pool.Metadata.CreateThin(id), $"Creation of new thinly-provisioned device with id {words[1]} failed.")
            : Errno.EINVAL;

    private Errno CreateSnapshot(string[] words)
        => HasCount(words, 3) && ReadId(words[1], out ulong id) && ReadId(words[2], out ulong origin)
            ? Tell(_pool.Metadata.CreateSnapshot(id, origin), $"Creation of new snapshot {words[1]} of device {words[2]} failed.")
            : Errno.EINVAL;

    private Errno Delete(string[] words)
        => HasCount(words, 2) && ReadId(words[1], out ulong id) ? Tell(_pool.Metadata.DeleteDevice(id), $"Deletion of thin device {words[1]} failed.") : Errno.EINVAL;

    private Errno SetTransactionId(string[] words)
    {
        if (!HasCount(words, 3))
            return Errno.EINVAL;
        if (!DmText.TryULong(words[1], out ulong current))
            return Tell(Errno.EINVAL, $"set_transaction_id message: Unrecognised id {words[1]}.");
        if (!DmText.TryULong(words[2], out ulong next))
            return Tell(Errno.EINVAL, $"set_transaction_id message: Unrecognised new id {words[2]}.");
        return Tell(_pool.Metadata.SetTransactionId(current, next), $"Failed to change transaction id from {words[1]} to {words[2]}.");
    }

    private Errno ReserveSnapshot(string[] words)
    {
        if (!HasCount(words, 1))
            return Errno.EINVAL;
        _ = _pool.Commit();
        return Tell(_pool.Metadata.ReserveSnapshot(), "reserve_metadata_snap message failed.");
    }

    private Errno ReleaseSnapshot(string[] words) => HasCount(words, 1) ? Tell(_pool.Metadata.ReleaseSnapshot(), "release_metadata_snap message failed.") : Errno.EINVAL;
}
