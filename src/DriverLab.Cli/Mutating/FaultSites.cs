using System.Collections.Immutable;
using System.Globalization;
using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using DriverLab.Linux;

namespace DriverLab.Cli.Mutating;

/// <summary>
/// Every place of an assembly where a fault can be put: a condition negated, a comparison turned round, a constant one off, an operation swapped, a call left out.
/// Each is an edit of the same length, so that nothing else of the file moves.
/// </summary>
/// <remarks>
/// Left out is what no kernel's behaviour follows from: constructors of types, what a compiler made, text and hashes for people and collections, checks of arguments, and the
/// faults with names (<see cref="Simulation.Mutation"/>), which are switched off; further the room that an interpolated text is begun with, whether a pool clears a buffer, the words of a gap, and throws that the compiler put
/// behind a switch that has all cases. <see cref="UnseenConstants"/> are left out too, but count among their neighbours. Single places of which the same is known are in <see cref="UnseenPlaces"/>.
/// </remarks>
internal sealed class FaultSites : IDisposable
{
    private static readonly string[] s_notBehaviour = [".cctor", "ToString", "GetHashCode", "Equals", "Dispose", "Finalize", "PrintMembers", "<Clone>$", "Deconstruct"];

    /// <summary>Branches and their opposites, both lengths; comparisons and operations and what stands for them.</summary>
    private static readonly Dictionary<OpCode, (OpCode Other, string What)> s_swaps = Swaps();

    /// <summary>How the types end that put an interpolated text together.</summary>
    private const string Handler = "InterpolatedStringHandler";

    private readonly byte[] _image;
    private readonly PEReader _pe;
    private readonly MetadataReader _metadata, _symbols;
    private readonly string _assembly;
    private readonly Func<string, string> _suiteOf;
    private readonly List<DrawnFault> _faults = [];
    private readonly HashSet<int> _unseen = [];
    private readonly UnseenConstants _constants;

    private FaultSites(string file, MetadataReader symbols, Func<string, string> suiteOf, IReadOnlyCollection<KernelVersion> kernels)
    {
        _constants = new(kernels);
        _image = File.ReadAllBytes(file);
        _pe = new PEReader(ImmutableArray.Create(_image));
        _metadata = _pe.GetMetadataReader();
        (_symbols, _suiteOf, _assembly) = (symbols, suiteOf, Path.GetFileNameWithoutExtension(file));
    }

    /// <summary>All places of an assembly.</summary>
    /// <param name="file">The assembly; its symbols lie beside it.</param>
    /// <param name="suiteOf">The suite of a source file's path; empty for files whose code is left out.</param>
    /// <param name="kernels">The versions of the recorded kernels.</param>
    public static IReadOnlyList<DrawnFault> Of(string file, Func<string, string> suiteOf, IReadOnlyCollection<KernelVersion> kernels)
    {
        string symbols = Path.ChangeExtension(file, ".pdb");
        if (!File.Exists(symbols))
            throw new UsageException($"there is no {symbols}; expected the symbols of {Path.GetFileName(file)} beside it, to tell where a fault is");
        using var provider = MetadataReaderProvider.FromPortablePdbStream(File.OpenRead(symbols));
        using var sites = new FaultSites(file, provider.GetMetadataReader(), suiteOf, kernels);
        foreach (var handle in sites._metadata.MethodDefinitions)
            sites.AddMethod(handle);
        return [.. Numbered(sites._faults).Where((_, number) => !sites._unseen.Contains(number))];
    }

    public void Dispose() => _pe.Dispose();

    /// <summary>Gives those that their methods have more than one of their numbers.</summary>
    private static List<DrawnFault> Numbered(List<DrawnFault> faults)
    {
        var (totals, seen) = (faults.CountBy(static f => f.Key).ToDictionary(), new Dictionary<string, int>());
        return [.. faults.Select(f => totals[f.Key] == 1 ? f : f with { Number = seen[f.Key] = seen.GetValueOrDefault(f.Key) + 1 })];
    }

