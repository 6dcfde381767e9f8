using System.Reflection.Emit;
using DriverLab.Linux;

namespace DriverLab.Cli.Mutating;

/// <summary>
/// Constants of which a rule tells that no program sees them one off: a version from which on kernels do something, when it moves past none of the recorded kernels; how much memory is
/// taken from the stack, for the span over it has its length from another constant; and the 0 that bits are more than, when 1 is none of them: then they are more than 1 as well.
/// </summary>
/// <param name="kernels">The versions of the recorded kernels.</param>
internal sealed class UnseenConstants(IReadOnlyCollection<KernelVersion> kernels)
{
    /// <summary>Arguments of <see cref="KernelProfile.AtLeast"/>.</summary>
    private const int Parts = 3;

    /// <summary>What a constant becomes.</summary>
    /// <remarks>1 is true most of the time, and 2 would be as true as it.</remarks>
    public static int Other(int value) => value == 1 ? 0 : value + 1;

    /// <summary>True when the constant at a place is such a one.</summary>
    /// <param name="il">The method.</param>
    /// <param name="code">Its instructions.</param>
    /// <param name="i">The constant's.</param>
    /// <param name="isVersionCheck">Whether an instruction calls <see cref="KernelProfile.AtLeast"/>.</param>
    public bool Contains(byte[] il, List<Instruction> code, int i, Func<int, bool> isVersionCheck)
    {
        if (i + 2 < code.Count && code[i + 1].Code == OpCodes.Conv_U && code[i + 2].Code == OpCodes.Localloc)
            return true;
        return IsNoneOfBits(il, code, i) || IsVersion(il, code, i, isVersionCheck);
    }

    private static bool IsNoneOfBits(byte[] il, List<Instruction> code, int i) =>
        i >= 2 && i + 1 < code.Count && code[i].Code == OpCodes.Ldc_I4_0 && code[i + 1].Code == OpCodes.Cgt_Un && code[i - 1].Code == OpCodes.And && Value(il, code[i - 2]) is { } bits && (bits & 1) == 0;

    private bool IsVersion(byte[] il, List<Instruction> code, int i, Func<int, bool> isVersionCheck)
    {
        int call = i + 1;
        while (call < code.Count && call <= i + Parts && !isVersionCheck(call))
            call++;
        int first = call - Parts;
        if (first < 0 || call == code.Count || call > i + Parts)
            return false;
        var version = new int[Parts];
        for (int part = 0; part < Parts; part++)
        {
            if (Value(il, code[first + part]) is not { } value)
                return false;
            version[part] = value;
        }
        var bound = Version(version);
        version[i - first] = Other(version[i - first]);
        var moved = Version(version);
        return kernels.All(k => k >= bound == k >= moved);
    }

    private static KernelVersion Version(int[] parts) => new(parts[0], parts[1], parts[2]);

    private static int? Value(byte[] il, Instruction at) => at.Code.Value is >= 0x16 and <= 0x1E ? at.Code.Value - 0x16 : at.Code == OpCodes.Ldc_I4_S ? (sbyte)il[at.Offset + 1]
        : at.Code == OpCodes.Ldc_I4 ? at.Operand32(il) : null;
}
