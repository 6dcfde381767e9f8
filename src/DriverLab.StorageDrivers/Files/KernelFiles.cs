using System.Buffers;
using DriverLab.Linux;
using DriverLab.Linux.Abi;

namespace DriverLab.StorageDrivers.Files;

/// <summary>A name in a directory and what it is, as getdents64(2) tells.</summary>
internal readonly record struct DirectoryEntry(byte[] Name, DirentType Type);

/// <summary>The comfortable forms of system calls that drivers need: whole small files, whole directories, whole attribute lists.</summary>
internal static class KernelFiles
{
    /// <summary>What opening a directory for listing looks like everywhere here: never through a link.</summary>
    public const OpenFlags Listing = OpenFlags.O_RDONLY | OpenFlags.O_DIRECTORY | OpenFlags.O_NOFOLLOW | OpenFlags.O_CLOEXEC;

    extension(IKernel kernel)
    {
        /// <summary>lstat relative to a directory.</summary>
        public Errno LStatAt(Fd directory, ReadOnlySpan<byte> name, out Statx result) =>
            kernel.Statx(directory, name, AtFlags.AT_SYMLINK_NOFOLLOW, StatxMask.STATX_BASIC_STATS | StatxMask.STATX_MNT_ID, out result);

        /// <summary>fstat; works on O_PATH descriptors too.</summary>
        public Errno FStat(Fd fd, out Statx result) =>
            kernel.Statx(fd, [], AtFlags.AT_EMPTY_PATH, StatxMask.STATX_BASIC_STATS | StatxMask.STATX_MNT_ID, out result);

        /// <summary>All of a small file. EFBIG beyond the limit: the files read here are names and lists of names.</summary>
        public SysResult<byte[]> ReadWhole(ReadOnlySpan<byte> path, int limit = 1 << 16)
        {
            var opened = kernel.OpenAt(Fd.Cwd, path, OpenFlags.O_RDONLY | OpenFlags.O_NOFOLLOW | OpenFlags.O_CLOEXEC, Mode.None);
            if (!opened.IsOk)
                return opened.Error;
            var buffer = new byte[512];
            int length = 0;
            SysResult<int> got;
            while ((got = kernel.Read(opened.Value, buffer.AsSpan(length))) is { IsOk: true, Value: > 0 })
            {
                length += got.Value;
                if (length == buffer.Length)
                    Array.Resize(ref buffer, length * 2);
                if (length > limit)
                    break;
            }
            _ = kernel.Close(opened.Value); // nothing was written
            return !got.IsOk ? got.Error : length > limit ? Errno.EFBIG : buffer.AsSpan(0, length).ToArray();
        }

        /// <summary>Creates or replaces a small file, as Docker's plain writes do: no temporary file, no fsync.</summary>
        public Errno WriteWhole(ReadOnlySpan<byte> path, ReadOnlySpan<byte> data, Mode mode)
        {
            var opened = kernel.OpenAt(Fd.Cwd, path, OpenFlags.O_WRONLY | OpenFlags.O_CREAT | OpenFlags.O_TRUNC | OpenFlags.O_CLOEXEC, mode);
            if (!opened.IsOk)
                return opened.Error;
            var error = kernel.WriteFully(opened.Value, data);
            var closed = kernel.Close(opened.Value);
            return error == Errno.OK ? closed : error;
        }

        /// <summary>Creates or replaces a small file so that a power cut leaves the old one or the new one: written aside, synced, renamed, and the directory synced when asked.</summary>
        /// <param name="directory">The directory.</param>
        /// <param name="name">The file's name.</param>
        /// <param name="content">Its content.</param>
        /// <param name="mode">Its mode, whatever the umask.</param>
        /// <param name="syncDirectory">True makes the new name durable before this returns. Docker does not.</param>
        public DriverError? ReplaceFile(string directory, string name, ReadOnlySpan<byte> content, Mode mode, bool syncDirectory = false)
        {
            byte[] aside = ByteText.Bytes($"{directory}/.tmp-{name}"), path = ByteText.Bytes($"{directory}/{name}");
            const OpenFlags create = OpenFlags.O_WRONLY | OpenFlags.O_CREAT | OpenFlags.O_TRUNC | OpenFlags.O_CLOEXEC;
            var opened = kernel.OpenAt(Fd.Cwd, aside, create, mode);
            if (!opened.IsOk)
                return DriverError.Of(opened.Error, "open", aside);
            var error = DriverError.Of(kernel.WriteFully(opened.Value, content), "write", aside)
                ?? DriverError.Of(kernel.Fchmod(opened.Value, mode), "fchmod", aside)
                ?? DriverError.Of(kernel.Fsync(opened.Value), "fsync", aside);
            var closed = kernel.Close(opened.Value);
            return error
                ?? DriverError.Of(closed, "close", aside)
                ?? DriverError.Of(kernel.RenameAt2(Fd.Cwd, aside, Fd.Cwd, path, RenameFlags.None), "rename", aside)
                ?? (syncDirectory ? kernel.SyncDirectory(directory) : null);
        }