    private void AddMethod(MethodDefinitionHandle handle)
    {
        var method = _metadata.GetMethodDefinition(handle);
        string name = _metadata.GetString(method.Name), type = TypeName(method.GetDeclaringType());
        if (method.RelativeVirtualAddress == 0 || s_notBehaviour.Contains(name) || type.Contains(">d__", StringComparison.Ordinal) || IsCompilerMade(method))
            return;
        var lines = _symbols.GetMethodDebugInformation(handle).GetSequencePoints().Where(static p => !p.IsHidden).ToArray();
        if (lines.Length == 0)
            return;
        string path = _symbols.GetString(_symbols.GetDocument(lines[0].Document).Name).Replace('\\', '/');
        path = path[(path.LastIndexOf("/src/", StringComparison.Ordinal) + 1)..];
        string suite = _suiteOf(path);
        if (suite.Length == 0)
            return;
        byte[] il = _pe.GetMethodBody(method.RelativeVirtualAddress).GetILBytes()!;
        int start = StartOf(method.RelativeVirtualAddress);
        var code = IlReader.Read(il);
        byte[] entry = Throw(code);
        for (int i = 0; i < code.Count; i++)
        {
            if (Edit(il, code, i) is not ({ } bytes, { } what, var skip))
                continue;
            int line = lines.LastOrDefault(p => p.Offset <= code[i].Offset, lines[0]).StartLine;
            string where = string.Create(CultureInfo.InvariantCulture, $"{path}:{line}");
            if (_constants.Contains(il, code, i, at => CalleeAt(il, code, at) is { Type: nameof(KernelProfile), Name: nameof(KernelProfile.AtLeast) }))
                _unseen.Add(_faults.Count);
            _faults.Add(new(suite, _assembly, start + code[i].Offset + skip, bytes, start, entry, what, $"{type}.{name}", where));
        }
    }

    /// <summary>The other bytes of an instruction, what that means, and where in it they begin; null where no fault fits.</summary>
    private (byte[] Bytes, string What, int Skip)? Edit(byte[] il, List<Instruction> code, int i)
    {
        var at = code[i];
        if (IsNamedFault(il, code, i + 1) || IsNamedFault(il, code, i - 1) || IsRoomOfText(il, code, i) || IsClearingOfBuffer(il, code, i))
            return null;
        if (at.Code == OpCodes.Ceq && i > 0 && code[i - 1].Code == OpCodes.Ldc_I4_0)
            return (Bytes(OpCodes.Cgt_Un), "negation dropped", 0);
        if (s_swaps.TryGetValue(at.Code, out var swap))
            return (Bytes(swap.Other), swap.What, 0);
        if (at.Code.Value is >= 0x16 and < 0x1E) // ldc.i4.0 to ldc.i4.7
        {
            int value = at.Code.Value - 0x16, other = UnseenConstants.Other(value);
            return ([(byte)(0x16 + other)], string.Create(CultureInfo.InvariantCulture, $"{value} is {other}"), 0);
        }
        if (at.Code == OpCodes.Ldc_I4_S && (sbyte)il[at.Offset + 1] is var small and < sbyte.MaxValue)
            return ([(byte)(small + 1)], string.Create(CultureInfo.InvariantCulture, $"{small} is {small + 1}"), 1);
        return at.Code == OpCodes.Call || at.Code == OpCodes.Callvirt ? LeftOut(il, code, i) : null;
    }

    /// <summary>A call that gives nothing back: its arguments are popped instead.</summary>
    private (byte[] Bytes, string What, int Skip)? LeftOut(byte[] il, List<Instruction> code, int i)
    {
        if (i > 0 && code[i - 1].Code.OpCodeType == OpCodeType.Prefix)
            return null;
        if (Callee(il, code[i]) is not { } callee || callee.Name is ".ctor" or "Dispose" || callee.Type.StartsWith("Argument", StringComparison.Ordinal) || callee.Type is "ObjectDisposedException" or "Debug" or "<PrivateImplementationDetails>")
            return null;
        if (callee.Returns != "Void" || callee.Arguments > 5 || (callee.Type.EndsWith(Handler, StringComparison.Ordinal) && IsTextOfGap(il, code, i)))
            return null;
        byte[] bytes = new byte[5]; // nop is 0
        bytes.AsSpan(0, callee.Arguments).Fill((byte)OpCodes.Pop.Value);
        return (bytes, $"{callee.Type}.{callee.Name} is not called", 0);
    }

