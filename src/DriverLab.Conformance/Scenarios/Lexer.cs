using System.Globalization;
using System.Text;

namespace DriverLab.Conformance.Scenarios;

/// <summary>Cuts a scenario text into words, and statement ends.</summary>
internal sealed class Lexer(string file, string text)
{
    /// <summary>The most bytes one word may make.</summary>
    public const long MaxWordBytes = 64L << 20;

    private int _at;
    private int _line = 1;
    private int _lineStart;

    public int Line => _line;
    public int Column => _at - _lineStart + 1;
    public int Position => _at;
    public bool IsAtEnd => _at >= text.Length;

    /// <summary>Skips blanks, comments and continued lines. True when the statement goes on, false at its end (newline, <c>;</c> or the end of the text, not consumed).</summary>
    public bool SkipToWord()
    {
        while (_at < text.Length)
        {
            char c = text[_at];
            if (c is ' ' or '\t' or '\r')
                _at++;
            else if (c == '\\' && IsNewlineAt(_at + 1))
            {
                _at = text.IndexOf('\n', _at);
                Newline();
            }
            else if (c == '#')
                _at = text.IndexOf('\n', _at) is >= 0 and var end ? end : text.Length;
            else
                return c is not ('\n' or ';');
        }
        return false;
    }

    /// <summary>Consumes the end of a statement; false at the end of the text.</summary>
    public bool NextStatement()
    {
        if (_at >= text.Length)
            return false;
        if (text[_at] == '\n')
            Newline();
        else
            _at++;
        return true;
    }

    /// <summary>The comment block before the first statement, without the marks.</summary>
    public static string LeadingComment(string text)
    {
        var lines = new List<string>();
        foreach (var raw in text.Split('\n'))
        {
            string line = raw.Trim();
            if (line.StartsWith('#'))
            {
                line = line.TrimStart('#').Trim();
                if (line.Length > 0 && !line.EndsWith(".scenario", StringComparison.Ordinal))
                    lines.Add(line);
            }
            else if (line.Length > 0 || lines.Count > 0)
                break;
        }
        return string.Join(' ', lines);
    }

    /// <summary>Reads an actor prefix, <c>name:</c> or <c>name(uid 1 …):</c>; leaves everything as it was when there is none.</summary>
    public (string Name, string? Ids, int Column)? TryActor()
    {
        int at = _at;
        while (at < text.Length && (char.IsAsciiLetterOrDigit(text[at]) || text[at] is '_' or '-'))
            at++;
        if (at == _at || at >= text.Length)
            return null;
        string name = text[_at..at];
        int column = Column;
        string? ids = null;
        if (text[at] == '(')
        {
            int close = text.IndexOf(')', at);
            int newline = text.IndexOf('\n', at);
            if (close < 0 || (newline >= 0 && newline < close))
                throw Error(_line, at - _lineStart + 1, $"the ids of actor '{name}' are not closed; expected for example '{name}(uid 1000 gid 100):'");
            ids = text[(at + 1)..close];
            at = close + 1;
            if (at >= text.Length || text[at] != ':')
                throw Error(_line, at - _lineStart + 1, $"expected ':' after the ids of actor '{name}'");
        }
        if (text[at] != ':' || (at + 1 < text.Length && !char.IsWhiteSpace(text[at + 1])))
            return null;
        _at = at + 1;
        return (name, ids, column);
    }

    /// <summary>Reads one word; the caller has skipped to it.</summary>
    public Word ReadWord()
    {
        int start = _at, column = Column, line = _line;
        var segments = new List<Segment>();
        var literal = new List<byte>();
        bool inQuotes = false, quoted = false;
        Span<byte> utf8 = stackalloc byte[4];
        while (_at < text.Length)
        {
            char c = text[_at];
            if (c == '"')
            {
                inQuotes = !inQuotes;
                quoted = true;
                _at++;
            }
            else if (c == '\n' || (!inQuotes && (c is ' ' or '\t' or '\r' or ';')))
                break;
            else if (c == '\\')
                literal.Add(ReadEscape());
            else if (c == '{')
                AddSegment(segments, literal, ReadBraces());
            else if (c == '$')
                AddSegment(segments, literal, ReadVariable());
            else
            {
                var rune = Rune.GetRuneAt(text, _at);
                literal.AddRange(utf8[..rune.EncodeToUtf8(utf8)]);
                _at += rune.Utf16SequenceLength;
            }
        }
        if (inQuotes)
            throw Error(line, column, "a quoted word is not closed before the end of the line; add the closing '\"' (a newline is written \\n)");
        if (literal.Count > 0 || segments.Count == 0)
            segments.Add(new(SegmentKind.Literal, [.. literal]));
        return new(text[start.._at], line, column, quoted, [.. segments]);
    }

