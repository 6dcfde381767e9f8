using DriverLab.Linux;
using DriverLab.Linux.Abi;
using static DriverLab.Contracts.Tests.Calls;

namespace DriverLab.Contracts.Tests;

/// <summary>getxattr, setxattr, listxattr, removexattr and their forms on descriptors, in the name space <c>trusted.</c> of tmpfs.</summary>
public sealed class XattrContract(KernelKind kind) : Contract(kind)
{
    private const string Name = "trusted.test";

    [SetUp]
    public void MakeTheFile() => MakeFile("f");

    [Test]
    public void Value_is_kept()
    {
        K.SetXattr("f", Name, "a\0b");
        byte[] value = new byte[8];
        Assert.That((K.GetXattr("f", Name, value).Value, value[..3]), Is.EqualTo((3, "a\0b"u8.ToArray())));
    }

    [Test]
    public void Empty_value_is_a_value()
    {
        K.SetXattr("f", Name, "");
        Assert.That(K.GetXattr("f", Name, default).Value, Is.Zero);
    }

    [Test]
    public void Empty_buffer_asks_for_the_size()
    {
        K.SetXattr("f", Name, "value");
        Assert.That(K.GetXattr("f", Name, default).Value, Is.EqualTo(5));
    }

    [Test]
    public void Small_buffer_is_ERANGE()
    {
        K.SetXattr("f", Name, "value");
        Assert.That(K.GetXattr("f", Name, new byte[4]), Does.FailWith(Errno.ERANGE));
    }

    [Test]
    public void Missing_attribute_is_ENODATA() => Assert.That(K.GetXattr("f", Name, default), Does.FailWith(Errno.ENODATA));

    [Test]
    public void Create_of_an_existing_attribute_is_EEXIST()
    {
        K.SetXattr("f", Name, "a");
        Assert.That(K.SetXattr("f", Name, "b", XattrFlags.XATTR_CREATE), Does.FailWith(Errno.EEXIST));
    }

    [Test]
    public void Replacement_of_a_missing_attribute_is_ENODATA()
        => Assert.That(K.SetXattr("f", Name, "b", XattrFlags.XATTR_REPLACE), Does.FailWith(Errno.ENODATA));

    [Test]
    public void Both_flags_on_a_missing_attribute_are_ENODATA()
        => Assert.That(K.SetXattr("f", Name, "b", XattrFlags.XATTR_REPLACE | XattrFlags.XATTR_CREATE), Does.FailWith(Errno.ENODATA));

    [Test]
    [Kernels("flags and name are read before the path is walked", From = "6.12")]
    public void Unknown_flags_come_before_the_name_and_the_path()
        => Assert.That(K.SetXattr("missing", "", "b", (XattrFlags)4), Does.FailWith(Errno.EINVAL));

    [Test]
    [Kernels("the path is walked before flags and name are read", Before = "6.12")]
    public void Missing_file_comes_before_unknown_flags()
        => Assert.That((K.SetXattr("missing", "", "b", (XattrFlags)4), K.SetXattr("f", "", "b", (XattrFlags)4)), Is.EqualTo((Errno.ENOENT, Errno.EINVAL)));

    [TestCase("")]
    [TestCase("trusted.")]
    public void Name_must_not_be_empty(string name)
        => Assert.That(K.SetXattr("f", name, "x"), Is.EqualTo(name.Length == 0 ? Errno.ERANGE : Errno.EINVAL));

    [TestCase(255, ExpectedResult = Errno.OK)]
    [TestCase(256, ExpectedResult = Errno.ERANGE)]
    public Errno Name_has_255_bytes_at_the_most(int length) => K.SetXattr("f", "trusted." + Long(length - 8), "x");

    [Test]
    [Kernels("the name is read before the path is walked", From = "6.13")]
    public void Long_name_comes_before_the_path() => Assert.That(K.GetXattr("missing", Long(256), default), Does.FailWith(Errno.ERANGE));

    [Test]
    [Kernels("the path is walked before the name is read", Before = "6.13")]
    public void Missing_file_comes_before_a_long_name() => Assert.That(K.GetXattr("missing", Long(256), default), Does.FailWith(Errno.ENOENT));

    [TestCase(65536, ExpectedResult = Errno.OK)]
    [TestCase(65537, ExpectedResult = Errno.E2BIG)]
    public Errno Value_has_64_KiB_at_the_most(int length) => K.SetXattr("f", Name, new string('v', length));

    [Test]
    public void Unknown_name_space_is_EOPNOTSUPP() => Assert.That(K.SetXattr("f", "nothing.x", "v"), Does.FailWith(Errno.EOPNOTSUPP));

    [Test]
    public void Name_without_a_space_is_EOPNOTSUPP() => Assert.That(K.GetXattr("f", "x", default), Does.FailWith(Errno.EOPNOTSUPP));

    [Test]
    public void Trusted_by_a_user_is_EPERM()
    {
        MakeFile("g", "", 666);
        Assert.That(As(Alice).SetXattr("g", Name, "v"), Does.FailWith(Errno.EPERM));
    }

    [Test]
    public void Reading_trusted_by_a_user_is_ENODATA()
    {
        K.SetXattr("f", Name, "v");
        Assert.That(As(Alice).GetXattr("f", Name, default), Does.FailWith(Errno.ENODATA));
    }

