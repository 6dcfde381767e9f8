namespace DriverLab.Linux;

/// <summary>A file descriptor of a task.</summary>
/// <param name="Value">The number, as the kernel gives it.</param>
public readonly record struct Fd(int Value)
{
    /// <summary><c>AT_FDCWD</c>: relative paths start at the task's working directory.</summary>
    public static readonly Fd Cwd = new(-100);

    /// <summary>No descriptor; every call on it answers EBADF.</summary>
    public static readonly Fd None = new(-1);

    /// <inheritdoc/>
    public override string ToString() => Value.ToString();
}

/// <summary>A device number: 12 bits of major and 20 of minor, as in the kernel.</summary>
/// <remarks>Linux include/linux/kdev_t.h: MKDEV(); <see cref="Encoded"/> is new_encode_dev(), what user space passes to mknod(2) and reads in dm's ioctls.</remarks>
public readonly record struct DevT(uint Major, uint Minor)
{
    /// <summary>The 0:0 device, which as a character device is overlayfs's whiteout.</summary>
    public static readonly DevT Zero = new(0, 0);

    /// <summary>The number as user space writes it: minor bits 0 to 7, major in bits 8 to 19, the rest of the minor above.</summary>
    public uint Encoded => (Minor & 0xff) | (Major << 8) | ((Minor & ~0xffu) << 12);

    /// <summary>Splits a number as user space writes it.</summary>
    public static DevT Decode(uint encoded) => new((encoded & 0xfff00) >> 8, (encoded & 0xff) | ((encoded >> 12) & 0xfff00));

    /// <inheritdoc/>
    public override string ToString() => $"{Major}:{Minor}";
}