        /// <summary>The same for text, in UTF-8.</summary>
        public DriverError? ReplaceFile(string directory, string name, string content, Mode mode, bool syncDirectory = false) =>
            kernel.ReplaceFile(directory, name, ByteText.Bytes(content), mode, syncDirectory);

        /// <summary>fsync(2) of a directory: names made, renamed and removed in it are durable afterwards.</summary>
        public DriverError? SyncDirectory(string directory)
        {
            byte[] path = ByteText.Bytes(directory);
            var opened = kernel.OpenAt(Fd.Cwd, path, OpenFlags.O_RDONLY | OpenFlags.O_DIRECTORY | OpenFlags.O_CLOEXEC, Mode.None);
            if (!opened.IsOk)
                return DriverError.Of(opened.Error, "open", path);
            var error = kernel.Fsync(opened.Value);
            _ = kernel.Close(opened.Value); // nothing was written through it
            return DriverError.Of(error, "fsync", path);
        }

        /// <summary>The names in a directory, in byte order; ENOENT where there is none.</summary>
        public SysResult<List<DirectoryEntry>> ListPath(string directory)
        {
            var opened = kernel.OpenAt(Fd.Cwd, ByteText.Bytes(directory), Listing, Mode.None);
            if (!opened.IsOk)
                return opened.Error;
            var listed = kernel.List(opened.Value);
            _ = kernel.Close(opened.Value); // nothing was written
            return listed;
        }

        /// <summary>The names in a driver's home that are layer ids, in byte order; not the device node that <see cref="ProjectQuota"/> keeps there.</summary>
        public DriverResult<IReadOnlyList<string>> LayersIn(string home, string reserved)
        {
            var listed = kernel.ListPath(home);
            if (!listed.IsOk)
                return DriverError.Of(listed.Error, "getdents64", ByteText.Bytes(home))!;
            var ids = new List<string>();
            foreach (var entry in listed.Value)
                if (entry.Type != DirentType.DT_BLK && LayerId.Check("list", ByteText.Show(entry.Name), reserved) is null)
                    ids.Add(ByteText.Show(entry.Name));
            return DriverResult.Of<IReadOnlyList<string>>(ids);
        }

        /// <summary>True when something has the path, links not followed.</summary>
        public bool Has(string path) => kernel.LStatAt(Fd.Cwd, ByteText.Bytes(path), out _) == Errno.OK;

        /// <summary>write(2) until all is written.</summary>
        public Errno WriteFully(Fd fd, ReadOnlySpan<byte> data)
        {
            while (!data.IsEmpty)
            {
                var written = kernel.Write(fd, data);
                if (!written.IsOk)
                    return written.Error;
                data = data[written.Value..];
            }
            return Errno.OK;
        }

        /// <summary>All names of an open directory but <c>.</c> and <c>..</c>, in byte order.</summary>
        public SysResult<List<DirectoryEntry>> List(Fd directory)
        {
            var entries = new List<DirectoryEntry>();
            var buffer = ArrayPool<byte>.Shared.Rent(1 << 15);
            SysResult<int> got;
            while ((got = kernel.GetDents(directory, buffer)) is { IsOk: true, Value: > 0 })
            {
                var reader = new DirentReader(buffer.AsSpan(0, got.Value));
                while (reader.MoveNext())
                    if (!reader.Name.SequenceEqual("."u8) && !reader.Name.SequenceEqual(".."u8))
                        entries.Add(new DirectoryEntry(reader.Name.ToArray(), reader.Type));
            }
            ArrayPool<byte>.Shared.Return(buffer);
            if (!got.IsOk)
                return got.Error;
            entries.Sort(static (a, b) => a.Name.AsSpan().SequenceCompareTo(b.Name));
            return entries;
        }

