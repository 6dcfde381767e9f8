using DriverLab.Linux.Abi;

namespace DriverLab.Vfs;

/// <summary>
/// The task on whose behalf an operation runs. Passed explicitly to every operation; there is no ambient current task.
/// </summary>
/// <remarks>
/// A stacked file system that acts with its mounter's credentials makes one <see cref="Caller"/> at mount time (<see cref="With"/>) and passes that on.
/// Linux: the fs, files, nsproxy and cred members of struct task_struct.
/// </remarks>
public sealed class Caller
{
    /// <summary>A task with the given view of the tree. Takes its own hold on root and working directory.</summary>
    public Caller(Credentials credentials, VfsPath root, VfsPath cwd, MountNamespace mounts, FdTable files)
    {
        Credentials = credentials;
        Mounts = mounts;
        Files = files;
        Root = root;
        Cwd = cwd;
    }

    /// <summary>Whose rights count.</summary>
    public Credentials Credentials { get; set; }

    /// <summary>Where absolute paths start and <c>..</c> stops.</summary>
    public VfsPath Root { get; private set; }

    /// <summary>Where relative paths start.</summary>
    public VfsPath Cwd { get; private set; }

    /// <summary>Permission bits that creating calls leave out.</summary>
    public Mode Umask { get; set; } = (Mode)0x12;

    /// <summary>The mode of a new name: the umask comes off, unless the directory has a default access control list to take its place.</summary>
    /// <remarks>Linux fs/namei.c: mode_strip_umask(); fs/posix_acl.c: posix_acl_create().</remarks>
    public Mode WithoutUmask(Inode directory, Mode mode) => directory.Acls?.Default is null ? mode & ~Umask : mode;

    /// <summary>The mounts that this task sees.</summary>
    public MountNamespace Mounts { get; set; }

    /// <summary>Open descriptors.</summary>
    public FdTable Files { get; }

    /// <summary>Number of the task, as /proc shows it.</summary>
    public int Pid { get; init; } = 1;

    /// <summary>The same task as the file system of a mount sees it. Whoever asks for something by way of a mount asks so.</summary>
    public Caller Through(Mount mount)
    {
        var seen = Credentials.Through(mount.Mapping);
        return ReferenceEquals(seen, Credentials) ? this : With(seen);
    }

    /// <summary>The same task acting with other credentials: what override_creds() gives.</summary>
    public Caller With(Credentials credentials) => new(credentials, Root, Cwd, Mounts, Files) { Umask = Umask, Pid = Pid };

    /// <summary>Holds root and working directory, so that their mounts are busy. Undone by <see cref="ReleasePaths"/>.</summary>
    public void HoldPaths()
    {
        Root.Hold();
        Cwd.Hold();
    }

    /// <summary>Gives root and working directory back, at the end of the task.</summary>
    public void ReleasePaths()
    {
        Root.Release();
        Cwd.Release();
    }

    /// <summary>chroot: moves the root of a task that holds its paths.</summary>
    public void SetRoot(in VfsPath path)
    {
        path.Hold();
        Root.Release();
        Root = path;
    }

    /// <summary>chdir: moves the working directory of a task that holds its paths.</summary>
    public void SetCwd(in VfsPath path)
    {
        path.Hold();
        Cwd.Release();
        Cwd = path;
    }
}
