using System.Text;
using DriverLab.Conformance.Scenarios;
using DriverLab.Linux.Abi;

namespace DriverLab.Conformance.Shell;

/// <summary>The shell command of one step.</summary>
internal sealed class ShellCommands(ShellWriter writer, Step step)
{
    /// <summary>The command, or a comment that says that no tool makes the call.</summary>
    public string Command()
    {
        string verb = step.Verb.Name;
        int blank = verb.IndexOf(' ');
        return (blank < 0 ? verb : verb[..blank]) switch
        {
            "loop" => Loop(verb[5..]),
            "blk" => Block(verb[4..]),
            "dm" => Mapper(verb[3..]),
            "driver" => None("a storage driver is a program of its own"),
            _ => Names(verb) ?? Files(verb) ?? Mounts(verb) ?? None("no tool makes this call"),
        };
    }

    private string? Names(string verb) => verb switch
    {
        "mkdir" => $"mkdir{Mode(" -m ", "mode")} {Path(0)}",
        "rmdir" => $"rmdir {Path(0)}",
        "unlink" => $"unlink {Path(0)}",
        "link" => $"ln{(Has("follow") ? " -L" : " -P")} -T {Path(0)} {Path(1)}",
        "symlink" => $"ln -s -T {Path(0)} {Path(1)}",
        "readlink" => $"readlink {Path(0)}",
        "rename" => step.Arguments.Count > 2 ? Rename() : $"mv -T {Path(0)} {Path(1)}",
        "mknod" => Mknod(),
        "stat" => $"stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' {Path(0)}",
        "lstat" => $"stat -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' {Path(0)}",
        "fstat" => $"stat -L -c '%F %04a %u:%g nlink=%h size=%s blocks=%b' /proc/self/fd/{Fd(0)}",
        "statfs" => $"stat -f -c 'type=0x%t bsize=%s namelen=%l' {Path(0)}",
        "access" => $"test {Access()} {Path(0)}",
        "chmod" => $"chmod {Text(1)} {Path(0)}",
        "chown" => $"chown {Owner()} {Path(0)}",
        "lchown" => $"chown -h {Owner()} {Path(0)}",
        "utimes" => $"touch{(Has("nofollow") ? " -h" : "")} -d @{Text(2)} {Path(0)}",
        "getxattr" => $"getfattr{NoFollow()} --absolute-names -n {Quoted(1)} {Path(0)}",
        "setxattr" => $"setfattr{NoFollow()} -n {Quoted(1)} -v \"0x$({ShellWriter.Data(step.Arguments[2])} | od -An -v -tx1 | tr -d ' \\n')\" {Path(0)}",
        "listxattr" => $"getfattr{NoFollow()} --absolute-names -m - {Path(0)}",
        "removexattr" => $"setfattr{NoFollow()} -x {Quoted(1)} {Path(0)}",
        "readdir" => $"ls -1{(Has("sorted") ? "" : "U")}{(Has("dots") ? "a" : "A")} {Path(0)}",
        "cat" => $"cat {Path(0)}",
        "digest" => $"sha256sum {Path(0)}",
        "manifest" => $"find {Path(0)} -xdev -exec stat -c '%n %F %04a %u:%g nlink=%h size=%s' {{}} +",
        "checkpoint" => "find \"$R\" -exec stat -c '%n %F %04a %u:%g nlink=%h size=%s' {} +",
        "mounts" => "grep \"$R\" /proc/self/mountinfo",
        "kmsg" => step.Arguments.Count > 0 ? $"dmesg | grep -F {Quoted(0)}" : "dmesg | tail -n 20",
        _ => null,
    };

