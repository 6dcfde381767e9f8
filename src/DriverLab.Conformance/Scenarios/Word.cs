using System.Text;
using DriverLab.Conformance.Running;

namespace DriverLab.Conformance.Scenarios;

/// <summary>What one segment of a word makes.</summary>
public enum SegmentKind
{
    /// <summary>Bytes as written.</summary>
    Literal,
    /// <summary><c>{text*N}</c>: the text N times.</summary>
    Repeat,
    /// <summary><c>{zero:N}</c>: N zero bytes.</summary>
    Zero,
    /// <summary><c>{rand:SEED:N}</c>: N bytes that depend on the seed alone.</summary>
    Random,
    /// <summary><c>$name</c> or <c>${name}</c>: the value of a variable.</summary>
    Variable,
}

/// <summary>A piece of a word.</summary>
/// <param name="Kind">What it makes.</param>
/// <param name="Bytes">The literal or repeated bytes, or the variable's name.</param>
/// <param name="Count">Repetitions, or a length in bytes.</param>
/// <param name="Seed">Seed of random bytes.</param>
public sealed record Segment(SegmentKind Kind, byte[] Bytes, long Count = 1, ulong Seed = 0);

/// <summary>One word of a statement: its source text, and the bytes that it stands for.</summary>
/// <remarks>Big data is described, not held: the bytes are made when a step runs.</remarks>
public sealed class Word
{
    private readonly Segment[] _segments;
    private string? _text;
    private object? _value;

    internal Word(string source, int line, int column, bool quoted, Segment[] segments)
    {
        Source = source;
        Line = line;
        Column = column;
        IsQuoted = quoted;
        _segments = segments;
        IsConstant = Array.TrueForAll(segments, static s => s.Kind != SegmentKind.Variable);
    }

    /// <summary>A word made by a program and not read from a file: bytes, printed so that reading gives the same bytes.</summary>
    public static Word Of(ReadOnlySpan<byte> bytes)
    {
        bool quoted = bytes.IsEmpty || bytes.IndexOfAnyExcept(WordText.Bare) >= 0 || bytes[0] == (byte)'#';
        return new(quoted ? WordText.Quote(bytes) : Encoding.ASCII.GetString(bytes), 0, 0, quoted, [new(SegmentKind.Literal, bytes.ToArray())]);
    }

    /// <summary>A word made by a program: text.</summary>
    public static Word Of(string text) => Of(Encoding.UTF8.GetBytes(text));

    /// <summary>A word made by a program in the notation of scenarios, such as <c>{rand:7:64K}</c> or <c>$d</c>.</summary>
    public static Word Parse(string source) => new Lexer("", source).ReadWord();

    /// <summary>The text as it stands in the file.</summary>
    public string Source { get; }

    /// <summary>1-based line.</summary>
    public int Line { get; }

    /// <summary>1-based column, in characters.</summary>
    public int Column { get; }

    /// <summary>True when any part was quoted: then it is never a variable's name, a keyword or an option.</summary>
    public bool IsQuoted { get; }

    /// <summary>The pieces.</summary>
    public IReadOnlyList<Segment> Segments => _segments;

    /// <summary>True when the word is plain text that does not depend on a variable.</summary>
    public bool IsConstant { get; }

    /// <summary>What a constant word means as a number, a mode or flags, once found out: a word always means the same. Readers on two threads may both find it out.</summary>
    internal object? Value
    {
        get => Volatile.Read(ref _value);
        set => Volatile.Write(ref _value, value);
    }

    /// <summary>The word as text when it is a single literal, otherwise its source.</summary>
    public string Text => _text ??= _segments is [] ? "" : _segments is [{ Kind: SegmentKind.Literal } only] ? Encoding.UTF8.GetString(only.Bytes) : Source;

    /// <summary>The bytes that the word stands for.</summary>
    /// <param name="variables">Looks a variable up; null in words that are constant.</param>
    public byte[] Expand(Func<string, string>? variables = null)
    {
        if (_segments is [{ Kind: SegmentKind.Literal } only])
            return only.Bytes;
        var pieces = Valued(variables);
        byte[] all = GC.AllocateUninitializedArray<byte>(checked((int)pieces.Sum(Length)));
        Fill(all, pieces);
        return all;
    }

    /// <summary>The bytes that the word stands for, in the room for the data of a call.</summary>
    internal ReadOnlySpan<byte> ExpandAligned(Func<string, string> variables)
    {
        var pieces = Valued(variables);
        var all = AlignedBuffer.Room(pieces.Sum(Length));
        Fill(all, pieces);
        return all;
    }

    private static void Fill(Span<byte> all, Segment[] pieces)
    {
        foreach (var piece in pieces)
        {
            int length = (int)Length(piece);
            Fill(all[..length], piece);
            all = all[length..];
        }
    }

    /// <summary>The pieces, with values for variables.</summary>
    private Segment[] Valued(Func<string, string>? variables)
    {
        if (IsConstant)
            return _segments;
        var pieces = new Segment[_segments.Length];
        for (int i = 0; i < pieces.Length; i++)
            pieces[i] = Valued(_segments[i], variables);
        return pieces;
    }

    private static Segment Valued(Segment segment, Func<string, string>? variables)
    {
        if (segment.Kind != SegmentKind.Variable)
            return segment;
        string name = Encoding.UTF8.GetString(segment.Bytes);
        return new(SegmentKind.Literal, Encoding.UTF8.GetBytes(variables?.Invoke(name) ?? throw new InvalidOperationException($"variable '{name}' outside a run")));
    }

    private static long Length(Segment piece) => piece.Kind switch
    {
        SegmentKind.Literal => piece.Bytes.Length,
        SegmentKind.Repeat => piece.Bytes.Length * piece.Count,
        _ => piece.Count,
    };

    private static void Fill(Span<byte> target, Segment piece)
    {
        switch (piece.Kind)
        {
            case SegmentKind.Zero:
                target.Clear();
                break;
            case SegmentKind.Random:
                TestData.Fill(target, piece.Seed);
                break;
            case SegmentKind.Repeat when piece.Bytes.Length == 1:
                target.Fill(piece.Bytes[0]);
                break;
            default:
                for (; !target.IsEmpty; target = target[piece.Bytes.Length..])
                    piece.Bytes.CopyTo(target);
                break;
        }
    }

    /// <inheritdoc/>
    public override string ToString() => Source;
}
