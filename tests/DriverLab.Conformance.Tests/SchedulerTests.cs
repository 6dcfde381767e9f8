using DriverLab.Linux;
using DriverLab.Simulation;

namespace DriverLab.Conformance.Tests;

/// <summary>Who goes on while somebody sleeps.</summary>
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public class SchedulerTests
{
    private readonly Scheduler _scheduler = new World(0).Scheduler;
    private readonly List<string> _done = [];
    private bool _first, _second;

    private IBackgroundCall Begin(string name, Func<bool> isOver) => _scheduler.Begin(() =>
    {
        _scheduler.Wait(isOver, static f => f(), name);
        _done.Add(name);
    });

    [Test]
    public void A_call_goes_on_when_what_it_waits_for_has_come_to_pass_and_not_before()
    {
        using var call = Begin("a", () => _first);
        Assert.That((call.Settle(false), call.HasEnded), Is.EqualTo((false, false)));
        _first = true;
        Assert.That(_done, Is.Empty, "nobody has given it the turn");
        Assert.That((call.Settle(false), string.Join(' ', _done)), Is.EqualTo((true, "a")));
    }

    [Test]
    public void Those_who_have_slept_longest_go_on_first_and_may_let_others_go_on()
    {
        using var a = Begin("a", () => _second && _done.Contains("c"));
        using var b = Begin("b", () => _first);
        using var c = Begin("c", () => _first);
        (_first, _second) = (true, true);
        Assert.That((a.Settle(false), string.Join(' ', _done)), Is.EqualTo((true, "b c a")));
    }

    [Test]
    public void The_foreground_waits_for_the_background_and_hangs_when_nothing_is_left()
    {
        using var a = Begin("a", () => _first);
        using var b = _scheduler.Begin(() =>
        {
            _scheduler.Sleep(5_000_000_000);
            _first = true;
        });
        _scheduler.Wait(_done, static d => d.Contains("a"), "a");
        Assert.That((a.HasEnded, b.HasEnded), Is.EqualTo((true, true)));
        Assert.That(() => _scheduler.Wait(this, static t => t._second, "what never comes"), Throws.TypeOf<WouldHangException>().With.Message.EqualTo("what never comes"));
    }

    [Test]
    public void A_signal_ends_only_a_sleep_that_takes_signals()
    {
        bool? ended = null;
        using var a = Begin("a", () => _first);
        using var b = _scheduler.Begin(() => ended = _scheduler.WaitInterruptible(this, static t => t._first, "b"));
        a.Interrupt();
        b.Interrupt();
        Assert.That((a.HasEnded, b.HasEnded, ended), Is.EqualTo((false, true, (bool?)false)));
    }

    [Test]
    public void An_exception_reaches_whoever_settles_the_call_and_a_call_that_is_given_up_unwinds()
    {
        using var failing = _scheduler.Begin(() =>
        {
            _scheduler.Wait(this, static t => t._first, "a");
            throw new InvalidOperationException("from the background");
        });
        bool unwound = false;
        using (_scheduler.Begin(() =>
        {
            try
            {
                _scheduler.Wait(this, static t => t._second, "b");
            }
            finally
            {
                unwound = true;
            }
        }))
            _first = true;
        Assert.That(unwound, Is.True);
        Assert.That(() => failing.Settle(false), Throws.InvalidOperationException.With.Message.EqualTo("from the background"));
    }
}