    private string? Files(string verb) => verb switch
    {
        "open" => Open(),
        "close" => $"exec {Fd(0)}>&-",
        "dup" => step.Result is { } name ? $"exec {writer.Descriptor(name)}>&{Fd(0)}" : None("the copy has no name"),
        "read" => $"dd bs={Number(1)} count=1 status=none <&{Fd(0)}",
        "pread" => $"dd if=/proc/self/fd/{Fd(0)} iflag=skip_bytes,count_bytes skip={Number(2)} count={Number(1)} bs=64K status=none",
        "write" when IsFd(0) => $"{ShellWriter.Data(step.Arguments[1])} >&{Fd(0)}",
        "write" => $"{ShellWriter.Data(step.Arguments[1])} {(Has("append") ? ">>" : ">")}{Path(0)}",
        "pwrite" => $"{ShellWriter.Data(step.Arguments[1])} | dd of=/proc/self/fd/{Fd(0)} oflag=seek_bytes seek={Number(2)} bs=64K conv=notrunc status=none",
        "truncate" => $"truncate -s {Number(1)} {Path(0)}",
        "ftruncate" => $"truncate -s {Number(1)} /proc/self/fd/{Fd(0)}",
        "fallocate" => $"fallocate{FallocateMode()} -o {Number(2)} -l {Number(3)} {PathOrFd(0)}",
        "fsync" or "fdatasync" => $"sync{(verb == "fdatasync" ? " -d" : "")} {PathOrFd(0)}",
        "syncfs" => $"sync -f {PathOrFd(0)}",
        "sync" => "sync",
        "chdir" => $"cd {Path(0)}",
        "getcwd" => "pwd -P",
        "umask" => $"umask {Text(0)}",
        "sleep" => Numbers.TryDuration(step.Arguments[0].Text, out long ns) ? $"sleep {ns / 1e9:0.#########}" : null,
        "exit" or "fork" => ":",
        "wait" => $"if kill -0 \"${ShellWriter.Process(step.Actor)}\" 2>/dev/null; then echo sleeps; else wait \"${ShellWriter.Process(step.Actor)}\"; fi",
        "interrupt" => $"kill \"${ShellWriter.Process(step.Actor)}\"; wait \"${ShellWriter.Process(step.Actor)}\"",
        "flock" => $"flock {(Text(1).Contains("LOCK_UN", StringComparison.Ordinal) ? "-u" : Text(1).Contains("LOCK_SH", StringComparison.Ordinal) ? "-s" : "-x")}{(Text(1).Contains("LOCK_NB", StringComparison.Ordinal) ? " -n" : "")} {Fd(0)}",
        _ => null,
    };

    private string? Mounts(string verb) => verb switch
    {
        "mount" => $"mount -t {Text(0)}{MountOptions("")} {Source()} {Path(1)}",
        "remount" => $"mount{MountOptions("remount")} {Path(0)}",
        "bind" => $"mount --{(Has("rec") ? "r" : "")}bind {Path(0)} {Path(1)}",
        "rbind" => $"mount --rbind {Path(0)} {Path(1)}",
        "move" => $"mount --move {Path(0)} {Path(1)}",
        "propagate" => $"mount --make-{(Has("rec") ? "r" : "")}{Text(1)} {Path(0)}",
        "umount" => $"umount{(Has("lazy") ? " -l" : "")}{(Has("force") ? " -f" : "")} {Path(0)}",
        _ => null,
    };

    private string Loop(string verb) => verb switch
    {
        "free" => $"{step.Result ?? "l"}=$(losetup -f)",
        "attach" => $"{step.Result ?? "l"}=$(losetup -f --show{LoopSettings()} {Path(0)})",
        "configure" or "setfd" => $"losetup{LoopSettings()} {Device(0)} {PathOrFd(1)}",
        "detach" => $"losetup -d {Device(0)}",
        "status" => $"losetup -O OFFSET,SIZELIMIT,AUTOCLEAR,RO,DIO {Device(0)}",
        "capacity" => $"losetup -c {Device(0)}",
        "directio" => $"losetup --direct-io={(Number(1) == "0" ? "off" : "on")} {Device(0)}",
        "blocksize" => $"losetup --sector-size {Number(1)} {Device(0)}",
        _ => None("losetup has no such operation"),
    };

