using System.Runtime.InteropServices;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Linux.Ioctl;
using DriverLab.StorageDrivers.Files;
using Requests = DriverLab.Linux.Ioctl.Btrfs;

namespace DriverLab.StorageDrivers.Btrfs;

/// <summary>btrfs's ioctls as the driver needs them: each opens the directories it works on, and closes them.</summary>
internal static class Subvolumes
{
    private const int Deepest = 400;

    extension(IKernel kernel)
    {
        /// <summary>Makes an empty subvolume.</summary>
        public DriverError? CreateSubvolume(string directory, string name) => kernel.OnDirectory("subvol_create", directory, fd =>
        {
            var args = new BtrfsVolArgs();
            ByteText.Bytes(name).CopyTo((Span<byte>)args.Name);
            return kernel.Ioctl(fd, Requests.SUBVOL_CREATE, MemoryMarshal.AsBytes(new Span<BtrfsVolArgs>(ref args))).Error;
        });

        /// <summary>Makes a writable snapshot.</summary>
        public DriverError? SnapshotSubvolume(string source, string directory, string name) => kernel.OnDirectory("snap_create", directory, fd =>
        {
            var opened = kernel.OpenAt(Fd.Cwd, ByteText.Bytes(source), KernelFiles.Listing, Mode.None);
            if (!opened.IsOk)
                return opened.Error;
            var args = new BtrfsVolArgsV2 { Fd = opened.Value.Value };
            ByteText.Bytes(name).CopyTo((Span<byte>)args.Name);
            var error = kernel.Ioctl(fd, Requests.SNAP_CREATE_V2, MemoryMarshal.AsBytes(new Span<BtrfsVolArgsV2>(ref args))).Error;
            _ = kernel.Close(opened.Value); // nothing was written
            return error;
        });

        /// <summary>The id of the subvolume that a directory is in.</summary>
        public DriverResult<ulong> SubvolumeId(string directory)
        {
            ulong id = 0;
            var error = kernel.OnDirectory("ino_lookup", directory, fd =>
            {
                var args = new BtrfsInoLookup { ObjectId = Requests.FirstFreeObjectId };
                var result = kernel.Ioctl(fd, Requests.INO_LOOKUP, MemoryMarshal.AsBytes(new Span<BtrfsInoLookup>(ref args)));
                id = args.TreeId;
                return result.Error;
            });
            return error is null ? id : error;
        }

        /// <summary>True when the file system keeps quota: its quota tree has a status item.</summary>
        public bool HasBtrfsQuota(string directory)
        {
            bool found = false;
            _ = kernel.OnDirectory("tree_search", directory, fd => // no quota tree is ENOENT, which means no
            {
                var args = new BtrfsSearchArgs
                {
                    TreeId = Requests.QuotaTreeObjectId,
                    MinType = Requests.QgroupStatusKey,
                    MaxType = Requests.QgroupStatusKey,
                    MaxObjectId = ulong.MaxValue,
                    MaxOffset = ulong.MaxValue,
                    MaxTransId = ulong.MaxValue,
                    Items = 4096,
                };
                var result = kernel.Ioctl(fd, Requests.TREE_SEARCH, MemoryMarshal.AsBytes(new Span<BtrfsSearchArgs>(ref args)));
                found = result.IsOk && args.Items > 0;
                return result.Error;
            });
            return found;
        }

        /// <summary>Turns quota on and waits until all is counted.</summary>
        public DriverError? EnableBtrfsQuota(string directory) => kernel.OnDirectory("quota_ctl", directory, fd =>
        {
            var args = new BtrfsQuotaCtl { Command = Requests.QuotaCtlEnable };
            return kernel.Ioctl(fd, Requests.QUOTA_CTL, MemoryMarshal.AsBytes(new Span<BtrfsQuotaCtl>(ref args))).Error;
        }) ?? kernel.WaitForBtrfsRescan(directory);

        /// <summary>Waits for a rescan of quota.</summary>
        public DriverError? WaitForBtrfsRescan(string directory) =>
            kernel.OnDirectory("quota_rescan_wait", directory, fd => kernel.Ioctl(fd, Requests.QUOTA_RESCAN_WAIT, 0).Error);

