using DriverLab.ThinTools.Model;

namespace DriverLab.ThinTools.Text;

/// <summary>Metadata in thin_dump's format <c>human_readable</c>, byte for byte.</summary>
/// <param name="stream">Takes the text; stays open.</param>
public sealed class HumanReadableDumper(Stream stream) : IMetadataVisitor, IDisposable
{
    private readonly AsciiWriter _out = new(stream);

    public void SuperblockBegin(PoolDescription pool) =>
        _out.Put($"begin superblock: \"{pool.Uuid}\", {pool.Time}, {pool.TransactionId}, {pool.Flags}, {pool.Version}, {pool.DataBlockSizeSectors}, {pool.DataBlockCount}\n");

    public void SuperblockEnd() => _out.Put("end superblock\n"u8);

    public void DefBegin(string name) => _out.Put($"def: {name}\n");

    public void DefEnd() => _out.Put("\n"u8);

    public void DeviceBegin(in DeviceDescription device) => _out.Put(
        $"device: {device.Id}\nmapped_blocks: {device.MappedBlocks}\ntransaction: {device.TransactionId}\ncreation time: {device.CreationTime}\nsnap time: {device.SnapshotTime}\n");

    public void DeviceEnd() => _out.Put("\n"u8);

    public void Map(in MappingRun run)
    {
        _out.Put("    "u8);
        Range(run.ThinBegin, run.Length);
        _out.Put(" -> "u8);
        Range(run.DataBegin, run.Length);
        _out.Put(", "u8);
        _out.Put(run.Time);
        _out.Put("\n"u8);
    }

    public void Ref(string name) => _out.Put($"    ref: {name}\n");

    public void Dispose() => _out.Dispose();

    private void Range(ulong begin, ulong length)
    {
        if (length == 1)
        {
            _out.Put(begin);
            return;
        }
        _out.Put("("u8);
        _out.Put(begin);
        _out.Put(".."u8);
        _out.Put(begin + length - 1);
        _out.Put(")"u8);
    }
}