    private string Block(string verb) => verb switch
    {
        "size" => $"blockdev --getsize64 {Device(0)}",
        "sectors" => $"blockdev --getsz {Device(0)}",
        "limits" => $"blockdev --getss --getpbsz --getiomin --getioopt --getalignoff {Device(0)}",
        "ro" => $"blockdev --getro {Device(0)}",
        "setro" => $"blockdev --set{(Number(1) == "0" ? "rw" : "ro")} {Device(0)}",
        "discard" => $"blkdiscard -f -o {Number(1)} -l {Number(2)} {Device(0)}",
        "secdiscard" => $"blkdiscard -f -s -o {Number(1)} -l {Number(2)} {Device(0)}",
        "zeroout" => $"blkdiscard -f -z -o {Number(1)} -l {Number(2)} {Device(0)}",
        "flush" => $"blockdev --flushbufs {Device(0)}",
        "bsz" => $"blockdev --getbsz {Device(0)}",
        "setbsz" => $"blockdev --setbsz {Number(1)} {Device(0)}",
        "readahead" => $"blockdev --getra {Device(0)}",
        "setreadahead" => $"blockdev --setra {Number(1)} {Device(0)}",
        "discardzeroes" => $"blockdev --getdiscardzeroes {Device(0)}",
        "reread" => $"blockdev --rereadpt {Device(0)}",
        _ => None("blockdev has no such operation"),
    };

    private string Mapper(string verb)
    {
        string inactive = Has("inactive") ? " --inactive" : "", flags = (Has("noflush") ? " --noflush" : "") + (Has("nolockfs") ? " --nolockfs" : "");
        return verb switch
        {
            "create" when step.Arguments.Count == 1 => $"dmsetup create --notable{Uuid()} {Text(0)}{Remember()}",
            "create" => $"{Rows()} | dmsetup create{(Has("ro") ? " --readonly" : "")}{Uuid()} {Text(0)}{Remember()}",
            "load" => $"{Rows()} | dmsetup load{(Has("ro") ? " --readonly" : "")} {Text(0)}",
            "resume" or "suspend" => $"dmsetup {verb}{flags} {Text(0)}",
            "clear" => $"dmsetup clear {Text(0)}",
            "remove" => $"dmsetup remove{(Has("deferred") ? " --deferred" : "")} {Text(0)}",
            "rename" => $"dmsetup rename {Text(0)} {Text(1)}",
            "setuuid" => $"dmsetup rename --setuuid {Text(0)} {Text(1)}",
            "info" => $"dmsetup info{inactive} {Text(0)}",
            "status" or "table" or "deps" => $"dmsetup {verb}{inactive} {Text(0)}",
            "message" => $"dmsetup message {Text(0)} {Option("sector") ?? "0"} {Quoted(1)}",
            "list" => "dmsetup ls",
            "targets" => "dmsetup targets",
            _ => "dmsetup version",
        };
    }

    private string Remember() => step.Result is { } name ? $" && {name}=/dev/mapper/{Text(0)}" : "";

    private string Uuid() => Option("uuid") is { } uuid ? $" --uuid {ShellWriter.Quote(uuid)}" : "";

    private string Rows() => step.Arguments.Count == 1
        ? "printf ''"
        : $"printf '%s\\n' {string.Join(' ', step.Arguments.Skip(1).Select(ShellWriter.Path))}";

    private string LoopSettings()
    {
        var text = new StringBuilder();
        if (Option("offset") is { } offset)
            _ = text.Append(" -o ").Append(Size(offset));
        if (Option("sizelimit") is { } limit)
            _ = text.Append(" --sizelimit ").Append(Size(limit));
        if (Option("blocksize") is { } block)
            _ = text.Append(" --sector-size ").Append(Size(block));
        return text.Append(Has("ro") ? " -r" : "").Append(Has("directio") ? " --direct-io=on" : "").ToString();
    }

    private string Open()
    {
        if (step.Result is not { } name)
            return None("the descriptor has no name");
        long flags = 0;
        foreach (var flag in step.Arguments[1].Text.Split('|', ','))
            flags |= step.Verb.Parameters[1].Lookup!(flag) ?? (Numbers.TryParse(flag, out long number) ? number : 0);
        // "command" keeps a failed redirection from ending the script.
        return $"command exec {writer.Descriptor(name)}{ShellWriter.Redirect((OpenFlags)flags)}{Path(0)}";
    }

    private string Rename() => step.Arguments[2].Text switch
    {
        "RENAME_NOREPLACE" => $"mv -n -T {Path(0)} {Path(1)}",
        "RENAME_EXCHANGE" => $"mv --exchange -T {Path(0)} {Path(1)}",
        _ => None("mv has no such flag"),
    };

