using System.Reflection;
using System.Reflection.Emit;

namespace DriverLab.Cli.Mutating;

/// <summary>One instruction of a method.</summary>
/// <param name="Offset">Its offset in the method's code, in bytes.</param>
/// <param name="Code">The operation.</param>
/// <param name="Length">Operation and operand, in bytes.</param>
internal readonly record struct Instruction(int Offset, OpCode Code, int Length)
{
    /// <summary>A four-byte operand, such as a token.</summary>
    public int Operand32(ReadOnlySpan<byte> il) => BitConverter.ToInt32(il[(Offset + Code.Size)..]);
}

/// <summary>Takes common intermediate language apart (ECMA-335, partition III).</summary>
internal static class IlReader
{
    private static readonly Dictionary<short, OpCode> s_codes = typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(static f => (OpCode)f.GetValue(null)!).ToDictionary(static c => c.Value);

    /// <summary>All instructions of a method, in order.</summary>
    public static List<Instruction> Read(ReadOnlySpan<byte> il)
    {
        var all = new List<Instruction>();
        for (int at = 0; at < il.Length;)
        {
            var code = il[at] == 0xFE ? s_codes[unchecked((short)(0xFE00 | il[at + 1]))] : s_codes[il[at]];
            int operand = code.OperandType switch
            {
                OperandType.InlineNone => 0,
                OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                OperandType.InlineVar => 2,
                OperandType.InlineI8 or OperandType.InlineR => 8,
                OperandType.InlineSwitch => 4 + (4 * BitConverter.ToInt32(il[(at + code.Size)..])),
                _ => 4,
            };
            all.Add(new(at, code, code.Size + operand));
            at += code.Size + operand;
        }
        return all;
    }
}
