using System.Text;
using System.Text.RegularExpressions;

namespace DriverLab.StorageDrivers.Snapshots;

/// <summary>containerd's filters: <c>kind==active,labels."a.b"~=x</c>: a comma means and, several filters mean or; no filter takes all.</summary>
/// <remarks>containerd filters package documentation. Fields: <c>name</c>, <c>parent</c>, <c>kind</c>, <c>labels.KEY</c>; operators <c>==</c>, <c>!=</c>, <c>~=</c>, or none for presence.</remarks>
public sealed class SnapshotFilter
{
    private readonly List<List<Term>> _alternatives = [];

    private SnapshotFilter()
    {
    }

    /// <summary>Reads filters.</summary>
    /// <returns>InvalidArgument: a filter that cannot be read, with the place.</returns>
    public static SnapshotResult<SnapshotFilter> Parse(IEnumerable<string> filters)
    {
        var filter = new SnapshotFilter();
        foreach (string text in filters)
        {
            var terms = new List<Term>();
            for (int at = 0; at < text.Length;)
            {
                var term = Term.Read(text, ref at);
                if (term is null || (at < text.Length && text[at++] != ','))
                    return new SnapshotFault(SnapshotCode.InvalidArgument, $"filter {text}: cannot be read near {at}; expected FIELD, FIELD==VALUE, FIELD!=VALUE or FIELD~=REGEX, with commas between");
                terms.Add(term);
            }
            filter._alternatives.Add(terms);
        }
        return filter;
    }

    /// <summary>True for a snapshot that one of the filters takes.</summary>
    public bool Matches(SnapshotInfo info) => _alternatives.Count == 0 || _alternatives.Exists(terms => terms.TrueForAll(term => term.Matches(info)));

    private sealed record Term(List<string> Field, string Operator, string Value)
    {
        private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

        public static Term? Read(string text, ref int at)
        {
            var field = new List<string>();
            do
            {
                if (field.Count > 0)
                    at++; // the dot
                if (Word(text, ref at, static c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-') is not { Length: > 0 } part)
                    return null;
                field.Add(part);
            }
            while (at < text.Length && text[at] == '.');
            if (at == text.Length || text[at] == ',')
                return new(field, "", "");
            string sign = text[at..Math.Min(at + 2, text.Length)];
            if (sign is not ("==" or "!=" or "~="))
                return null;
            at += 2;
            return Word(text, ref at, static c => c != ',') is { } value ? new(field, sign, value) : null;
        }

        /// <summary>A word in double quotes or slashes with backslashes before what would end it, or characters of a kind.</summary>
        private static string? Word(string text, ref int at, Func<char, bool> bare)
        {
            var word = new StringBuilder();
            if (at < text.Length && text[at] is '"' or '/' or '|')
            {
                char quote = text[at++];
                for (; at < text.Length && text[at] != quote; at++)
                    _ = word.Append(text[at] == '\\' && at + 1 < text.Length && text[at + 1] == quote ? text[++at] : text[at]);
                return at < text.Length && text[at++] == quote ? word.ToString() : null;
            }
            for (; at < text.Length && bare(text[at]); at++)
                _ = word.Append(text[at]);
            return word.ToString();
        }

        public bool Matches(SnapshotInfo info)
        {
            string? found = Field switch
            {
                ["name"] => info.Name,
                ["parent"] => info.Parent,
                ["kind"] => info.Kind.ToString(),
                ["labels", .. var key] => info.Labels.GetValueOrDefault(string.Join('.', key)),
                _ => null,
            };
            bool present = Field is ["labels", ..] ? found is not null : found is { Length: > 0 };
            string value = found ?? "";
            bool ignoreCase = Field is ["kind"];
            return Operator switch
            {
                "" => present,
                "==" => present && value.Equals(Value, ignoreCase ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal),
                "!=" => !value.Equals(Value, ignoreCase ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal),
                _ => present && IsMatch(value, ignoreCase),
            };
        }

        private bool IsMatch(string value, bool ignoreCase)
        {
            try
            {
                return Regex.IsMatch(value, Value, ignoreCase ? RegexOptions.IgnoreCase : RegexOptions.None, s_patience);
            }
            catch (Exception e) when (e is ArgumentException or RegexMatchTimeoutException)
            {
                return false;
            }
        }
    }
}
