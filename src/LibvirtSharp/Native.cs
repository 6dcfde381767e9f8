using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

[assembly: DisableRuntimeMarshalling]

namespace LibvirtSharp;

/// <summary>The functions of libvirt's C library that this binding uses; names and meaning as in libvirt/libvirt-host.h, libvirt-domain.h, libvirt-stream.h, libvirt-event.h.</summary>
internal static unsafe partial class Native
{
    private const string Library = "libvirt.so.0";

    [LibraryImport(Library)] internal static partial int virInitialize();
    [LibraryImport(Library)] internal static partial void virSetErrorFunc(void* userData, delegate* unmanaged<void*, Error*, void> handler);
    [LibraryImport(Library)] internal static partial Error* virGetLastError();
    [LibraryImport(Library)] internal static partial void virResetLastError();
    [LibraryImport(Library)] internal static partial int virGetVersion(out CULong libVersion, byte* type, CULong* typeVersion);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)] internal static partial nint virConnectOpen(string? name);
    [LibraryImport(Library)] internal static partial int virConnectClose(nint connection);
    [LibraryImport(Library)] internal static partial int virConnectIsAlive(nint connection);
    [LibraryImport(Library)] internal static partial int virConnectGetVersion(nint connection, out CULong version);
    [LibraryImport(Library)] internal static partial byte* virConnectGetType(nint connection);
    [LibraryImport(Library)] internal static partial byte* virConnectGetHostname(nint connection);
    [LibraryImport(Library)] internal static partial byte* virConnectGetURI(nint connection);
    [LibraryImport(Library)] internal static partial byte* virConnectGetCapabilities(nint connection);
    [LibraryImport(Library)] internal static partial int virConnectListAllDomains(nint connection, nint** domains, uint flags);
    [LibraryImport(Library)] internal static partial int virConnectDomainEventRegisterAny(nint connection, nint domain, int eventId, void* callback, nint opaque, void* free);
    [LibraryImport(Library)] internal static partial int virConnectDomainEventDeregisterAny(nint connection, int callbackId);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)] internal static partial nint virDomainDefineXML(nint connection, string xml);
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)] internal static partial nint virDomainCreateXML(nint connection, string xml, uint flags);
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)] internal static partial nint virDomainLookupByName(nint connection, string name);
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)] internal static partial nint virDomainLookupByUUIDString(nint connection, string uuid);
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)] internal static partial int virDomainRestoreFlags(nint connection, string file, string? xml, uint flags);
    [LibraryImport(Library)] internal static partial int virDomainFree(nint domain);
    [LibraryImport(Library)] internal static partial int virDomainRef(nint domain);
    [LibraryImport(Library)] internal static partial byte* virDomainGetName(nint domain);
    [LibraryImport(Library)] internal static partial int virDomainGetUUIDString(nint domain, byte* buffer);
    [LibraryImport(Library)] internal static partial uint virDomainGetID(nint domain);
    [LibraryImport(Library)] internal static partial int virDomainGetState(nint domain, out int state, out int reason, uint flags);
    [LibraryImport(Library)] internal static partial int virDomainGetInfo(nint domain, out DomainInfo info);
    [LibraryImport(Library)] internal static partial int virDomainIsPersistent(nint domain);
    [LibraryImport(Library)] internal static partial int virDomainCreateWithFlags(nint domain, uint flags);
    [LibraryImport(Library)] internal static partial int virDomainDestroyFlags(nint domain, uint flags);
    [LibraryImport(Library)] internal static partial int virDomainShutdown(nint domain);
    [LibraryImport(Library)] internal static partial int virDomainSuspend(nint domain);
    [LibraryImport(Library)] internal static partial int virDomainResume(nint domain);
    [LibraryImport(Library)] internal static partial int virDomainUndefineFlags(nint domain, uint flags);
    [LibraryImport(Library)] internal static partial byte* virDomainGetXMLDesc(nint domain, uint flags);
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)] internal static partial int virDomainSaveFlags(nint domain, string file, string? xml, uint flags);
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)] internal static partial int virDomainAttachDeviceFlags(nint domain, string xml, uint flags);
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)] internal static partial int virDomainDetachDeviceFlags(nint domain, string xml, uint flags);
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)] internal static partial int virDomainOpenConsole(nint domain, string? device, nint stream, uint flags);
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)] internal static partial int virDomainOpenChannel(nint domain, string? name, nint stream, uint flags);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)] internal static partial nint virDomainSnapshotCreateXML(nint domain, string xml, uint flags);
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)] internal static partial nint virDomainSnapshotLookupByName(nint domain, string name, uint flags);
    [LibraryImport(Library)] internal static partial int virDomainListAllSnapshots(nint domain, nint** snapshots, uint flags);
    [LibraryImport(Library)] internal static partial int virDomainRevertToSnapshot(nint snapshot, uint flags);
    [LibraryImport(Library)] internal static partial int virDomainSnapshotDelete(nint snapshot, uint flags);
    [LibraryImport(Library)] internal static partial byte* virDomainSnapshotGetName(nint snapshot);
    [LibraryImport(Library)] internal static partial byte* virDomainSnapshotGetXMLDesc(nint snapshot, uint flags);
    [LibraryImport(Library)] internal static partial int virDomainSnapshotFree(nint snapshot);

    [LibraryImport(Library)] internal static partial nint virStreamNew(nint connection, uint flags);
    [LibraryImport(Library)] internal static partial int virStreamRecv(nint stream, byte* data, nuint length);
    [LibraryImport(Library)] internal static partial int virStreamSend(nint stream, byte* data, nuint length);
    [LibraryImport(Library)] internal static partial int virStreamFinish(nint stream);
    [LibraryImport(Library)] internal static partial int virStreamAbort(nint stream);
    [LibraryImport(Library)] internal static partial int virStreamFree(nint stream);

    [LibraryImport(Library)] internal static partial int virEventRegisterDefaultImpl();
    [LibraryImport(Library)] internal static partial int virEventRunDefaultImpl();
    [LibraryImport(Library)] internal static partial int virEventAddTimeout(int milliseconds, delegate* unmanaged<int, void*, void> callback, void* opaque, void* free);

    [LibraryImport("libc.so.6")] internal static partial void free(void* pointer);

    /// <summary>The head of struct _virError.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Error
    {
        public int Code;
        public int Domain;
        public byte* Message;
        public int Level;
    }

    /// <summary>struct _virDomainInfo.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct DomainInfo
    {
        public byte State;
        public CULong MaxMemory;
        public CULong Memory;
        public ushort Cpus;
        public ulong CpuTime;
    }

    /// <summary>A string that belongs to the library.</summary>
    internal static string Borrowed(byte* text) => Marshal.PtrToStringUTF8((nint)text) ?? throw LibvirtException.Last();

    /// <summary>A string that the caller must free.</summary>
    internal static string Owned(byte* text)
    {
        string copy = Borrowed(text);
        free(text);
        return copy;
    }

    /// <summary>Passes on a call's result, or throws what the library says about its failure.</summary>
    internal static int Check(int result) => result >= 0 ? result : throw LibvirtException.Last();

    /// <summary>Passes on a handle, or throws what the library says about its failure.</summary>
    internal static nint Check(nint handle) => handle != 0 ? handle : throw LibvirtException.Last();
}
