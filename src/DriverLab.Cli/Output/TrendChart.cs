using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Legends;
using OxyPlot.Series;

namespace DriverLab.Cli.Output;

/// <summary>Runs over time as a picture.</summary>
internal static class TrendChart
{
    private const int Width = 1100, Height = 260;

    /// <summary>The picture, as SVG to be put into a page.</summary>
    public static string Render(IReadOnlyList<RunPoint> runs)
    {
        var model = new PlotModel { DefaultFont = "sans-serif", PlotAreaBorderColor = OxyColors.LightGray };
        model.Legends.Add(new Legend { LegendPosition = LegendPosition.TopLeft, LegendPlacement = LegendPlacement.Outside, LegendOrientation = LegendOrientation.Horizontal });
        model.Axes.Add(new DateTimeAxis { Position = AxisPosition.Bottom, StringFormat = "yyyy-MM-dd HH:mm", MajorGridlineStyle = LineStyle.None, IntervalLength = 160 });
        model.Axes.Add(new LinearAxis { Position = AxisPosition.Left, Minimum = 0, MinimumMajorStep = 1, MinorTickSize = 0, MajorGridlineStyle = LineStyle.Solid, MajorGridlineColor = OxyColor.FromRgb(0xE4, 0xE8, 0xEE) });
        foreach (var (title, colour, count) in new (string, OxyColor, Func<RunPoint, int>)[]
        {
            ("the same", OxyColor.FromRgb(0x18, 0x79, 0x4E), static r => r.Same), ("different", OxyColor.FromRgb(0xC2, 0x27, 0x1C), static r => r.Different), ("gap", OxyColor.FromRgb(0x94, 0x62, 0x00), static r => r.Gap),
        })
        {
            var line = new LineSeries { Title = title, Color = colour, StrokeThickness = 2, MarkerType = MarkerType.Circle, MarkerSize = 3, MarkerFill = colour };
            foreach (var run in runs)
                line.Points.Add(new(DateTimeAxis.ToDouble(run.When.UtcDateTime), count(run)));
            model.Series.Add(line);
        }
        return new SvgExporter { Width = Width, Height = Height, IsDocument = false, UseVerticalTextAlignmentWorkaround = true }.ExportToString(model);
    }
}