        /// <summary>Limits the bytes that a subvolume refers to, those of its origin included.</summary>
        public DriverError? LimitSubvolume(string directory, ulong bytes) => kernel.OnDirectory("qgroup_limit", directory, fd =>
        {
            var args = new BtrfsQgroupLimit { Flags = Requests.QgroupLimitMaxRfer, MaxReferenced = bytes };
            return kernel.Ioctl(fd, Requests.QGROUP_LIMIT, MemoryMarshal.AsBytes(new Span<BtrfsQgroupLimit>(ref args))).Error;
        });

        /// <summary>Deletes a subvolume, and before it those that were made inside it (a container may: moby#9939).</summary>
        /// <param name="parent">The directory that holds it.</param>
        /// <param name="name">Its name.</param>
        /// <param name="quota">True also deletes its quota group.</param>
        public DriverError? DestroySubvolume(string parent, string name, bool quota) => kernel.OnDirectory("snap_destroy", parent, fd => Destroy(kernel, fd, ByteText.Bytes(name), quota, 0));

        private DriverError? OnDirectory(string call, string directory, Func<Fd, Errno> body)
        {
            byte[] path = ByteText.Bytes(directory);
            var opened = kernel.OpenAt(Fd.Cwd, path, KernelFiles.Listing, Mode.None);
            if (!opened.IsOk)
                return DriverError.Of(opened.Error, "open", path);
            var error = body(opened.Value);
            _ = kernel.Close(opened.Value); // nothing was written
            return DriverError.Of(error, call, path);
        }
    }

    private static Errno Destroy(IKernel kernel, Fd parent, byte[] name, bool quota, int depth)
    {
        var opened = kernel.OpenAt(parent, name, KernelFiles.Listing, Mode.None);
        if (!opened.IsOk)
            return opened.Error;
        var lookup = new BtrfsInoLookup { ObjectId = Requests.FirstFreeObjectId };
        var error = depth < Deepest ? DestroyInside(kernel, opened.Value, quota, depth) : Errno.ENAMETOOLONG;
        if (error == Errno.OK && quota)
            error = kernel.Ioctl(opened.Value, Requests.INO_LOOKUP, MemoryMarshal.AsBytes(new Span<BtrfsInoLookup>(ref lookup))).Error;
        _ = kernel.Close(opened.Value); // nothing was written
        if (error != Errno.OK)
            return error;
        if (quota)
        {
            var group = new BtrfsQgroupCreate { QgroupId = lookup.TreeId };
            _ = kernel.Ioctl(parent, Requests.QGROUP_CREATE, MemoryMarshal.AsBytes(new Span<BtrfsQgroupCreate>(ref group))); // as Docker: a group that stays holds no bytes
        }
        var args = new BtrfsVolArgs();
        name.CopyTo((Span<byte>)args.Name);
        error = kernel.Ioctl(parent, Requests.SNAP_DESTROY, MemoryMarshal.AsBytes(new Span<BtrfsVolArgs>(ref args))).Error;
        // Without CAP_SYS_ADMIN an empty subvolume can still be removed like a directory (4.18).
        return error == Errno.EPERM ? TreeRemoval.Remove(kernel, parent, name) : error;
    }

    /// <summary>Finds subvolumes inside a directory: directories with inode 256.</summary>
    private static Errno DestroyInside(IKernel kernel, Fd directory, bool quota, int depth)
    {
        var listed = kernel.List(directory);
        var error = listed.Error;
        for (int i = 0; error == Errno.OK && i < listed.Value.Count; i++)
        {
            var (name, type) = listed.Value[i];
            if (type != DirentType.DT_DIR || (error = kernel.LStatAt(directory, name, out var stat)) != Errno.OK)
                continue;
            if (stat.Ino == Requests.FirstFreeObjectId)
            {
                error = Destroy(kernel, directory, name, quota, depth + 1);
                continue;
            }
            var opened = kernel.OpenAt(directory, name, KernelFiles.Listing, Mode.None);
            error = opened.IsOk ? depth < Deepest ? DestroyInside(kernel, opened.Value, quota, depth + 1) : Errno.ENAMETOOLONG : opened.Error;
            if (opened.IsOk)
                _ = kernel.Close(opened.Value); // nothing was written
        }
        return error;
    }
}