    /// <summary>A constant that says how long a text may become: one of the first two arguments of its handler, with one instruction for each that follows.</summary>
    private bool IsRoomOfText(byte[] il, List<Instruction> code, int i)
    {
        for (int ahead = 1; ahead <= 4 && i + ahead < code.Count; ahead++)
            if (CalleeAt(il, code, i + ahead) is { Name: ".ctor" } handler && handler.Type.EndsWith(Handler, StringComparison.Ordinal))
                return handler.Arguments - 1 - ahead is 0 or 1; // one argument is the handler itself
        return false;
    }

    /// <summary>Whether a pool clears what it gets back: who rents it writes it before it is read.</summary>
    private bool IsClearingOfBuffer(byte[] il, List<Instruction> code, int i) =>
        i + 1 < code.Count && code[i].Code == OpCodes.Ldc_I4_0 && CalleeAt(il, code, i + 1) is { Type: "ArrayPool`1" or "", Name: "Return", Arguments: 3 };

    /// <summary>The text that this call adds to goes into an exception that says that something is not modelled: for people only.</summary>
    private bool IsTextOfGap(byte[] il, List<Instruction> code, int i)
    {
        for (; i + 1 < code.Count && code[i].Code.FlowControl is FlowControl.Next or FlowControl.Call or FlowControl.Meta; i++)
            if (CalleeAt(il, code, i) is { Name: "ToStringAndClear" } end && end.Type.EndsWith(Handler, StringComparison.Ordinal))
                return CalleeAt(il, code, i + 1) is { Type: "NotModelledException" };
        return false;
    }

    private (string Type, string Name, int Arguments, string Returns)? CalleeAt(byte[] il, List<Instruction> code, int i) =>
        code[i].Code == OpCodes.Call || code[i].Code == OpCodes.Callvirt || code[i].Code == OpCodes.Newobj ? Callee(il, code[i]) : null;

    private bool IsNamedFault(byte[] il, List<Instruction> code, int i) =>
        i >= 0 && i < code.Count && (code[i].Code == OpCodes.Call || code[i].Code == OpCodes.Callvirt) && Callee(il, code[i]) is ({ } type, var name, _, _) && (name == "IsMutated" || type == "MutationSet");

    private (string Type, string Name, int Arguments, string Returns)? Callee(byte[] il, Instruction call)
    {
        var handle = MetadataTokens.EntityHandle(call.Operand32(il));
        if (handle.Kind == HandleKind.MethodSpecification)
            handle = _metadata.GetMethodSpecification((MethodSpecificationHandle)handle).Method;
        if (handle.Kind == HandleKind.MethodDefinition)
        {
            var method = _metadata.GetMethodDefinition((MethodDefinitionHandle)handle);
            var signature = method.DecodeSignature(SignatureWords.Instance, null);
            return (TypeName(method.GetDeclaringType()), _metadata.GetString(method.Name), signature.RequiredParameterCount + (signature.Header.IsInstance ? 1 : 0), signature.ReturnType);
        }
        if (handle.Kind != HandleKind.MemberReference)
            return null;
        var member = _metadata.GetMemberReference((MemberReferenceHandle)handle);
        var words = member.DecodeMethodSignature(SignatureWords.Instance, null);
        string type = member.Parent.Kind == HandleKind.TypeReference ? _metadata.GetString(_metadata.GetTypeReference((TypeReferenceHandle)member.Parent).Name) : "";
        return (type, _metadata.GetString(member.Name), words.RequiredParameterCount + (words.Header.IsInstance ? 1 : 0), words.ReturnType);
    }

    private bool IsCompilerMade(MethodDefinition method) => method.GetCustomAttributes().Any(a =>
        _metadata.GetCustomAttribute(a).Constructor is { Kind: HandleKind.MemberReference } constructor
        && _metadata.GetMemberReference((MemberReferenceHandle)constructor).Parent is { Kind: HandleKind.TypeReference } type
        && _metadata.GetString(_metadata.GetTypeReference((TypeReferenceHandle)type).Name) is "CompilerGeneratedAttribute" or "GeneratedCodeAttribute");

    private string TypeName(TypeDefinitionHandle handle) => _metadata.GetString(_metadata.GetTypeDefinition(handle).Name);