    [Test]
    public void Removing_trusted_by_a_user_is_EPERM() => Assert.That(As(Alice).RemoveXattr("f", Name), Does.FailWith(Errno.EPERM));

    [Test]
    public void User_attributes_of_a_link_are_EPERM()
    {
        K.Symlink("f", "l");
        Assert.That(K.SetXattr("l"u8, "user.x"u8, "v"u8, XattrFlags.None, AtFlags.AT_SYMLINK_NOFOLLOW), Does.FailWith(Errno.EPERM));
    }

    [Test]
    public void User_attributes_of_a_device_are_EPERM()
    {
        K.Mknod("n", Mode.S_IFCHR | Oct(666), new DevT(1, 3));
        Assert.That((K.SetXattr("n", "user.x", "v"), K.GetXattr("n", "user.x", default).Error), Is.EqualTo((Errno.EPERM, Errno.ENODATA)));
    }

    [Test]
    public void User_attributes_need_write_permission()
        => Assert.That(As(Alice).SetXattr("f", "user.x", "v"), Does.FailWith(Errno.EACCES));

    [Test]
    public void Link_itself_has_attributes_of_its_own()
    {
        K.Symlink("f", "l");
        K.SetXattr("l"u8, "trusted.x"u8, "v"u8, XattrFlags.None, AtFlags.AT_SYMLINK_NOFOLLOW);
        Assert.That((K.GetXattr("f", "trusted.x", default).Error, K.GetXattr("l"u8, "trusted.x"u8, default, AtFlags.AT_SYMLINK_NOFOLLOW).Value), Is.EqualTo((Errno.ENODATA, 1)));
    }

    [Test]
    public void List_has_every_name_ended_by_NUL()
    {
        K.SetXattr("f", "trusted.a", "1");
        K.SetXattr("f", "trusted.b", "2");
        Assert.That(List(K, "f"), Is.EquivalentTo(new[] { "trusted.a", "trusted.b" }));
    }

    [Test]
    public void List_hides_trusted_names_from_users()
    {
        K.SetXattr("f", "trusted.a", "1");
        Assert.That(List(As(Alice), "f"), Is.Empty);
    }

    [Test]
    public void List_asks_for_the_size_with_an_empty_buffer()
    {
        K.SetXattr("f", "trusted.a", "1");
        Assert.That(K.ListXattr("f", default).Value, Is.EqualTo(10));
    }

    [Test]
    public void List_into_a_small_buffer_is_ERANGE()
    {
        K.SetXattr("f", "trusted.a", "1");
        Assert.That(K.ListXattr("f", new byte[9]), Does.FailWith(Errno.ERANGE));
    }

    [Test]
    public void Removed_attribute_is_gone()
    {
        K.SetXattr("f", Name, "v");
        Assert.That((K.RemoveXattr("f", Name), K.RemoveXattr("f", Name), List(K, "f").Length), Is.EqualTo((Errno.OK, Errno.ENODATA, 0)));
    }

    [Test]
    public void Missing_file_is_ENOENT()
        => Assert.That(new[] { K.GetXattr("x", Name, default).Error, K.SetXattr("x", Name, ""), K.ListXattr("x", default).Error, K.RemoveXattr("x", Name) }, Is.All.EqualTo(Errno.ENOENT));

    [Test]
    public void Read_only_mount_is_EROFS()
    {
        this.MakeReadOnlyMount(K);
        Assert.That((K.SetXattr("m/f", Name, "v"), K.RemoveXattr("m/f", Name)), Is.EqualTo((Errno.EROFS, Errno.EROFS)));
    }

    [Test]
    public void Read_only_mount_comes_before_the_privilege()
    {
        this.MakeReadOnlyMount(K);
        Assert.That(As(Alice).SetXattr("m/f", Name, "v"), Does.FailWith(Errno.EROFS));
    }

    [Test]
    public void Descriptors_have_the_same_calls()
    {
        var fd = Opened("f", OpenFlags.O_RDONLY);
        Assert.That(K.FSetXattr(fd, "trusted.x"u8, "v"u8, XattrFlags.None), Is.Success);
        Assert.That((K.FGetXattr(fd, "trusted.x"u8, default).Value, K.FListXattr(fd, default).Value, K.FRemoveXattr(fd, "trusted.x"u8)), Is.EqualTo((1, 10, Errno.OK)));
    }

    [Test]
    public void Path_descriptor_is_EBADF()
    {
        var fd = Opened("f", OpenFlags.O_PATH);
        Assert.That(new[] { K.FGetXattr(fd, "trusted.x"u8, default).Error, K.FSetXattr(fd, "trusted.x"u8, default, 0), K.FListXattr(fd, default).Error, K.FRemoveXattr(fd, "trusted.x"u8) },
            Is.All.EqualTo(Errno.EBADF));
    }

    [Test]
    public void Links_of_a_file_share_its_attributes()
    {
        K.SetXattr("f", Name, "v");
        K.Link("f", "g");
        Assert.That(K.GetXattr("g", Name, default).Value, Is.EqualTo(1));
    }

    private static string[] List(IKernel kernel, string path)
    {
        Span<byte> buffer = stackalloc byte[1024];
        int length = kernel.ListXattr(path, buffer).Value;
        return System.Text.Encoding.Latin1.GetString(buffer[..length]).Split('\0', StringSplitOptions.RemoveEmptyEntries);
    }
}
