namespace DriverLab.Nbd;

/// <summary>Numbers of the protocol; everything is big endian on the wire.</summary>
/// <remarks>NetworkBlockDevice/nbd doc/proto.md.</remarks>
internal static class NbdProtocol
{
    public const ulong InitMagic = 0x4e42444d41474943, OptionMagic = 0x49484156454F5054, OptionReplyMagic = 0x3e889045565a9;
    public const uint RequestMagic = 0x25609513, SimpleReplyMagic = 0x67446698, ChunkMagic = 0x668e33ef;
    public const int RequestSize = 28, SimpleReplySize = 16, ChunkSize = 20;

    /// <summary>Largest payload of one request, in bytes.</summary>
    public const int LargestPayload = 32 << 20;

    /// <summary>Largest option, in bytes; a longer one is skipped and refused.</summary>
    public const int LargestOption = 64 << 10;

    public const ushort FixedNewstyle = 1, NoZeroes = 2;
    public const uint AllocationContext = 1;
    public const string AllocationName = "base:allocation";
    public const uint StateHole = 1, StateZero = 2;
    public const ushort ChunkDone = 1;
    public const ushort ChunkNone = 0, ChunkData = 1, ChunkHole = 2, ChunkBlockStatus = 5, ChunkError = 32769;
    public const ushort InfoExport = 0, InfoName = 1, InfoDescription = 2, InfoBlockSize = 3;
}

internal enum NbdOption : uint
{
    ExportName = 1, Abort = 2, List = 3, StartTls = 5, Info = 6, Go = 7, StructuredReply = 8, ListMetaContext = 9, SetMetaContext = 10,
}

internal enum NbdReply : uint
{
    Ack = 1, Server = 2, Info = 3, MetaContext = 4,
    Unsupported = 0x80000001, Policy = 0x80000002, Invalid = 0x80000003, TlsRequired = 0x80000005, Unknown = 0x80000006, TooBig = 0x80000009,
}

internal enum NbdCommand : ushort
{
    Read = 0, Write = 1, Disconnect = 2, Flush = 3, Trim = 4, Cache = 5, WriteZeroes = 6, BlockStatus = 7,
}

[Flags]
internal enum NbdCommandFlags : ushort
{
    None = 0, Fua = 1, NoHole = 2, DontFragment = 4, ReqOne = 8, FastZero = 16,
}

[Flags]
internal enum NbdExportFlags : ushort
{
    HasFlags = 1, ReadOnly = 2, Flush = 4, Fua = 8, Rotational = 16, Trim = 32, WriteZeroes = 64, DontFragment = 128, MultiConnection = 256,
}

/// <summary>The errors that the protocol has; a client shows them as errnos.</summary>
internal enum NbdError : uint
{
    None = 0, NotPermitted = 1, Io = 5, NoMemory = 12, Invalid = 22, NoSpace = 28, NotSupported = 95,
}