    /// <summary>Where a method's code begins in the file: behind a header of 1 byte, or of 12 (ECMA-335, II.25.4).</summary>
    private int StartOf(int address)
    {
        var section = _pe.PEHeaders.SectionHeaders[_pe.PEHeaders.GetContainingSectionIndex(address)];
        int header = address - section.VirtualAddress + section.PointerToRawData;
        return header + ((_image[header] & 3) == 2 ? 1 : 12);
    }

    /// <summary>Throws in place of the method's first instructions.</summary>
    private static byte[] Throw(List<Instruction> code)
    {
        int length = 0;
        for (int i = 0; i < code.Count && length < 2; i++)
            length += code[i].Length;
        byte[] bytes = new byte[length];
        if (length < 2)
            return [];
        bytes[0] = (byte)OpCodes.Ldnull.Value;
        bytes[1] = (byte)OpCodes.Throw.Value;
        return bytes;
    }

    private static byte[] Bytes(OpCode code) => code.Size == 1 ? [(byte)code.Value] : [(byte)(code.Value >> 8), (byte)code.Value];

    private static Dictionary<OpCode, (OpCode Other, string What)> Swaps()
    {
        var swaps = new Dictionary<OpCode, (OpCode, string)>();
        void Both(OpCode a, OpCode b, string what) => (swaps[a], swaps[b]) = ((b, what), (a, what));
        Both(OpCodes.Brtrue, OpCodes.Brfalse, "condition negated");
        Both(OpCodes.Brtrue_S, OpCodes.Brfalse_S, "condition negated");
        Both(OpCodes.Beq, OpCodes.Bne_Un, "condition negated");
        Both(OpCodes.Beq_S, OpCodes.Bne_Un_S, "condition negated");
        foreach (var (less, notLess) in new[] { (OpCodes.Blt, OpCodes.Bge), (OpCodes.Blt_S, OpCodes.Bge_S), (OpCodes.Blt_Un, OpCodes.Bge_Un), (OpCodes.Blt_Un_S, OpCodes.Bge_Un_S),
            (OpCodes.Ble, OpCodes.Bgt), (OpCodes.Ble_S, OpCodes.Bgt_S), (OpCodes.Ble_Un, OpCodes.Bgt_Un), (OpCodes.Ble_Un_S, OpCodes.Bgt_Un_S) })
            Both(less, notLess, "condition negated");
        Both(OpCodes.Clt, OpCodes.Cgt, "comparison turned round");
        swaps[OpCodes.Clt_Un] = (OpCodes.Cgt_Un, "comparison turned round");
        Both(OpCodes.Add, OpCodes.Sub, "plus for minus, or minus for plus");
        Both(OpCodes.Add_Ovf, OpCodes.Sub_Ovf, "plus for minus, or minus for plus");
        Both(OpCodes.And, OpCodes.Or, "and for or, or or for and");
        Both(OpCodes.Shl, OpCodes.Shr_Un, "shifted the other way");
        return swaps;
    }

    /// <summary>Signatures as the names of simple types: all that is asked is whether something comes back.</summary>
    private sealed class SignatureWords : ISignatureTypeProvider<string, object?>
    {
        public static readonly SignatureWords Instance = new();

        public string GetPrimitiveType(PrimitiveTypeCode typeCode) => typeCode.ToString();
        public string GetTypeFromDefinition(MetadataReader reader, TypeDefinitionHandle handle, byte rawTypeKind) => "";
        public string GetTypeFromReference(MetadataReader reader, TypeReferenceHandle handle, byte rawTypeKind) => "";
        public string GetTypeFromSpecification(MetadataReader reader, object? genericContext, TypeSpecificationHandle handle, byte rawTypeKind) => "";
        public string GetSZArrayType(string elementType) => "";
        public string GetArrayType(string elementType, ArrayShape shape) => "";
        public string GetByReferenceType(string elementType) => "";
        public string GetPointerType(string elementType) => "";
        public string GetPinnedType(string elementType) => "";
        public string GetGenericInstantiation(string genericType, ImmutableArray<string> typeArguments) => "";
        public string GetGenericMethodParameter(object? genericContext, int index) => "";
        public string GetGenericTypeParameter(object? genericContext, int index) => "";
        public string GetFunctionPointerType(MethodSignature<string> signature) => "";
        public string GetModifiedType(string modifier, string unmodifiedType, bool isRequired) => unmodifiedType;
    }
}
