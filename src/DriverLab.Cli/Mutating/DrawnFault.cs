using System.Globalization;

namespace DriverLab.Cli.Mutating;

/// <summary>A fault that was drawn from the emulator's code: a few bytes of one method are others.</summary>
/// <param name="Suite">The suite whose code it is in.</param>
/// <param name="Assembly">The assembly, without its ending.</param>
/// <param name="Position">The first byte that is another, from the start of the file.</param>
/// <param name="Bytes">What stands there instead.</param>
/// <param name="Entry">The first byte of the method's code: with a throw there one sees whether the method is entered at all.</param>
/// <param name="EntryBytes">Such a throw; empty where none fits.</param>
/// <param name="What">What the fault does, such as <c>condition negated</c>.</param>
/// <param name="Method">The method.</param>
/// <param name="Source">File and line, such as <c>src/DriverLab.Vfs/Namei.cs:254</c>.</param>
/// <param name="Number">Which it is of those of the method that do the same, from 1; 0 when it is the only one.</param>
internal sealed record DrawnFault(string Suite, string Assembly, int Position, byte[] Bytes, int Entry, byte[] EntryBytes, string What, string Method, string Source, int Number = 0)
{
    /// <summary>The source file.</summary>
    public string File => Source[..Source.LastIndexOf(':')];

    /// <summary>What it is known by when lines of its file move and other code changes.</summary>
    public string Key => Number == 0 ? $"{File} | {Method} | {What}" : string.Create(CultureInfo.InvariantCulture, $"{File} | {Method} | {What} #{Number}");

    /// <summary>One line for people.</summary>
    public override string ToString() => $"{Suite}: {Source}: {What} ({Method})";
}
