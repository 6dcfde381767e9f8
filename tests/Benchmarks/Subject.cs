namespace DriverLab.Benchmarks;

/// <summary>One kernel with one prepared tree: the operations of a row, each once per call. Paths have five components.</summary>
public abstract class Subject : IDisposable
{
    /// <summary>How many pages of 4 KiB the file has that is read and written.</summary>
    protected const int Pages = 64;

    protected const int PageSize = 4096;

    private int _page;

    /// <summary>statx of a file by a path of five components.</summary>
    public abstract void Stat();

    /// <summary>open of the same file for reading, and close.</summary>
    public abstract void OpenClose();

    /// <summary>A new empty file: open with O_CREAT and O_EXCL, close, unlink.</summary>
    public abstract void CreateUnlink();

    /// <summary>open, getdents until the end, close of a directory with 1,000 entries.</summary>
    public abstract void ReadDirectory();

    /// <summary>pread of 4 KiB.</summary>
    public abstract void ReadPage();

    /// <summary>pwrite of 4 KiB over existing data.</summary>
    public abstract void WritePage();

    /// <summary>Offsets of consecutive pages, round and round.</summary>
    protected long NextOffset() => (long)(_page = (_page + 1) % Pages) * PageSize;

    public virtual void Dispose() => GC.SuppressFinalize(this);
}
