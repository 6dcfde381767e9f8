using System.Collections.Concurrent;

namespace LibvirtSharp.Tests;

/// <summary>The bindings against libvirt's own test driver: real library, pretended machines.</summary>
[TestFixture]
[NonParallelizable]
public sealed class TestDriverTests
{
    private LibvirtConnection _connection = null!;

    [SetUp]
    public void Connect() => _connection = LibvirtConnection.Open("test:///default");

    [TearDown]
    public void Disconnect() => _connection.Dispose();

    private static string Xml(string name) => new DomainXml { Name = name, Type = DomainType.Test, MemoryMiB = 64 }.ToString();

    [Test]
    public void Connection_tells_what_it_is()
    {
        Assert.That(_connection.Type, Is.EqualTo("TEST"));
        Assert.That(_connection.Uri, Is.EqualTo("test:///default"));
        Assert.That(_connection.IsAlive, Is.True);
        Assert.That(_connection.CapabilitiesXml, Does.Contain("<capabilities>"));
        Assert.That(LibvirtConnection.LibraryVersion.Major, Is.GreaterThanOrEqualTo(5));
    }

    [Test]
    public void Unknown_address_is_a_connection_failure_that_names_it() =>
        Assert.That(() => LibvirtConnection.Open("nosuch:///nowhere"), Throws.TypeOf<ConnectionFailedException>().With.Message.Contains("nosuch:///nowhere"));

    [Test]
    public void Defined_domain_starts_stops_and_goes()
    {
        using var domain = _connection.Define(Xml("lab"));
        Assert.That(domain.State, Is.EqualTo(DomainState.ShutOff));
        Assert.That(domain.Id, Is.Null);
        Assert.That(domain.IsPersistent, Is.True);
        domain.Start();
        Assert.That(domain.State, Is.EqualTo(DomainState.Running));
        Assert.That(domain.Id, Is.Not.Null);
        Assert.That(domain.Info.MaxMemoryKiB, Is.EqualTo(64 * 1024));
        domain.Suspend();
        Assert.That(domain.State, Is.EqualTo(DomainState.Paused));
        domain.Resume();
        domain.Destroy();
        Assert.That(domain.State, Is.EqualTo(DomainState.ShutOff));
        domain.Undefine();
        Assert.That(() => _connection.Lookup("lab"), Throws.TypeOf<DomainNotFoundException>());
    }

    [Test]
    public void Created_domain_vanishes_when_destroyed()
    {
        using var domain = _connection.Create(Xml("fleeting"));
        Assert.That(domain.IsPersistent, Is.False);
        using (var found = _connection.Lookup(domain.Uuid))
            Assert.That(found.Name, Is.EqualTo("fleeting"));
        domain.Destroy();
        Assert.That(_connection.ListDomains().Select(d => d.Name), Does.Not.Contain("fleeting"));
    }

    [Test]
    public void Starting_twice_is_a_wrong_state()
    {
        using var domain = _connection.Define(Xml("twice"));
        domain.Start();
        Assert.That(() => domain.Start(), Throws.InstanceOf<LibvirtException>());
        domain.Destroy();
        Assert.That(domain.Destroy, Throws.TypeOf<InvalidDomainStateException>());
    }

    [Test]
    public void Damaged_description_is_refused() =>
        Assert.That(() => _connection.Define("<domain type='test'><name>x</name>"), Throws.TypeOf<InvalidDomainXmlException>());

    [Test]
    public void Saved_domain_comes_back()
    {
        string file = Path.Combine(TestContext.CurrentContext.WorkDirectory, $"save-{Environment.ProcessId}");
        try
        {
            using var domain = _connection.Define(Xml("saved"));
            domain.Start();
            domain.Save(file);
            Assert.That(domain.State, Is.EqualTo(DomainState.ShutOff));
            _connection.Restore(file);
            Assert.That(domain.State, Is.EqualTo(DomainState.Running));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Test]
    public void Snapshots_are_taken_listed_reverted_and_deleted()
    {
        using var domain = _connection.Define(Xml("snap"));
        domain.Start();
        using var running = domain.TakeSnapshot("running");
        domain.Destroy();
        using (var off = domain.TakeSnapshot("off"))
            Assert.That(domain.ListSnapshots().Select(s => s.Name), Is.EquivalentTo(["running", "off"]));
        running.Revert();
        Assert.That(domain.State, Is.EqualTo(DomainState.Running));
        running.Delete();
        Assert.That(() => domain.FindSnapshot("running"), Throws.TypeOf<SnapshotNotFoundException>());
    }

    [Test]
    public void Life_cycle_events_arrive_in_order()
    {
        var events = new BlockingCollection<DomainEvent>();
        using (_connection.OnLifecycle(events.Add))
        {
            using var domain = _connection.Define(Xml("watched"));
            domain.Start();
            domain.Destroy();
            var kinds = new List<DomainEventKind>();
            while (kinds.Count < 3 && events.TryTake(out var e, TimeSpan.FromSeconds(10)))
                kinds.Add(e.Kind);
            Assert.That(kinds, Is.EqualTo(new[] { DomainEventKind.Defined, DomainEventKind.Started, DomainEventKind.Stopped }));
        }
    }

    [Test]
    public void Disposed_handles_are_refused()
    {
        var domain = _connection.Define(Xml("gone"));
        domain.Undefine();
        domain.Dispose();
        Assert.That(() => domain.Name, Throws.TypeOf<ObjectDisposedException>());
    }
}