    private string Mknod()
    {
        string mode = step.Arguments.Count > 2 ? $" -m {Text(2)}" : "";
        return Text(1) switch
        {
            "fifo" => $"mknod{mode} {Path(0)} p",
            "chr" => $"mknod{mode} {Path(0)} c {Number(3, "0")} {Number(4, "0")}",
            "blk" => $"mknod{mode} {Path(0)} b {Number(3, "0")} {Number(4, "0")}",
            "reg" => $": >{Path(0)}",
            _ => None("mknod(1) makes no such node"),
        };
    }

    private string MountOptions(string first)
    {
        var options = new List<string>();
        if (first.Length > 0)
            options.Add(first);
        foreach (var option in step.Options.Where(o => o.Key is not ("source" or "flags")))
            options.Add(option.Key == "data" ? option.Value!.Text : option.Value is { } value ? $"{option.Key}={value.Text}" : option.Key);
        // Paths inside the data are the scenario's.
        string text = string.Join(',', options).Replace("=/", "=$R/", StringComparison.Ordinal).Replace(":/", ":$R/", StringComparison.Ordinal);
        return text.Length == 0 ? "" : $" -o \"{text}\"";
    }

    private string Source() => step.Options.FirstOrDefault(o => o.Key == "source")?.Value is { } source ? ShellWriter.Path(source) : Text(0);

    private string Access()
    {
        string text = step.Arguments[1].Text;
        return text.Contains("X_OK", StringComparison.Ordinal) ? "-x" : text.Contains("W_OK", StringComparison.Ordinal) ? "-w" : text.Contains("R_OK", StringComparison.Ordinal) ? "-r" : "-e";
    }

    private string FallocateMode()
    {
        string text = step.Arguments[1].Text;
        return (text.Contains("KEEP_SIZE", StringComparison.Ordinal) ? " -n" : "") + (text.Contains("PUNCH", StringComparison.Ordinal) ? " -p" : "")
            + (text.Contains("ZERO_RANGE", StringComparison.Ordinal) ? " -z" : "") + (text.Contains("COLLAPSE", StringComparison.Ordinal) ? " -c" : "") + (text.Contains("INSERT", StringComparison.Ordinal) ? " -i" : "");
    }

    private string Owner()
    {
        string uid = Number(1), gid = Number(2);
        return $"{(uid == "-1" ? "" : uid)}:{(gid == "-1" ? "" : gid)}";
    }

    private static string Size(string text) => Numbers.TryParse(text, out long value) ? value.ToString(System.Globalization.CultureInfo.InvariantCulture) : text;

    private string None(string why) => $"# {why}: {step.Text.ReplaceLineEndings(" ")}";

    private bool Has(string key) => step.Options.Any(o => o.Key == key);

    private string? Option(string key) => step.Options.FirstOrDefault(o => o.Key == key)?.Value?.Text;

    private string Mode(string prefix, string key) => Option(key) is { } mode ? prefix + mode : "";

    private string NoFollow() => Has("nofollow") ? " -h" : "";

    private string Path(int index) => IsFd(index) ? $"/proc/self/fd/{Fd(index)}" : ShellWriter.Path(step.Arguments[index]);

    private string PathOrFd(int index) => Path(index);

    private string Device(int index)
    {
        var word = step.Arguments[index];
        return word is { IsQuoted: false, IsConstant: true } && !word.Text.Contains('/', StringComparison.Ordinal) && !IsFd(index) ? $"\"${word.Text}\"" : Path(index);
    }

    private bool IsFd(int index) => step.Arguments[index] is { IsQuoted: false } word && (writer.IsDescriptor(word.Text) || word.Text == "closed");

    private string Fd(int index) => step.Arguments[index].Text is var name && name == "closed" ? "99" : writer.IsDescriptor(name) ? writer.Descriptor(name).ToString(System.Globalization.CultureInfo.InvariantCulture) : name;

    private string Text(int index) => step.Arguments[index].Text;

    private string Quoted(int index) => ShellWriter.Quote(step.Arguments[index].Text);

    private string Number(int index) => ShellWriter.Number(step.Arguments[index]);

    private string Number(int index, string absent) => index < step.Arguments.Count ? Number(index) : absent;
}
