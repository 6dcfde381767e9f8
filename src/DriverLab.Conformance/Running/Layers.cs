using System.Text;
using DriverLab.Conformance.Scenarios;
using DriverLab.Conformance.Verbs;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.StorageDrivers.Layers.Tar;

namespace DriverLab.Conformance.Running;

/// <summary>Archives from outside that scenarios name as <c>asset:NAME</c>: on the emulator's side files of this machine, in a guest files of its image.</summary>
public interface ILayerAssets
{
    /// <summary>What a scenario writes after <c>needs</c> when it wants archives.</summary>
    const string Need = "layers";

    /// <summary>What stands before an archive's name in a step.</summary>
    const string Prefix = "asset:";

    /// <summary>The archives that a scenario's steps name, in the order in which they come.</summary>
    static IReadOnlyList<string> NamesIn(Scenario scenario) => [.. scenario.Steps
        .SelectMany(static step => step.Arguments.Select(static a => a.Source)).Where(static source => source.StartsWith(Prefix, StringComparison.Ordinal))
        .Select(static source => source[Prefix.Length..]).Distinct()];

    /// <summary>Opens an archive for reading from its beginning; null when there is none of this name.</summary>
    /// <param name="name">The name, made of letters, digits and <c>-</c>.</param>
    /// <param name="outside">A task that is not in the scenario's root.</param>
    Stream? Open(string name, IKernel outside);
}

/// <summary>Archives as files <c>NAME.tar</c> in a folder that the kernel under test sees.</summary>
/// <param name="folder">The folder, absolute.</param>
public sealed class KernelLayerAssets(string folder) : ILayerAssets
{
    /// <summary>Where images carry their archives.</summary>
    public const string GuestFolder = "/driverlab/layers";

    /// <inheritdoc/>
    public Stream? Open(string name, IKernel outside) => KernelStream.Open(outside, Encoding.UTF8.GetBytes($"{folder}/{name}.tar"), out _);
}

/// <summary>No archives.</summary>
public sealed class NoLayerAssets : ILayerAssets
{
    /// <inheritdoc/>
    public Stream? Open(string name, IKernel outside) => null;
}

/// <summary>An archive that a scenario is making.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "A stream in memory has nothing to release.")]
internal sealed class LayerArchive
{
    private readonly MemoryStream _bytes = new();

    public LayerArchive() => Tar = new(_bytes);

    public TarWriter Tar { get; }

    /// <summary>The archive so far with an end marker; more can be added afterwards.</summary>
    public Stream Read()
    {
        Tar.Finish();
        var copy = new MemoryStream(_bytes.ToArray());
        _bytes.SetLength(_bytes.Length - 1024); // the end marker
        return copy;
    }
}

/// <summary>Finds the archive that a scenario means.</summary>
internal static class LayerSource
{
    /// <summary>The archive, or the outcome that says why there is none.</summary>
    public static (Stream? Archive, string Problem) Open(StepContext c, string source)
    {
        if (source.StartsWith(ILayerAssets.Prefix, StringComparison.Ordinal))
        {
            string name = source[ILayerAssets.Prefix.Length..];
            var asset = name.All(static ch => char.IsAsciiLetterOrDigit(ch) || ch == '-') ? c.Run.Assets.Open(name, c.Run.Sandbox.Keeper) : null;
            return asset is null ? (null, $"gap: no archive {source} here") : (asset, "");
        }
        if (source is ['/', ..])
        {
            var file = KernelStream.Open(c.Task, Encoding.UTF8.GetBytes(source), out var error);
            return (file, Render.Of(error) + " at open");
        }
        return c.Run.Layers.TryGetValue(source, out var layer)
            ? (layer.Read(), "")
            : throw new ScenarioRunException($"no archive '{source}'; expected one that 'layer' verbs made, an absolute path, or asset:NAME");
    }
}

/// <summary>An archive as detail lines, and a digest of them that stands for all.</summary>
internal static class LayerListing
{
    /// <summary>One line an entry: what it is, mode, owner, size, content, target, device, attributes, time. A time that is near the kernel's clock is shown as <c>now</c>.</summary>
    public static string Of(StepContext c, Stream archive)
    {
        var reader = new TarReader(archive, TarLimits.Default);
        long nowSeconds = c.Task.ClockGetTimeNs(ClockId.CLOCK_REALTIME) / 1_000_000_000;
        ulong digest = TestData.Start;
        long count = 0, length = 0;
        while (true)
        {
            var next = reader.Next();
            if (next.Error is { } error)
                return Render.Text($"{error.Errno} {error.Call} {error.Subject} ({error.Detail})");
            if (next.Value is not { } entry)
                return $"ok {count} entries digest:{TestData.Finish(digest, length):x16}";
            string name = Render.Name(entry.Name), line = Line(reader, entry, nowSeconds);
            byte[] bytes = Encoding.UTF8.GetBytes($"{name}\t{line}\n");
            digest = TestData.Update(digest, BitConverter.GetBytes(TestData.Digest(bytes)));
            length += bytes.Length;
            count++;
            if (!c.Has("brief"))
                c.Detail(name, line);
        }
    }

    private static string Line(TarReader reader, TarEntry e, long nowSeconds)
    {
        var text = new StringBuilder(96);
        _ = text.Append(e.Type switch
        {
            TarType.File => "file",
            TarType.HardLink => "link",
            TarType.Symlink => "symlink",
            TarType.Char => "chr",
            TarType.Block => "blk",
            TarType.Directory => "dir",
            TarType.Fifo => "fifo",
        });
        _ = text.Append(' ').Append(Render.Permissions(e.Permissions)).Append(' ').Append(e.Uid).Append(':').Append(e.Gid);
        if (e.Type == TarType.File)
            _ = text.Append(" size=").Append(e.Size).Append(" content=").Append(Content(reader, e.Size));
        if (e.LinkName.Length > 0)
            _ = text.Append(" target=").Append(Render.Quote(e.LinkName));
        if (e.Type is TarType.Char or TarType.Block)
            _ = text.Append(" rdev=").Append(e.Device);
        const long near = 3600;
        bool now = Math.Abs(e.Mtime.Seconds - nowSeconds) < near;
        _ = text.Append(" mtime=").Append(now ? "now" : $"{e.Mtime.Seconds}.{e.Mtime.Nanoseconds:d9}");
        foreach (var xattr in e.Xattrs)
            _ = text.Append(' ').Append(Render.Name(xattr.Name)).Append('=').Append(Render.Data(xattr.Value));
        return text.ToString();
    }

    [ThreadStatic]
    private static byte[]? s_buffer;

    private static string Content(TarReader reader, long size)
    {
        const int shown = 60;
        byte[] buffer = size <= shown ? new byte[size] : s_buffer ??= new byte[1 << 16];
        ulong digest = TestData.Start;
        for (long left = size; left > 0;)
        {
            int want = (int)Math.Min(left, buffer.Length), have = 0;
            while (have < want)
            {
                var got = reader.Read(buffer.AsSpan(have, want - have));
                if (!got.IsOk || got.Value == 0)
                    return "torn";
                have += got.Value;
            }
            digest = TestData.Update(digest, buffer.AsSpan(0, have));
            left -= have;
        }
        return size <= shown ? Render.Quote(buffer) : $"digest:{TestData.Finish(digest, size):x16}";
    }
}
