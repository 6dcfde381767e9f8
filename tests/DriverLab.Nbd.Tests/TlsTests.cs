using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace DriverLab.Nbd.Tests;

/// <summary>A server with a certificate: nothing without TLS, everything with it.</summary>
public class TlsTests
{
    private string _folder = "";
    private X509Certificate2 _certificate = null!;

    [SetUp]
    public void SetUp()
    {
        _folder = Directory.CreateTempSubdirectory("nbd-tls-").FullName;
        _certificate = Certificate(_folder);
    }

    /// <summary>A certificate with its key; what libnbd and QEMU look for goes into a folder: the authority that they trust.</summary>
    private static X509Certificate2 Certificate(string folder)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddYears(1));
        File.WriteAllText(Path.Combine(folder, "ca-cert.pem"), certificate.ExportCertificatePem());
        return certificate;
    }

    [TearDown]
    public void TearDown()
    {
        _certificate.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Test]
    public void Nothing_is_told_without_it()
    {
        using var served = new Served(4096, certificate: _certificate);
        using (var client = new RawClient(served.Socket))
        {
            foreach (uint option in (uint[])[3, 6, 7, 8, 10, 77])
                Assert.That(client.Option(option).Type, Is.EqualTo(0x80000005), $"option {option}");
            Assert.That(client.Option(5, 1).Type, Is.EqualTo(0x80000003), "STARTTLS with data");
            client.SendOption(1, "disk"u8.ToArray());
            Assert.That(client.IsClosed());
        }
        Assert.That(Tools.Run("nbdinfo", served.Uri).Status, Is.Not.Zero);
    }

    [Test]
    public void A_client_that_trusts_another_goes_away_and_the_server_goes_on()
    {
        using var served = new Served(4096, certificate: _certificate);
        string other = Directory.CreateDirectory(Path.Combine(_folder, "other")).FullName;
        Certificate(other).Dispose();
        Assert.That(Qemu(served, other, "read 0 4k").Status, Is.Not.Zero);
        Assert.That(Qemu(served, _folder, "read 0 4k").Status, Is.Zero);
    }

    [Test]
    public void Libnbd_copies_in_and_out_over_several_connections()
    {
        using var served = new Served(certificate: _certificate);
        string from = Path.Combine(_folder, "from"), to = Path.Combine(_folder, "to");
        File.WriteAllBytes(from, RandomNumberGenerator.GetBytes(64 << 20));
        Assert.That(Tools.Run("nbdinfo", "--json", Uri(served, _folder)).Output, Does.Contain("\"TLS\": true").And.Contain("\"structured\": true"));
        Assert.That(Tools.Run("nbdcopy", from, Uri(served, _folder)).Status, Is.Zero);
        Assert.That(Tools.Run("nbdcopy", Uri(served, _folder), to).Status, Is.Zero);
        Assert.That(File.ReadAllBytes(to).AsSpan().SequenceEqual(File.ReadAllBytes(from)));
        Assert.That(served.Troubles, Is.Empty);
    }

    [Test]
    public void Qemu_verifies_what_it_wrote()
    {
        using var served = new Served(certificate: _certificate);
        var (status, output) = Qemu(served, _folder, "write -P 3 1M 5M", "flush", "read -P 3 1M 5M");
        Assert.That((status, output.Contains("Pattern verification failed", StringComparison.Ordinal)), Is.EqualTo((0, false)));
    }

    private static (int Status, string Output) Qemu(Served served, string certificates, params string[] commands)
    {
        var (status, output, _) = Tools.Run("qemu-io", ["--object", $"tls-creds-x509,id=tls0,endpoint=client,dir={certificates}", .. commands.SelectMany(command => (string[])["-c", command]),
            "--image-opts", $"driver=nbd,server.type=unix,server.path={served.Socket},export=disk,tls-creds=tls0,tls-hostname=localhost"]);
        return (status, output);
    }

    private static string Uri(Served served, string certificates) => $"nbds+unix://localhost/disk?socket={served.Socket}&tls-certificates={certificates}";
}
