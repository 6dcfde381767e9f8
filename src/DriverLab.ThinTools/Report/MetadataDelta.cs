using DriverLab.ThinTools.Dump;
using DriverLab.ThinTools.Model;
using DriverLab.ThinTools.Text;

namespace DriverLab.ThinTools.Report;

/// <summary>How a range of two devices compares.</summary>
public enum DeltaKind
{
    /// <summary>Both map the same data blocks.</summary>
    Same,

    /// <summary>Both map, to different data blocks.</summary>
    Different,

    LeftOnly,
    RightOnly,
}

/// <summary>A range of thin blocks; data blocks of a side that does not map it are 0.</summary>
public readonly record struct DeltaRange(DeltaKind Kind, ulong Begin, ulong Length, ulong LeftData, ulong RightData);

/// <summary>Compares two devices.</summary>
public static class MetadataDelta
{
    /// <summary>The ranges that either device maps, in order.</summary>
    public static IReadOnlyList<DeltaRange> Run(ThinMetadata metadata, ulong left, ulong right)
    {
        var table = DeviceTable.Load(metadata);
        Strict.Require(metadata, [.. table.DetailsDamages, .. table.TopDamages]);
        ulong leftRoot = table.Find(left, metadata.Device.Name).Root, rightRoot = table.Find(right, metadata.Device.Name).Root;
        return [.. Compare(MappingStream.Read(metadata, leftRoot, MetadataDump.PathOf(left)), MappingStream.Read(metadata, rightRoot, MetadataDump.PathOf(right)))];
    }

    /// <summary>thin_delta's XML.</summary>
    /// <param name="stream">Takes the text.</param>
    /// <param name="pool">The pool.</param>
    /// <param name="left">Left device.</param>
    /// <param name="right">Right device.</param>
    /// <param name="ranges">What <see cref="Run"/> returned.</param>
    /// <param name="isVerbose">With data blocks.</param>
    public static void Write(Stream stream, PoolDescription pool, ulong left, ulong right, IReadOnlyList<DeltaRange> ranges, bool isVerbose)
    {
        using var xml = new AsciiWriter(stream);
        xml.Put($"<superblock uuid=\"{System.Security.SecurityElement.Escape(pool.Uuid)}\" time=\"{pool.Time}\" transaction=\"{pool.TransactionId}\" data_block_size=\"{pool.DataBlockSizeSectors}\" nr_data_blocks=\"{pool.DataBlockCount}\">\n");
        xml.Put($"  <diff left=\"{left}\" right=\"{right}\">\n");
        for (int i = 0; i < ranges.Count;)
            i = isVerbose ? Verbose(xml, ranges, i) : Brief(xml, ranges, i);
        xml.Put("  </diff>\n</superblock>\n"u8);
    }

    private static IEnumerable<DeltaRange> Compare(List<MappingRun> left, List<MappingRun> right)
    {
        int l = 0, r = 0;
        ulong at = 0;
        while (l < left.Count || r < right.Count)
        {
            ulong leftBegin = l < left.Count ? Math.Max(at, left[l].ThinBegin) : ulong.MaxValue, leftEnd = l < left.Count ? left[l].ThinBegin + left[l].Length : ulong.MaxValue;
            ulong rightBegin = r < right.Count ? Math.Max(at, right[r].ThinBegin) : ulong.MaxValue, rightEnd = r < right.Count ? right[r].ThinBegin + right[r].Length : ulong.MaxValue;
            ulong begin = Math.Min(leftBegin, rightBegin), end;
            if (leftBegin == rightBegin)
            {
                end = Math.Min(leftEnd, rightEnd);
                ulong leftData = left[l].DataBegin + (begin - left[l].ThinBegin), rightData = right[r].DataBegin + (begin - right[r].ThinBegin);
                yield return new(leftData == rightData ? DeltaKind.Same : DeltaKind.Different, begin, end - begin, leftData, rightData);
            }
            else if (leftBegin < rightBegin)
            {
                end = Math.Min(leftEnd, rightBegin);
                yield return new(DeltaKind.LeftOnly, begin, end - begin, left[l].DataBegin + (begin - left[l].ThinBegin), 0);
            }
            else
            {
                end = Math.Min(rightEnd, leftBegin);
                yield return new(DeltaKind.RightOnly, begin, end - begin, 0, right[r].DataBegin + (begin - right[r].ThinBegin));
            }
            at = end;
            if (at >= leftEnd)
                l++;
            if (at >= rightEnd)
                r++;
        }
    }

    /// <summary>One element for all ranges that touch and are of one kind.</summary>
    private static int Brief(AsciiWriter xml, IReadOnlyList<DeltaRange> ranges, int i)
    {
        var first = ranges[i];
        ulong length = first.Length;
        for (i++; i < ranges.Count && ranges[i].Kind == first.Kind && ranges[i].Begin == first.Begin + length; i++)
            length += ranges[i].Length;
        xml.Put($"    <{NameOf(first.Kind)} begin=\"{first.Begin}\" length=\"{length}\"/>\n");
        return i;
    }

    /// <summary>One element for all ranges of one kind, each with its data blocks.</summary>
    private static int Verbose(AsciiWriter xml, IReadOnlyList<DeltaRange> ranges, int i)
    {
        var kind = ranges[i].Kind;
        xml.Put($"    <{NameOf(kind)}>\n");
        for (; i < ranges.Count && ranges[i].Kind == kind; i++)
        {
            var range = ranges[i];
            string data = kind == DeltaKind.Different ? $"left_data_begin=\"{range.LeftData}\" right_data_begin=\"{range.RightData}\"" : $"data_begin=\"{(kind == DeltaKind.RightOnly ? range.RightData : range.LeftData)}\"";
            xml.Put($"      <range begin=\"{range.Begin}\" {data} length=\"{range.Length}\"/>\n");
        }
        xml.Put($"    </{NameOf(kind)}>\n");
        return i;
    }

    private static string NameOf(DeltaKind kind) => kind switch
    {
        DeltaKind.Same => "same",
        DeltaKind.Different => "different",
        DeltaKind.LeftOnly => "left_only",
        DeltaKind.RightOnly => "right_only",
    };
}
