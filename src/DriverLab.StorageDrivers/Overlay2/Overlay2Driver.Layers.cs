using System.Buffers;
using System.Text;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Files;
using DriverLab.StorageDrivers.Layers;

namespace DriverLab.StorageDrivers.Overlay2;

public sealed partial class Overlay2Driver
{
    private static readonly SearchValues<byte> s_linkBytes = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"u8);

    /// <summary>The layer's own directory where the parent is its direct parent and upper directories can be trusted; otherwise both trees are walked.</summary>
    public DriverError? Diff(string id, string parent, Stream tar)
    {
        if (CheckPair("diff", id, parent) is { } bad)
            return bad;
        if (!Features.NativeDiff || !IsParent(id, parent))
            return NaiveDiff.Diff(this, _kernel, id, parent, tar);
        var items = UpperTree.Items(_kernel, DiffOf(id), Format);
        return items.IsOk ? LayerExport.Write(_kernel, DiffOf(id), items.Value, tar) : items.Error;
    }

    /// <summary>Always by walking both trees: Docker gave up reading changes from upper directories when opaque ones came out wrong (moby#37313).</summary>
    public DriverResult<IReadOnlyList<Change>> Changes(string id, string parent) =>
        CheckPair("changes", id, parent) is { } bad ? bad : NaiveDiff.Changes(this, _kernel, id, parent);

    /// <inheritdoc/>
    public DriverResult<ApplyResult> ApplyDiff(string id, string parent, Stream tar)
    {
        if (CheckPair("apply", id, parent) is { } bad)
            return bad;
        return IsParent(id, parent)
            ? LayeredApply.Own(this, _kernel, DiffOf(id), parent, tar, Format, _options.Limits)
            : LayeredApply.Merged(this, _kernel, id, tar, _options.Limits);
    }

    /// <inheritdoc/>
    public DriverResult<long> DiffSize(string id, string parent)
    {
        if (CheckPair("diffsize", id, parent) is { } bad)
            return bad;
        return Features.NativeDiff && IsParent(id, parent) ? TreeSize.OfTree(_kernel, DiffOf(id)) : NaiveDiff.Size(this, _kernel, id, parent);
    }

    private DriverError? CheckPair(string call, string id, string parent)
    {
        if ((Check(call, id) ?? (parent.Length == 0 ? null : Check(call, parent))) is { } bad)
            return bad;
        foreach (string layer in (ReadOnlySpan<string>)[id, parent])
            if (layer.Length > 0 && !Exists(layer))
                return new DriverError(call, layer, Errno.ENOENT, "no such layer");
        return null;
    }

    private bool IsParent(string id, string parent)
    {
        var lowers = LowerDirectories(id);
        if (!lowers.IsOk)
            return false;
        return lowers.Value.Count == 0 ? parent.Length == 0 : parent.Length > 0 && lowers.Value[0] == DiffOf(parent);
    }

    /// <summary>The names in a layer's <c>lower</c> file; none for a base layer.</summary>
    private DriverResult<List<string>> LowersOf(string id)
    {
        var lower = _kernel.ReadWhole(At(id, "lower"));
        if (lower.Error == Errno.ENOENT)
            return new List<string>();
        if (!lower.IsOk)
            return DriverError.Of(lower.Error, "open", At(id, "lower"))!;
        if (lower.Value.Length == 0)
            return new DriverError("open", ByteText.Show(At(id, "lower")), Errno.EINVAL, "the file is empty, as a power cut leaves it");
        return Encoding.UTF8.GetString(lower.Value).Split(':').ToList();
    }

    /// <summary>What a child's <c>lower</c> file will hold: the parent's own link, then the parent's lowers.</summary>
    private DriverResult<List<string>> LowersOfChild(string parent)
    {
        var link = _kernel.ReadWhole(At(parent, "link"));
        if (!link.IsOk)
            return DriverError.Of(link.Error, "open", At(parent, "link"))!;
        if (!IsLink(link.Value))
            return new DriverError("open", ByteText.Show(At(parent, "link")), Errno.EINVAL, "the file holds no link id");
        var lowers = LowersOf(parent);
        if (lowers.IsOk)
            lowers.Value.Insert(0, $"{LinkDir}/{Encoding.ASCII.GetString(link.Value)}");
        return lowers;
    }

    /// <summary>The lowers with their links resolved.</summary>
    private DriverResult<List<string>> LowerDirectories(string id)
    {
        var lowers = LowersOf(id);
        if (!lowers.IsOk)
            return lowers;
        var directories = new List<string>();
        foreach (string lower in lowers.Value)
        {
            byte[] path = ByteText.Bytes($"{Home}/{lower}");
            var target = _kernel.ReadLink(Fd.Cwd, path);
            if (!target.IsOk)
                return DriverError.Of(target.Error, "readlink", path)!;
            string text = Encoding.UTF8.GetString(target.Value);
            directories.Add(text.StartsWith("../", StringComparison.Ordinal) ? $"{Home}/{text[3..]}" : text);
        }
        return directories;
    }

    private static bool IsLink(ReadOnlySpan<byte> link) => link.Length > 0 && link.IndexOfAnyExcept(s_linkBytes) < 0;

    private DriverError? WriteSmall(string id, string name, string content, Mode mode) => _kernel.ReplaceFile($"{Home}/{id}", name, content, mode);

    /// <inheritdoc/>
    public DriverResult<LayerMount> MountOf(string id, bool readOnly)
    {
        if ((Check("mounts", id) ?? (Exists(id) ? null : new DriverError("mounts", id, Errno.ENOENT, "no such layer"))) is { } bad)
            return bad;
        var lowers = LowerDirectories(id);
        if (!lowers.IsOk)
            return lowers.Error!;
        if (lowers.Value.Count == 0)
            return new LayerMount("bind", DiffOf(id), [readOnly ? "ro" : "rw", "rbind"]);
        IEnumerable<string> words = readOnly
            ? [$"lowerdir={DiffOf(id)}:{string.Join(':', lowers.Value)}"]
            : [$"workdir={Home}/{id}/work", $"upperdir={DiffOf(id)}", $"lowerdir={string.Join(':', lowers.Value)}"];
        return new LayerMount("overlay", "overlay", [.. Features.Prefix.Split(',', StringSplitOptions.RemoveEmptyEntries), .. words]);
    }

    /// <inheritdoc/>
    public DriverResult<LayerUsage> UsageOf(string id, string parent) => CheckPair("usage", id, parent) is { } bad
        ? bad
        : IsParent(id, parent) ? TreeSize.UsageOfTree(_kernel, DiffOf(id)) : NaiveDiff.Usage(this, _kernel, id, parent);

    private string DiffOf(string id) => $"{Home}/{id}/diff";

    private string MergedOf(string id) => $"{Home}/{id}/merged";

    private byte[] At(string id) => ByteText.Bytes($"{Home}/{id}");

    private byte[] At(string id, string name) => ByteText.Bytes($"{Home}/{id}/{name}");
}
