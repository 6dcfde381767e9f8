namespace DriverLab.DeviceMapper;

/// <summary>The words of a row, taken one after another.</summary>
/// <remarks>Linux drivers/md/dm-table.c: struct dm_arg_set.</remarks>
public sealed class DmArguments(IReadOnlyList<string> words, int first = 0)
{
    private int _next = first;

    /// <summary>Number of words that are left.</summary>
    public int Left => words.Count - _next;

    /// <summary>Takes the next word; null when there is none.</summary>
    public string? Take() => _next < words.Count ? words[_next++] : null;

    /// <summary>Takes a number between two bounds.</summary>
    /// <remarks>Linux drivers/md/dm-table.c: dm_read_arg().</remarks>
    public bool TryTake(uint least, uint most, out uint value)
    {
        value = 0;
        return Take() is { } word && DmText.TryNumber(word, out value) && value >= least && value <= most;
    }

    /// <summary>Takes the size of a group of words, which must all be there.</summary>
    /// <remarks>Linux drivers/md/dm-table.c: dm_read_arg_group().</remarks>
    public bool TryTakeGroup(uint most, out uint count) => TryTake(0, most, out count) && count <= Left;
}
