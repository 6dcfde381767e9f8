using System.Globalization;
using System.Xml;

namespace DriverLab.Conformance.Reports;

/// <summary>The run as JUnit XML: a test suite for each suite on each kernel. A difference is a failure; a gap and a skip are skips with their reason.</summary>
public static class JUnitReport
{
    /// <summary>Writes the report.</summary>
    public static void Write(ReportModel model, Stream output)
    {
        using var xml = XmlWriter.Create(output, new() { Indent = true, CloseOutput = false, CheckCharacters = false });
        xml.WriteStartElement("testsuites");
        WriteCounts(xml, model.Cases, "driverlab", model.Seconds);
        foreach (string kernel in model.Kernels)
        {
            foreach (string suite in model.Suites)
            {
                var cases = model.Cases.Where(c => c.Kernel == kernel && c.Suite == suite).ToArray();
                if (cases.Length > 0)
                    WriteSuite(xml, suite, kernel, cases);
            }
        }
        xml.WriteEndElement();
    }

    private static void WriteSuite(XmlWriter xml, string suite, string kernel, CaseResult[] cases)
    {
        xml.WriteStartElement("testsuite");
        WriteCounts(xml, cases, $"{suite} on {kernel}", cases.Sum(c => c.Seconds));
        foreach (var result in cases)
        {
            xml.WriteStartElement("testcase");
            xml.WriteAttributeString("classname", $"{kernel}.{suite}");
            xml.WriteAttributeString("name", result.Scenario);
            xml.WriteAttributeString("time", Seconds(result.Seconds));
            switch (result.Verdict)
            {
                case CaseVerdict.Different:
                    xml.WriteStartElement("failure");
                    xml.WriteAttributeString("message", Clean(result.Difference?.Explanation ?? result.Reason ?? "different"));
                    xml.WriteString(Clean(Text(result)));
                    xml.WriteEndElement();
                    break;
                case CaseVerdict.Gap or CaseVerdict.Skipped:
                    xml.WriteStartElement("skipped");
                    xml.WriteAttributeString("message", Clean((result.Verdict == CaseVerdict.Gap ? "gap: " : "") + result.Reason));
                    xml.WriteEndElement();
                    break;
                case CaseVerdict.Same:
                    break;
            }
            xml.WriteEndElement();
        }
        xml.WriteEndElement();
    }

    private static void WriteCounts(XmlWriter xml, IReadOnlyCollection<CaseResult> cases, string name, double seconds)
    {
        xml.WriteAttributeString("name", name);
        xml.WriteAttributeString("tests", cases.Count.ToString(CultureInfo.InvariantCulture));
        xml.WriteAttributeString("failures", cases.Count(c => c.Verdict == CaseVerdict.Different).ToString(CultureInfo.InvariantCulture));
        xml.WriteAttributeString("skipped", cases.Count(c => c.Verdict is CaseVerdict.Gap or CaseVerdict.Skipped).ToString(CultureInfo.InvariantCulture));
        xml.WriteAttributeString("time", Seconds(seconds));
    }

    private static string Text(CaseResult result) => result.Difference is { } d
        ? $"step {d.Step}: {d.Call}\n  kernel {result.Kernel}: {d.Real}\n  emulator: {d.Emulated}\n  layer: {d.Layer}\n  reproduce: {result.Reproduce}\n"
        : $"{result.Reason}\nreproduce: {result.Reproduce}\n";

    private static string Seconds(double value) => value.ToString("0.000", CultureInfo.InvariantCulture);

    /// <summary>XML has no way to write most control characters; outcomes may hold them.</summary>
    private static string Clean(string text) => string.Create(text.Length, text, static (span, source) =>
    {
        for (int i = 0; i < span.Length; i++)
            span[i] = source[i] is >= ' ' or '\n' or '\t' && source[i] is not ('\uFFFE' or '\uFFFF') ? source[i] : '\uFFFD';
    });
}
