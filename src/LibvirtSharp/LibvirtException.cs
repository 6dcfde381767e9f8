using System.Runtime.InteropServices;

namespace LibvirtSharp;

/// <summary>Why a libvirt call failed: virErrorNumber.</summary>
/// <remarks>Only the numbers that this binding's callers tell apart have names; every other number is passed on as it is. libvirt/virterror.h.</remarks>
public enum LibvirtErrorCode
{
    Ok = 0,
    InternalError = 1,
    NoMemory = 2,
    NoSupport = 3,
    NoConnect = 5,
    InvalidConnection = 6,
    InvalidArgument = 8,
    OperationFailed = 9,
    XmlError = 27,
    XmlDetail = 35,
    SystemError = 38,
    RpcError = 39,
    NoDomain = 42,
    AuthenticationFailed = 45,
    OperationInvalid = 55,
    ConfigUnsupported = 67,
    OperationTimeout = 68,
    NoDomainSnapshot = 72,
    OperationAborted = 78,
    AuthenticationCancelled = 79,
    AccessDenied = 88,
    XmlInvalidSchema = 92,
    /// <summary>The client library itself is not there.</summary>
    LibraryMissing = -1,
}

/// <summary>A libvirt call failed.</summary>
public class LibvirtException(LibvirtErrorCode code, int domain, string message) : Exception(message)
{
    /// <summary>What kind of failure.</summary>
    public LibvirtErrorCode Code { get; } = code;

    /// <summary>The part of libvirt that failed: virErrorDomain.</summary>
    public int ErrorDomain { get; } = domain;

    /// <summary>Makes the exception for the calling thread's last error.</summary>
    internal static unsafe LibvirtException Last()
    {
        var error = Native.virGetLastError();
        if (error == null)
            return new(LibvirtErrorCode.InternalError, 0, "libvirt reported a failure without saying which");
        string message = Marshal.PtrToStringUTF8((nint)error->Message) ?? $"libvirt error {error->Code}";
        var (code, domain) = ((LibvirtErrorCode)error->Code, error->Domain);
        Native.virResetLastError();
        return code switch
        {
            LibvirtErrorCode.NoDomain => new DomainNotFoundException(domain, message),
            LibvirtErrorCode.NoDomainSnapshot => new SnapshotNotFoundException(domain, message),
            LibvirtErrorCode.OperationInvalid => new InvalidDomainStateException(domain, message),
            LibvirtErrorCode.XmlError or LibvirtErrorCode.XmlDetail or LibvirtErrorCode.XmlInvalidSchema or LibvirtErrorCode.ConfigUnsupported => new InvalidDomainXmlException(code, domain, message),
            LibvirtErrorCode.NoConnect or LibvirtErrorCode.RpcError or LibvirtErrorCode.AuthenticationFailed or LibvirtErrorCode.AuthenticationCancelled => new ConnectionFailedException(code, domain, message),
            _ => new(code, domain, message),
        };
    }
}

/// <summary>No connection could be made, or it was lost.</summary>
public sealed class ConnectionFailedException(LibvirtErrorCode code, int domain, string message) : LibvirtException(code, domain, message);

/// <summary>There is no domain of that name or uuid.</summary>
public sealed class DomainNotFoundException(int domain, string message) : LibvirtException(LibvirtErrorCode.NoDomain, domain, message);

/// <summary>There is no snapshot of that name.</summary>
public sealed class SnapshotNotFoundException(int domain, string message) : LibvirtException(LibvirtErrorCode.NoDomainSnapshot, domain, message);

/// <summary>The domain is not in a state that allows the call: running, or not running.</summary>
public sealed class InvalidDomainStateException(int domain, string message) : LibvirtException(LibvirtErrorCode.OperationInvalid, domain, message);

/// <summary>The description of a domain, device or snapshot is not accepted.</summary>
public sealed class InvalidDomainXmlException(LibvirtErrorCode code, int domain, string message) : LibvirtException(code, domain, message);