    /// <summary>Reads a part of a word again, as a word of its own: the value of an option.</summary>
    public static Word Sub(string file, Word word, int offset)
    {
        var lexer = new Lexer(file, word.Source[offset..]) { _line = word.Line, _lineStart = 1 - word.Column - offset };
        return lexer.ReadWord();
    }

    public ScenarioException Error(int line, int column, string problem) => new(file, line, column, problem);

    private static void AddSegment(List<Segment> segments, List<byte> literal, Segment segment)
    {
        if (literal.Count > 0)
            segments.Add(new(SegmentKind.Literal, [.. literal]));
        literal.Clear();
        segments.Add(segment);
    }

    private byte ReadEscape()
    {
        int column = Column;
        char c = _at + 1 < text.Length ? text[_at + 1] : '\n';
        _at += 2;
        switch (c)
        {
            case 'n': return (byte)'\n';
            case 't': return (byte)'\t';
            case '0': return 0;
            case '\\' or '"' or '{' or '}' or '$' or ' ' or ';' or '#' or '=': return (byte)c;
            case 'x' when _at + 2 <= text.Length && byte.TryParse(text.AsSpan(_at, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value):
                _at += 2;
                return value;
            default:
                throw Error(_line, column, $"'\\{(c == '\n' ? "" : c)}' is no escape; expected \\n \\t \\0 \\xNN \\\\ \\\" \\{{ \\}} \\$ \\; \\# \\= or an escaped blank");
        }
    }

    private Segment ReadBraces()
    {
        int column = Column;
        int close = text.IndexOf('}', _at);
        int newline = text.IndexOf('\n', _at);
        if (close < 0 || (newline >= 0 && newline < close))
            throw Error(_line, column, "a '{' is not closed; expected {text*N}, {zero:N} or {rand:SEED:N} (a plain brace is written \\{)");
        string body = text[(_at + 1)..close];
        _at = close + 1;
        if (body.StartsWith("zero:", StringComparison.Ordinal))
            return new(SegmentKind.Zero, [], Size(body[5..], 1, column));
        if (body.StartsWith("rand:", StringComparison.Ordinal))
        {
            var parts = body.Split(':');
            if (parts.Length != 3 || !ulong.TryParse(parts[1], out ulong seed))
                throw Error(_line, column, $"'{{{body}}}' is no random data; expected {{rand:SEED:LENGTH}} such as {{rand:7:64K}}");
            return new(SegmentKind.Random, [], Size(parts[2], 1, column), seed);
        }
        int star = body.LastIndexOf('*');
        if (star < 1)
            throw Error(_line, column, $"'{{{body}}}' is not understood; expected {{text*N}}, {{zero:N}} or {{rand:SEED:N}} (a plain brace is written \\{{)");
        byte[] unit = new Lexer(file, body[..star]) { _line = _line, _lineStart = 1 - column - 1 }.ReadWord().Expand();
        return new(SegmentKind.Repeat, unit, Size(body[(star + 1)..], unit.Length, column));
    }

    private long Size(string count, int unit, int column)
    {
        if (!Numbers.TryParse(count, out long n) || n < 0)
            throw Error(_line, column, $"'{count}' is no length; expected a number, with K, M or G if wanted");
        return n * Math.Max(unit, 1) <= MaxWordBytes ? n : throw Error(_line, column, $"a word of {n * unit} bytes is too big; the most is {MaxWordBytes >> 20}M (write it in pieces)");
    }

    private Segment ReadVariable()
    {
        int column = Column;
        bool braces = _at + 1 < text.Length && text[_at + 1] == '{';
        int start = _at + (braces ? 2 : 1), end = start;
        while (end < text.Length && (char.IsAsciiLetterOrDigit(text[end]) || text[end] == '_'))
            end++;
        if (end == start || (braces && (end >= text.Length || text[end] != '}')))
            throw Error(_line, column, "'$' starts no variable here; expected $name or ${name} (a plain dollar sign is written \\$)");
        _at = braces ? end + 1 : end;
        return new(SegmentKind.Variable, Encoding.UTF8.GetBytes(text[start..end]), column);
    }

    private bool IsNewlineAt(int at) => at < text.Length && (text[at] == '\n' || (text[at] == '\r' && at + 1 < text.Length && text[at + 1] == '\n'));

    private void Newline()
    {
        _at++;
        _line++;
        _lineStart = _at;
    }
}
