using System.Globalization;
using DriverLab.Linux;
using DriverLab.Linux.Abi;
using DriverLab.Vfs;

namespace DriverLab.Emulator.Devices;

/// <summary>A number of 32 bits that root may change, below /sys/module: the only parameter of its module.</summary>
/// <remarks>Linux kernel/params.c: param_attr_store(), param_set_uint().</remarks>
/// <param name="module">The module.</param>
/// <param name="name">The parameter.</param>
/// <param name="get">Its value.</param>
/// <param name="set">Takes another one.</param>
internal sealed class ModuleParameter(string module, string name, Func<uint> get, Action<uint> set) : ISysfsSource
{
    private readonly string _folder = $"module/{module}/parameters";

    public IEnumerable<SysfsFile> FilesBelow(string path)
    {
        yield return new($"{_folder}/{name}", _ => get().ToString(CultureInfo.InvariantCulture) + "\n") { Mode = QueueAttributes.Writable, Store = Take };
    }

    public bool KnowsAllOf(string path) => path == _folder;

    public bool WouldKnow(string path) => false;

    private Errno Take(ReadOnlyMemory<byte> text)
    {
        var number = text.Span;
        number = number[^1] == '\n' ? number[..^1] : number;
        number = number.StartsWith("+"u8) ? number[1..] : number;
        if (!OptionValue.TryUnsigned(number, out uint value))
            return number.IsEmpty || number.ContainsAnyExceptInRange((byte)'0', (byte)'9') ? Errno.EINVAL : Errno.ERANGE;
        set(value);
        return Errno.OK;
    }
}
