using DriverLab.Guest.Wire;

namespace DriverLab.Guest.Transport;

/// <summary>The virtio-serial port to the host. Sending is safe from every thread; receiving belongs to one.</summary>
internal sealed class Port
{
    private readonly int fd;
    private readonly Lock sending = new();
    private byte[] buffer = new byte[64 << 10];

    private Port(int fd) => this.fd = fd;

    /// <summary>The port's descriptor: tasks that report over it keep it open.</summary>
    public int Descriptor => fd;

    /// <summary>Opens the port of that name, waiting a little for its device to appear; null when it does not.</summary>
    /// <remarks>Without udev there is no /dev/virtio-ports: the name is read from sysfs.</remarks>
    public static Port? Open(string name)
    {
        for (int attempt = 0; attempt < 200; attempt++)
        {
            if (Directory.Exists("/sys/class/virtio-ports"))
            {
                foreach (string device in Directory.GetDirectories("/sys/class/virtio-ports"))
                {
                    string file = Path.Combine(device, "name");
                    if (!File.Exists(file) || File.ReadAllText(file).Trim() != name)
                        continue;
                    int fd = LibC.Open("/dev/" + Path.GetFileName(device), LibC.ORdWr | LibC.OCloExec, 0);
                    if (fd >= 0)
                        return new Port(fd);
                }
            }
            Thread.Sleep(10);
        }
        return null;
    }

    /// <summary>Receives one frame; false when the host has gone or the stream is out of step.</summary>
    public bool TryReceive(out FrameHeader header, out byte[] payload)
    {
        Span<byte> head = stackalloc byte[FrameHeader.Size];
        payload = [];
        if (!LibC.ReadExactly(fd, head) || !FrameHeader.TryRead(head, out header))
        {
            header = default;
            return false;
        }
        payload = header.Length == 0 ? [] : GC.AllocateUninitializedArray<byte>(header.Length);
        return LibC.ReadExactly(fd, payload);
    }

    /// <summary>Sends one frame with a single write: when this returns, the host has it, whatever happens to the kernel next.</summary>
    public void Send(FrameKind kind, uint id, ReadOnlySpan<byte> payload)
    {
        lock (sending)
        {
            int size = FrameHeader.Size + payload.Length;
            if (buffer.Length < size)
                buffer = GC.AllocateUninitializedArray<byte>(size);
            new FrameHeader(payload.Length, kind, id).Write(buffer);
            payload.CopyTo(buffer.AsSpan(FrameHeader.Size));
            _ = LibC.WriteAll(fd, buffer.AsSpan(0, size));
        }
    }

    /// <summary>Sends one frame of text.</summary>
    public void Send(FrameKind kind, uint id, string text) => Send(kind, id, System.Text.Encoding.UTF8.GetBytes(text));
}