        /// <summary>mkdir of a path and of what is missing above it, all with one mode; existing directories are left as they are.</summary>
        public Errno MakeDirectories(ReadOnlySpan<byte> path, Mode mode)
        {
            var error = kernel.MkdirAt(Fd.Cwd, path, mode);
            if (error == Errno.ENOENT && ByteText.Parent(path) is { Length: > 0 } parent && parent.Length < path.Length)
            {
                error = kernel.MakeDirectories(parent, mode);
                return error == Errno.OK ? kernel.MkdirAt(Fd.Cwd, path, mode) : error;
            }
            return error == Errno.EEXIST ? Errno.OK : error;
        }

        /// <summary>mkdir whose mode the umask does not touch.</summary>
        public Errno MakeDirectoryExactly(ReadOnlySpan<byte> path, Mode mode)
        {
            var error = kernel.MkdirAt(Fd.Cwd, path, mode);
            return error == Errno.OK ? kernel.FchmodAt(Fd.Cwd, path, mode) : error;
        }

        /// <summary>The target of a symbolic link.</summary>
        public SysResult<byte[]> ReadLink(Fd directory, ReadOnlySpan<byte> name)
        {
            var buffer = ArrayPool<byte>.Shared.Rent(Limits.PATH_MAX);
            var got = kernel.ReadLinkAt(directory, name, buffer.AsSpan(0, Limits.PATH_MAX));
            SysResult<byte[]> result = got.IsOk ? buffer.AsSpan(0, got.Value).ToArray() : got.Error;
            ArrayPool<byte>.Shared.Return(buffer);
            return result;
        }

        /// <summary>The names of the attributes of a path, not followed; empty on a file system without attributes.</summary>
        public SysResult<List<byte[]>> XattrNames(ReadOnlySpan<byte> path)
        {
            var names = new List<byte[]>();
            var size = kernel.ListXattr(path, [], AtFlags.AT_SYMLINK_NOFOLLOW);
            if (size.Error == Errno.EOPNOTSUPP || size is { IsOk: true, Value: 0 })
                return names;
            if (!size.IsOk)
                return size.Error;
            var buffer = new byte[size.Value];
            var got = kernel.ListXattr(path, buffer, AtFlags.AT_SYMLINK_NOFOLLOW);
            if (!got.IsOk)
                return got.Error;
            for (var rest = buffer.AsSpan(0, got.Value); rest.IndexOf((byte)0) is >= 0 and int end; rest = rest[(end + 1)..])
                names.Add(rest[..end].ToArray());
            names.Sort(ByteText.Order);
            return names;
        }

        /// <summary>The value of an attribute of a path, not followed. ENODATA also where the file system has no attributes at all.</summary>
        public SysResult<byte[]> XattrValue(ReadOnlySpan<byte> path, ReadOnlySpan<byte> name)
        {
            var size = kernel.GetXattr(path, name, [], AtFlags.AT_SYMLINK_NOFOLLOW);
            if (!size.IsOk)
                return size.Error == Errno.EOPNOTSUPP ? Errno.ENODATA : size.Error;
            if (size.Value == 0)
                return Array.Empty<byte>();
            var value = new byte[size.Value];
            var got = kernel.GetXattr(path, name, value, AtFlags.AT_SYMLINK_NOFOLLOW);
            return !got.IsOk ? got.Error : got.Value == value.Length ? value : value[..got.Value];
        }
    }

    extension(in Statx stat)
    {
        /// <summary>The type bits.</summary>
        public Mode Type => stat.Mode & Mode.S_IFMT;

        public bool IsDirectory => (stat.Mode & Mode.S_IFMT) == Mode.S_IFDIR;

        public bool IsRegular => (stat.Mode & Mode.S_IFMT) == Mode.S_IFREG;

        public bool IsSymlink => (stat.Mode & Mode.S_IFMT) == Mode.S_IFLNK;

        /// <summary>The character device 0:0, overlayfs's mark for a deleted name.</summary>
        public bool IsWhiteout => (stat.Mode & Mode.S_IFMT) == Mode.S_IFCHR && stat.Rdev == DevT.Zero;

        /// <summary>The modification time as utimensat(2) takes it.</summary>
        public Timespec ModificationTime => new(stat.Mtime.Seconds, stat.Mtime.Nanoseconds);

        /// <summary>The access time as utimensat(2) takes it.</summary>
        public Timespec AccessTime => new(stat.Atime.Seconds, stat.Atime.Nanoseconds);

        /// <summary>What tells two inodes apart.</summary>
        public InodeKey Key => new(stat.Dev, stat.Ino);
    }
}

/// <summary>Device and inode number: equal for two names of one file.</summary>
internal readonly record struct InodeKey(DevT Device, ulong Ino);
