using System.Net;
using DriverLab.Rig.Cache;
using DriverLab.Rig.Kernels;
using DriverLab.Testing;

namespace DriverLab.Rig.Tests;

/// <summary>Fetching over a connection that breaks: a mirror between us and Debian that cuts the kernel's package in the middle. apt checks the signatures of what comes through.</summary>
[Category("rig")]
[Category("long")]
[NonParallelizable]
public class FetchTests
{
    private const string Line = "5.10";

    [Test]
    public async Task A_fetch_that_was_interrupted_goes_on_where_it_stopped()
    {
        using var folder = new TemporaryFolder();
        await using var mirror = new CuttingMirror(Mirrors.OfHost());
        string? before = Environment.GetEnvironmentVariable("DRIVERLAB_MIRROR");
        Environment.SetEnvironmentVariable("DRIVERLAB_MIRROR", mirror.Address);
        try
        {
            var cache = new RigCache(folder.Path);
            using (var killed = new CancellationTokenSource())
            {
                mirror.OnHalf = killed.Cancel;
                _ = await Assert.CatchAsync<OperationCanceledException>(() => new KernelStore(cache, KernelCatalogue.BuiltIn()).GetAsync(Line, RigHost.Progress, killed.Token));
            }
            string half = Directory.GetFiles(cache.PathOf("kernels", Line, "fetch"), "*.deb*").Single();
            long have = new FileInfo(half).Length;
            Assert.That(have, Is.GreaterThan(0), "the half that came is kept");

            mirror.OnHalf = null;
            mirror.PackageBytes = 0;
            var kernel = await new KernelStore(cache, KernelCatalogue.BuiltIn()).GetAsync(Line, RigHost.Progress, default);
            Assert.That(kernel.Release, Does.StartWith(Line));
            Assert.That(mirror.Ranges, Has.Some.StartsWith("bytes="), "the rest was asked for, not the whole");
            Assert.That(mirror.PackageBytes, Is.InRange(1, have * 3 / 2), "what came the second time, in bytes");
            Assert.That(Directory.Exists(cache.PathOf("kernels", Line, "fetch")), Is.False, "nothing half is left");
        }
        catch (RigException e) when (e is not Machines.MachineException && e.Message.Contains("package lists", StringComparison.Ordinal))
        {
            NoRig.Ignore(e);
            throw;
        }
        finally
        {
            Environment.SetEnvironmentVariable("DRIVERLAB_MIRROR", before);
        }
    }

    /// <summary>Passes requests on; the first package stops half-way, and then <see cref="OnHalf"/> is called.</summary>
    private sealed class CuttingMirror : IAsyncDisposable
    {
        private readonly HttpListener listener = new();
        private readonly HttpClient client = new();
        private readonly Mirrors real;
        private readonly Task serving;

        public CuttingMirror(Mirrors real)
        {
            this.real = real;
            var port = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
            port.Start();
            Address = $"http://127.0.0.1:{((IPEndPoint)port.LocalEndpoint).Port}/debian";
            port.Stop();
            listener.Prefixes.Add(Address[..^"debian".Length]);
            listener.Start();
            serving = ServeAsync();
        }

        public string Address { get; }

        public Action? OnHalf { get; set; }

        public long PackageBytes { get => Volatile.Read(ref packageBytes); set => Volatile.Write(ref packageBytes, value); }

        private long packageBytes;

        public System.Collections.Concurrent.ConcurrentBag<string> Ranges { get; } = [];

        public async ValueTask DisposeAsync()
        {
            listener.Stop();
            await serving;
            client.Dispose();
            listener.Close();
        }

        private async Task ServeAsync()
        {
            try
            {
                while (true)
                {
                    var context = await listener.GetContextAsync();
                    _ = Task.Run(() => AnswerAsync(context));
                }
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                // Stopped.
            }
        }

        private async Task AnswerAsync(HttpListenerContext context)
        {
            string path = context.Request.Url!.AbsolutePath;
            bool package = path.EndsWith(".deb", StringComparison.Ordinal);
            string from = path.StartsWith("/debian-security/", StringComparison.Ordinal) ? real.Security + path["/debian-security".Length..] : real.Debian + path["/debian".Length..];
            using var request = new HttpRequestMessage(HttpMethod.Get, from);
            if (context.Request.Headers["Range"] is { } range)
            {
                _ = request.Headers.TryAddWithoutValidation("Range", range);
                if (package)
                    Ranges.Add(range);
            }
            using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            context.Response.StatusCode = (int)answer.StatusCode;
            context.Response.ContentLength64 = answer.Content.Headers.ContentLength ?? 0;
            if (answer.Content.Headers.ContentRange is { } part)
                context.Response.Headers["Content-Range"] = part.ToString();
            if (answer.Content.Headers.LastModified is { } modified)
                context.Response.Headers["Last-Modified"] = modified.ToString("R");
            try
            {
                await using var content = await answer.Content.ReadAsStreamAsync();
                var buffer = new byte[64 << 10];
                long sent = 0;
                for (int n; (n = await content.ReadAsync(buffer)) > 0; sent += n)
                {
                    if (package && OnHalf is { } half && sent > context.Response.ContentLength64 / 2)
                    {
                        await context.Response.OutputStream.FlushAsync();
                        await Task.Delay(500); // apt writes what it has read
                        half();
                        context.Response.Abort();
                        return;
                    }
                    await context.Response.OutputStream.WriteAsync(buffer.AsMemory(0, n));
                    if (package)
                        _ = Interlocked.Add(ref packageBytes, n);
                }
                context.Response.Close();
            }
            catch (Exception e) when (e is HttpListenerException or IOException or ObjectDisposedException)
            {
                context.Response.Abort();
            }
        }
    }
}
