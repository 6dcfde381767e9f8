using System.Globalization;
using DriverLab.Rig;
using YamlDotNet.Core;

namespace DriverLab.Labs.Files;

/// <summary>A lab file is wrong at a place: <c>FILE:LINE:COLUMN: sentence</c>.</summary>
public sealed class LabFileException : RigUsageException
{
    internal LabFileException(string file, Mark at, string sentence) : base(string.Create(CultureInfo.InvariantCulture, $"{file}:{at.Line}:{at.Column}: {sentence}")) => (Line, Column) = (at.Line, at.Column);

    /// <summary>Line, from 1.</summary>
    public long Line { get; }

    /// <summary>Column, from 1.</summary>
    public long Column { get; }
}
