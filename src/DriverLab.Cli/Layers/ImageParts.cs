using DriverLab.Images;

namespace DriverLab.Cli.Layers;

/// <summary>An image on this machine: a tar, or a folder with an OCI layout.</summary>
internal sealed class ImageParts : IDisposable
{
    private readonly FileStream? _file;

    private ImageParts(OpenPart open, FileStream? file) => (Open, _file) = (open, file);

    /// <summary>Opens its parts.</summary>
    public OpenPart Open { get; }

    public static ImageParts Of(string path)
    {
        if (Directory.Exists(path))
            return new(name => InFolder(path, name), null);
        if (!File.Exists(path))
            throw new UsageException($"{path} does not exist; expected an image's tar, or a folder with an OCI layout");
        var file = File.OpenRead(path);
        var parts = TarParts.Index(file);
        if (parts.IsOk)
            return new(parts.Value.Open, file);
        file.Dispose();
        throw new UsageException($"{path} is no image: {parts.Error}");
    }

    private static FileStream? InFolder(string folder, string name)
    {
        string full = Path.GetFullPath(Path.Combine(folder, name)), inside = Path.GetFullPath(folder) + Path.DirectorySeparatorChar;
        // Parts lie inside the folder: a link out of it would let an image read the machine's files.
        for (string? at = full; at is not null && at.Length > inside.Length; at = Path.GetDirectoryName(at))
            if (new FileInfo(at).LinkTarget is not null)
                return null;
        return full.StartsWith(inside, StringComparison.Ordinal) && File.Exists(full) ? File.OpenRead(full) : null;
    }

    public void Dispose() => _file?.Dispose();
}
